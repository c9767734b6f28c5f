"""No positive resampling: a question that is solved nearly always is not drawn again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from pydantic import Field

from repro.selection.base import Observation, Run, Selector
from repro.selection.history import FromHistory
from repro.selection.shuffled import ShuffledPass
from repro.selection.stateful import StatefulSelector


class NoPositiveResampling(FromHistory):
    """Shuffled passes without the questions whose pass rate has reached a threshold (ScaleRL, 2510.13786)."""

    method: Literal["no_positive_resampling"]
    threshold: float = Field(0.9, ge=0, le=1, description="pass rate from which on a question is not drawn again")
    over: Literal["history", "latest"] = Field(
        "history", description="pass rate of all completions that the run has seen, or of the latest group alone"
    )

    @property
    def trains_on(self) -> str:
        """What is not solved yet."""
        return f"questions solved less than {100 * self.threshold:g} % of the time"

    def build(self, run: Run) -> Selector:
        """Every question is drawn at first."""
        return NoPositiveResamplingSelector(self, run)


class NoPositiveResamplingSelector(StatefulSelector):
    """Where fewer than a batch are left, all of them come, and the least solved of the others fill the batch (equal
    pass rates in a drawn order): the run goes on, and `filled` counts them."""

    def __init__(self, selection: NoPositiveResampling, run: Run) -> None:
        super().__init__(selection, run)
        self.selection = selection
        self._pass = ShuffledPass(range(len(run.ids)), self.generator)  # its items are what is left
        self._right, self._count = np.zeros(len(run.ids)), np.zeros(len(run.ids))  # (N,) over all groups

    def pick(self, n: int) -> np.ndarray:
        """The next of the pass."""
        left = len(self._pass.items)
        taken = self._pass.take(min(n, left)) if left else []
        if len(taken) < n:
            rates = np.full(len(self.ids), np.inf)
            out = np.setdiff1d(np.arange(len(self.ids)), self._pass.items)  # each was rolled out
            rates[out] = self._right[out] / self._count[out]
            taken += self.ranked(rates)[: n - len(taken)].tolist()
        self._metrics = {"left": float(left), "filled": float(max(0, n - left))}
        return np.array(taken, dtype=np.int64)

    def observe(self, observations: Sequence[Observation]) -> None:
        """Take out what is solved: for good, whatever its later groups show."""
        solved = set()
        for index, rewards in ((one.index, one.rewards) for one in observations):
            self._right[index] += float(np.sum(rewards))
            self._count[index] += len(rewards)
            history = self._right[index] / self._count[index]
            if (history if self.selection.over == "history" else float(np.mean(rewards))) >= self.selection.threshold:
                solved.add(index)
        self._pass.items = [index for index in self._pass.items if index not in solved]
        self._pass.remaining = [index for index in self._pass.remaining if index not in solved]

    def learnt(self) -> dict[str, Any]:
        """What is left of the pool and of the pass, and the counts of every question."""
        return {
            "left": list(self._pass.items),
            "remaining": list(self._pass.remaining),
            "right": self._right.tolist(),
            "count": self._count.tolist(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take over all of it."""
        self._pass.items = [int(index) for index in state["left"]]
        self._pass.remaining = [int(index) for index in state["remaining"]]
        self._right = np.array(state["right"], dtype=np.float64)
        self._count = np.array(state["count"], dtype=np.float64)
