"""Learnability: questions are drawn in proportion to p (1 - p), with p the pass rate that the run has seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from repro.draws import gumbel_top_k
from repro.selection.base import Observation, Run, Selector
from repro.selection.history import FromHistory
from repro.selection.stateful import StatefulSelector


class Learnability(FromHistory):
    """P(q) ~ p (1 - p), the variance of its rewards, from the rewards that the run has seen (2502.12272)."""

    predicts: ClassVar[bool] = True

    method: Literal["learnability"]
    decay: float = Field(
        0.0, ge=0, le=1, description="how much earlier groups of a question count; 0: its latest alone, 1: all alike"
    )
    prior: float = Field(0.5, gt=0, lt=1, description="pass rate of a question that was never rolled out")
    prior_weight: float = Field(
        1.0, ge=1e-6, le=10_000, description="completions that the prior counts for; no question has a weight of zero"
    )

    @property
    def trains_on(self) -> str:
        """By the spread of their rewards."""
        return "questions drawn in proportion to p (1 - p), with p their pass rate so far"

    def build(self, run: Run) -> Selector:
        """Every question starts at the prior."""
        return LearnabilitySelector(self, run)


class LearnabilitySelector(StatefulSelector):
    """p = (right + prior_weight * prior) / (count + prior_weight), where both counts are multiplied by `decay` before
    a new group of the question is added."""

    def __init__(self, selection: Learnability, run: Run) -> None:
        super().__init__(selection, run)
        self.selection = selection
        self._right, self._count = np.zeros(len(run.ids)), np.zeros(len(run.ids))  # (N,) each
        self._begun = False

    def _rates(self) -> np.ndarray:
        own = self.selection
        return (self._right + own.prior_weight * own.prior) / (self._count + own.prior_weight)

    def pick(self, n: int) -> np.ndarray:
        """Without replacement, in proportion to p (1 - p)."""
        rates = self._rates()
        weights = rates * (1 - rates)
        chosen = gumbel_top_k(np.log(weights), n, self.generator)
        self._begun = True
        self._metrics = {
            "rate_mean": float(rates.mean()),
            "chosen_rate_mean": float(rates[chosen].mean()),
            "learnability": float(weights.mean()),
            "chosen_learnability": float(weights[chosen].mean()),
            "unseen": float((self._count == 0).mean()),
        }
        return chosen

    def observe(self, observations: Sequence[Observation]) -> None:
        """Count the right completions of each question and all of them."""
        for index, rewards in ((one.index, one.rewards) for one in observations):
            self._right[index] = self.selection.decay * self._right[index] + float(np.sum(rewards))
            self._count[index] = self.selection.decay * self._count[index] + len(rewards)

    def predictions(self) -> np.ndarray | None:
        """(N,) p of every question, None before the first choice."""
        return self._rates() if self._begun else None

    def learnt(self) -> dict[str, Any]:
        """Both counts of every question."""
        return {"right": self._right.tolist(), "count": self._count.tolist(), "begun": self._begun}

    def restore(self, state: dict[str, Any]) -> None:
        """Take over all of it."""
        self._right = np.array(state["right"], dtype=np.float64)
        self._count = np.array(state["count"], dtype=np.float64)
        self._begun = bool(state["begun"])
