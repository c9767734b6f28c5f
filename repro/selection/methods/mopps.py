"""MoPPS: a Beta posterior of each question's pass rate, from which a draw decides what is near the target."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from repro.selection.banded import start_scores
from repro.selection.base import Observation, Run, Selector
from repro.selection.history import FromHistory, array, column_rates, numbers
from repro.selection.method import Costs, Smoke
from repro.selection.stateful import PassSelector

PRIOR = 1.0  # alpha and beta of a question that was never rolled out


class Mopps(FromHistory):
    """MoPPS (2507.04632): of some candidates, those whose pass rate, drawn from its posterior, is near the target."""

    predicts: ClassVar[bool] = True
    SMOKE_FIELDS: ClassVar[tuple[str, ...]] = ("samples",)

    method: Literal["mopps"]
    target: float = Field(0.5, ge=0, le=1, description="gamma: the pass rate to aim at (keep: topk)")
    decay: float = Field(
        1.0, ge=0, le=1, description="lambda: how much of the counts stays at an observation; the rest is the prior's"
    )
    candidates: int = Field(
        16, ge=1, le=10_000, description="batches of questions from which a step chooses one; 1 is a uniform choice"
    )
    keep: Literal["topk", "threshold"] = Field(
        "topk", description="topk: the candidates nearest the target; threshold: any of those from low to high"
    )
    low: float = Field(0.3, ge=0, le=1, description="lowest pass rate (keep: threshold)")
    high: float = Field(0.7, ge=0, le=1, description="highest pass rate (keep: threshold)")
    warm_start: Literal["none", "pass_rate", "column"] = Field(
        "none", description="pass rates known before the first step: of the start policy, or a column of the dataset"
    )
    samples: int = Field(8, ge=1, le=10_000, description="completions behind a known pass rate (with warm_start)")
    column: str | None = Field(None, description="column of pass rates from 0 to 1 (warm_start: column)")
    weight: float = Field(
        3.0, ge=0, le=1000, description="observations that each completion behind a known pass rate counts for"
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.warm_start == "column") != (self.column is not None):
            given = "warm_start: column without column" if self.column is None else f"column with {self.warm_start}"
            raise ValueError(f"got {given}, expected both or neither")
        if self.low > self.high:
            raise ValueError(f"got low {self.low:g} and high {self.high:g}, expected low <= high")
        return self

    def build(self, run: Run) -> Selector:
        """What it learns starts at the prior, or at known pass rates."""
        return MoppsSelector(self, run)

    @property
    def trains_on(self) -> str:
        """By its posterior."""
        return f"questions whose own earlier rewards suggest a pass rate near {self.target:g}"

    @property
    def title(self) -> str:
        """As its authors write it."""
        return "MoPPS"

    @property
    def dataset_column(self) -> str | None:
        """Known pass rates."""
        return self.column

    def without_effect(self) -> dict[str, str]:
        """What belongs to the other way to keep, or to a warm start."""
        out = {"target": "keep is threshold"} if self.keep == "threshold" else dict.fromkeys(("low", "high"), TOPK)
        if self.warm_start == "none":
            out |= dict.fromkeys(("samples", "weight"), "warm_start is none")
        return out

    def costs(self, pool: int | None, group_size: int) -> Costs:
        """The completions of a warm start."""
        return Costs(samples=self.samples if self.warm_start == "pass_rate" else 0)

    def smoke(self, sizes: Smoke) -> Self:
        """Few samples."""
        return self.model_copy(update={"samples": min(self.samples, sizes.group_size)})


TOPK = "keep is topk"


class MoppsSelector(PassSelector):
    """Candidates come in shuffled passes over the pool. Each question rolled out with s of n right gets

    alpha <- decay * alpha + (1 - decay) * 1 + s,    beta <- decay * beta + (1 - decay) * 1 + (n - s).
    """

    def __init__(self, selection: Mopps, run: Run) -> None:
        super().__init__(selection, run)
        self.selection = selection
        self._alpha: np.ndarray | None = None  # (N,)
        self._beta: np.ndarray | None = None  # (N,)

    def _counts(self) -> tuple[np.ndarray, np.ndarray]:
        if self._alpha is None or self._beta is None:
            known, rates = 0.0, np.zeros(len(self.ids))
            if self.selection.warm_start != "none":
                known, rates = self.selection.weight * self.selection.samples, self._known()
            self._alpha, self._beta = PRIOR + known * rates, PRIOR + known * (1 - rates)
        return self._alpha, self._beta

    def _known(self) -> np.ndarray:
        if self.selection.column is not None:
            return column_rates(self.run, "column", self.selection.column)
        return start_scores(self.run.resources.pass_rates(self.selection.samples), self.run)

    def pick(self, n: int) -> np.ndarray:
        """A draw from the posterior of each candidate decides."""
        alpha, beta = self._counts()
        asked = min(self.selection.candidates * n, len(self.ids))
        candidates = np.array(self._pass.take(asked), dtype=np.int64)  # (m,)
        drawn = np.full(len(self.ids), np.inf)
        drawn[candidates] = self.generator.beta(alpha[candidates], beta[candidates])
        if self.selection.keep == "topk":
            keys = (drawn - self.selection.target) ** 2
        else:
            keys = np.maximum(0.0, np.maximum(self.selection.low - drawn, drawn - self.selection.high))
        chosen = self.ranked(keys)[:n]
        mean = alpha / (alpha + beta)
        self._metrics = {
            "posterior_mean": float(mean.mean()),
            "chosen_posterior_mean": float(mean[chosen].mean()),
            "chosen_drawn": float(drawn[chosen].mean()),
            "posterior_count": float((alpha + beta).mean()),
        }
        return chosen

    def observe(self, observations: Sequence[Observation]) -> None:
        """Count the right and the wrong completions of each question."""
        alpha, beta = self._counts()
        decay = self.selection.decay
        for index, rewards in ((seen.index, seen.rewards) for seen in observations):
            right = float(np.sum(rewards))
            alpha[index] = decay * alpha[index] + (1 - decay) * PRIOR + right
            beta[index] = decay * beta[index] + (1 - decay) * PRIOR + (len(rewards) - right)

    def predictions(self) -> np.ndarray | None:
        """(N,) means of the posteriors, None before the first choice."""
        return None if self._alpha is None or self._beta is None else self._alpha / (self._alpha + self._beta)

    def learnt(self) -> dict[str, Any]:
        """The counts, and what is left of the pass."""
        return super().learnt() | {"alpha": numbers(self._alpha), "beta": numbers(self._beta)}

    def restore(self, state: dict[str, Any]) -> None:
        """Take over the counts: a warm start is not measured again."""
        self._alpha, self._beta = array(state["alpha"]), array(state["beta"])
        super().restore(state)
