"""A selection from outside whose selector cannot choose."""

from __future__ import annotations

from repro.selection import Run, Selection, Selector


class SilentSelector(Selector):
    """It never says which questions."""


class Silent(Selection):
    """It builds a selector without its one verb."""

    def build(self, run: Run) -> Selector:
        return SilentSelector()
