"""Plain GRPO: every question of the pool equally often."""

from __future__ import annotations

from typing import Literal

from repro.selection.base import Run, Selector
from repro.selection.method import Selection
from repro.selection.subset import SubsetSelector


class Uniform(Selection):
    """Every question equally often: plain GRPO."""

    method: Literal["uniform"] = "uniform"

    @property
    def trains_on(self) -> str:
        """All of them."""
        return "every question"

    def build(self, run: Run) -> Selector:
        """Shuffled passes over the pool."""
        return SubsetSelector(run, self.method)
