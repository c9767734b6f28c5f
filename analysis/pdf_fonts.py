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

    class Letters(whole):  # type: ignore[misc, valid-type]
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            self.drop_tables = [*self.drop_tables, *SHAPING]

    subset.Options = Letters
    try:
        yield
    finally:
        subset.Options = whole
