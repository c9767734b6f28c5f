"""UFO-RL: the questions of middle confidence, from one teacher-forced pass of the start policy."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from repro.scoring.targets import TARGET_HELP, Target
from repro.selection.banded import Banded, start_scores
from repro.selection.base import Run
from repro.selection.method import Costs


class Confidence(Banded):
    """UFO-RL: one teacher-forced pass of the start policy; keep the middle of the confidence."""

    ENDS: ClassVar[dict[str, tuple[str, str]]] = {
        "high_confidence": ("confidence", "highest"),
        "low_confidence": ("confidence", "lowest"),
    }

    method: Literal["confidence", "high_confidence", "low_confidence"] = Field(
        description="high_confidence and low_confidence: confidence with the band highest, lowest"
    )
    target: Target = Field("final_answer", description=TARGET_HELP)
    prompt: Literal["paper"] | None = Field(
        None, description="paper: the release's system prompt and <answer> tag (default: the prompt of rollouts)"
    )

    @property
    def trains_on(self) -> str:
        """A band of s."""
        return self.banded("confidence")

    @property
    def title(self) -> str:
        """A filter by the score."""
        return "confidence filter"

    def score(self, run: Run) -> np.ndarray:
        """s of every question."""
        return start_scores(run.resources.confidences(self.target, self.prompt), run)

    def tokens(self, run: Run) -> np.ndarray:
        """Of the targets: a confidence may follow their length more than difficulty."""
        return start_scores(run.resources.target_tokens(self.target, self.prompt), run)

    def costs(self, pool: int | None, group_size: int) -> Costs:
        """One pass; a greedy response is decoded first."""
        greedy = self.target == "greedy_response"
        passes = {"passes": True, "passes_response": greedy or self.target == "solution"}
        return replace(super().costs(pool, group_size), samples=int(greedy), **passes)
