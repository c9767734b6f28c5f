"""A fixed random subset of the pool: the control of every selected subset of the same size."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from repro.fields import Fraction
from repro.selection.base import Run, Selector
from repro.selection.method import Selection
from repro.selection.pool import subset_size
from repro.selection.subset import SubsetSelector


class RandomSubset(Selection):
    """A fixed random subset: the control of every selected subset of the same size."""

    method: Literal["random"]
    fraction: Fraction = Field(0.1, description="share of the pool that is kept")

    @property
    def trains_on(self) -> str:
        """A share of the pool."""
        return f"a random {100 * self.fraction:g} % of the questions"

    @property
    def title(self) -> str:
        """A subset, beside filters by a score."""
        return "random subset"

    def build(self, run: Run) -> Selector:
        """The run's seed draws the subset."""
        total = len(run.problems)

        def draw() -> np.ndarray:
            return run.generator("subset").choice(total, size=subset_size(self.fraction, total), replace=False)

        remedy = "raise selection.fraction or lower train.questions_per_step"
        return SubsetSelector(run, self.method, draw, remedy=remedy)
