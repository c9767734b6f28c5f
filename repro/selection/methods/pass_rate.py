"""The questions in a band of the start policy's pass rate, measured by sampling."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from repro.selection.banded import Banded, start_scores
from repro.selection.base import Run
from repro.selection.method import Costs, Smoke


class PassRate(Banded):
    """Multi-sample accuracy of the start policy; keep a band of it."""

    ENDS: ClassVar[dict[str, tuple[str, str]]] = {
        "easiest": ("pass_rate", "highest"),
        "hardest": ("pass_rate", "lowest"),
    }

    method: Literal["pass_rate", "easiest", "hardest"] = Field(
        description="easiest and hardest: pass_rate with the band highest, lowest"
    )
    samples: int = Field(8, ge=1, le=10_000, description="completions per question that measure the pass rate")

    @property
    def trains_on(self) -> str:
        """A band of the rate."""
        return self.banded("measured pass rate")

    @property
    def title(self) -> str:
        """A filter by the score."""
        return "pass-rate filter"

    def score(self, run: Run) -> np.ndarray:
        """Mean reward of every question."""
        return start_scores(run.resources.pass_rates(self.samples), run)

    def costs(self, pool: int | None, group_size: int) -> Costs:
        """The completions that measure the pass rates."""
        return replace(super().costs(pool, group_size), samples=self.samples)

    def smoke(self, sizes: Smoke) -> Self:
        """Few samples."""
        return super().smoke(sizes).model_copy(update={"samples": min(self.samples, sizes.group_size)})
