"""Text in CSV cells that a spreadsheet shows as it is, and does not run as a formula."""

from __future__ import annotations

import re

_FORMULA = re.compile(r"'*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
"""How a cell begins that a spreadsheet takes for a formula, or for one behind quotes of ours."""

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\Z", re.ASCII)


def harmless(text: str) -> str:
    """The text for a CSV cell: a quote goes before what a spreadsheet would run. Numbers such as -0.5 stay.

    `original` takes the quote away again.
    """
    return f"'{text}" if _runs(text) else text


def original(cell: str) -> str:
    """The text that `harmless` made the cell of."""
    return cell[1:] if cell.startswith("'") and _runs(cell[1:]) else cell


def _runs(text: str) -> bool:
    return bool(_FORMULA.match(text)) and not _NUMBER.match(text.lstrip("'"))
