"""CDAS: questions whose difficulty, learnt from unexpected rewards, lies next to the policy's ability."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from repro.selection.base import Observation, Run, Selector
from repro.selection.history import FromHistory
from repro.selection.stateful import StatefulSelector


class Cdas(FromHistory):
    """CDAS (2505.17652): half of a batch just below the policy's ability in difficulty, half just above."""

    predicts: ClassVar[bool] = True

    method: Literal["cdas"]
    start_counts: bool = Field(
        True, description="whether the difficulty of 0 at the start counts as a first observation, as in the code"
    )

    def build(self, run: Run) -> Selector:
        """Ability and difficulties start at 0."""
        return CdasSelector(self, run)

    @property
    def trains_on(self) -> str:
        """On both sides of the ability."""
        return "questions whose difficulty is near the policy's ability"

    @property
    def title(self) -> str:
        """As its authors write it."""
        return "CDAS"


class CdasSelector(StatefulSelector):
    """A difficulty d is the mean of (expected - measured pass rate) over the question's groups.

    Expected is sigmoid(R - d). With t the number of the observation (and 1 more where the start counts):
    d <- (t - 1) / t * d + (expected - measured) / t, and the ability R falls by the mean change of d over the pool.
    """

    def __init__(self, selection: Cdas, run: Run) -> None:
        super().__init__(selection, run)
        self.selection = selection
        self._difficulty = np.zeros(len(run.ids))  # (N,)
        self._seen = np.zeros(len(run.ids), dtype=np.int64)  # (N,) groups observed
        self._ability = 0.0
        self._begun = False

    def pick(self, n: int) -> np.ndarray:
        """Half from each side of the ability, the nearest of it; one side gives what the other lacks."""
        order = self.ranked(np.abs(self._difficulty - self._ability))
        above = self._difficulty[order] > self._ability
        harder, easier = order[above], order[~above]
        take = min(len(harder), max(n // 2, n - len(easier)))
        chosen = np.concatenate([easier[: n - take], harder[:take]])
        self._begun = True
        self._metrics = {
            "ability": self._ability,
            "expected_mean": float(self._expected().mean()),
            "chosen_expected_mean": float(self._expected()[chosen].mean()),
            "chosen_harder": take / n,
        }
        return chosen

    def _expected(self) -> np.ndarray:
        return 1 / (1 + np.exp(self._difficulty - self._ability))

    def observe(self, observations: Sequence[Observation]) -> None:
        """Move the difficulties of what was seen, then the ability."""
        expected, change = self._expected(), 0.0  # both by the ability before this step
        for index, rewards in ((one.index, one.rewards) for one in observations):
            self._seen[index] += 1
            count = int(self._seen[index]) + int(self.selection.start_counts)
            before = float(self._difficulty[index])
            after = (count - 1) / count * before + (float(expected[index]) - float(np.mean(rewards))) / count
            self._difficulty[index] = after
            change += after - before
        self._ability -= change / len(self.ids)

    def predictions(self) -> np.ndarray | None:
        """(N,) expected pass rates, None before the first choice."""
        return self._expected() if self._begun else None

    def learnt(self) -> dict[str, Any]:
        """Difficulties, how often each question was seen, and the ability."""
        return {
            "difficulty": self._difficulty.tolist(),
            "seen": self._seen.tolist(),
            "ability": self._ability,
            "begun": self._begun,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take over all of it."""
        self._difficulty = np.array(state["difficulty"], dtype=np.float64)
        self._seen = np.array(state["seen"], dtype=np.int64)
        self._ability, self._begun = float(state["ability"]), bool(state["begun"])
