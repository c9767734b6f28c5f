"""Writes the text and the CSV files of a report, whatever characters the names in a study have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from repro.spreadsheets import harmless


def shown(text: str) -> str:
    r"""The text with half a surrogate pair, which no file can hold, as `\ud800`."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def write_text(path: Path, text: str) -> None:
    """Write a text file as UTF-8."""
    path.write_text(shown(text), encoding="utf-8", newline="")


def write_csv(path: Path, data: pd.DataFrame) -> None:
    """Write a table with a header; no cell of text is a formula to a spreadsheet (`repro.spreadsheets`)."""
    words = data.copy()
    for column in range(len(words.columns)):
        if not pd.api.types.is_numeric_dtype(words.dtypes.iloc[column]):
            values = words.iloc[:, column]
            different = values.unique() if values.dtype == "str" else values
            if any(harmless(text) != text for text in {value for value in different if isinstance(value, str)}):
                words.isetitem(column, values.map(_cell))
    words.columns = pd.Index([_cell(name) for name in words.columns])
    write_text(path, words.to_csv(index=False, lineterminator="\n"))


def _cell(value: Any) -> Any:
    return harmless(value) if isinstance(value, str) else value
