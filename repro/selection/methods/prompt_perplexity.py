"""The questions in a band of the start policy's perplexity on their own words: no label is needed."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np

from repro.selection.banded import Banded, start_scores
from repro.selection.base import Run
from repro.selection.method import Costs


class PromptPerplexity(Banded):
    """Label-free: how probable the question's own tokens are, as 1 / perplexity; keep a band of it."""

    method: Literal["prompt_perplexity"]

    @property
    def trains_on(self) -> str:
        """A band of the perplexity."""
        return self.banded("own perplexity")

    def score(self, run: Run) -> np.ndarray:
        """Of every question's own tokens."""
        return start_scores(run.resources.prompt_scores("perplexity"), run)

    def costs(self, pool: int | None, group_size: int) -> Costs:
        """One pass over the prompts."""
        return replace(super().costs(pool, group_size), passes=True)
