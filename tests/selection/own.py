"""Selections as a package outside the suite may hold them, sound and faulty."""

from __future__ import annotations

from pydantic import Field

from repro.selection import Run, Selection, Selector, SubsetSelector


class Evens(Selection):
    """Every other question, from the first."""

    step: int = Field(2, ge=1, le=10, description="one question in so many is kept")

    def build(self, run: Run) -> Selector:
        return SubsetSelector(run, self.method, lambda: range(0, len(run.ids), self.step))

    def kept_of(self, pool: int) -> int:
        return -(-pool // self.step)


class Longest(Selection):
    """The half of the questions with the largest number in a column."""

    number: str = Field("steps", description="column of the dataset")

    @property
    def dataset_column(self) -> str:
        return self.number

    def build(self, run: Run) -> Selector:
        return SubsetSelector(
            run, self.method, lambda: run.resources.column(self.number).argsort()[len(run.ids) // 2 :]
        )


class NoBuild(Selection):
    """It says nothing of how to choose."""


class NoSelection:
    """It has nothing to do with selections."""
