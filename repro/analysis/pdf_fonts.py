"""Fonts inside a PDF figure: their letters, without the tables that only a text processor reads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

SHAPING = ("GDEF", "GPOS", "GSUB", "MATH", "kern")
"""Tables of a font that say how letters combine. In a figure each letter has its place already."""


@contextmanager
def letters_alone() -> Iterator[None]:
    """Inside the block fonts are cut down without their tables of `SHAPING`, which takes most of the time otherwise."""
    from fontTools import subset

    whole = subset.Options

    def letters(**options: Any) -> Any:
        found: Any = whole(**options)
        found.drop_tables += SHAPING
        return found

    subset.Options = letters
    try:
        yield
    finally:
        subset.Options = whole
