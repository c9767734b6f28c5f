"""The questions in a band of the start policy's entropy on their own words: no label is needed."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np

from repro.selection.banded import Banded, start_scores
from repro.selection.base import Run
from repro.selection.method import Costs


class PromptEntropy(Banded):
    """Label-free: the mean entropy of the next token over the question, as a share of log(vocabulary)."""

    method: Literal["prompt_entropy"]

    @property
    def trains_on(self) -> str:
        """A band of the entropy."""
        return self.banded("own entropy")

    def score(self, run: Run) -> np.ndarray:
        """Of every question's own tokens."""
        return start_scores(run.resources.prompt_scores("entropy"), run)

    def costs(self, pool: int | None, group_size: int) -> Costs:
        """One pass over the prompts."""
        return replace(super().costs(pool, group_size), passes=True)
