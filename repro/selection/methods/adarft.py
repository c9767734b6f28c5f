"""AdaRFT: questions whose given difficulty is nearest a target that rises and falls with the reward."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from repro.selection.base import Observation, Run, Selector
from repro.selection.history import array, numbers
from repro.selection.method import Smoke
from repro.selection.ordered import Ordered
from repro.selection.stateful import StatefulSelector

HARDEST = 100.0
"""Difficulties lie between 0 and this."""


class Adarft(Ordered):
    """AdaRFT (2504.05520): the questions nearest a target difficulty, which follows the mean reward."""

    SMOKE_FIELDS: ClassVar[tuple[str, ...]] = ("samples",)

    method: Literal["adarft"]
    start: float = Field(0.0, ge=0, le=HARDEST, description="T of the first step: the target, 0 easy to 100 hard")
    step_size: float = Field(50.0, ge=0, le=10_000, description="eta: by how much the target moves at most")
    sensitivity: float = Field(2.0, ge=0, le=1000, description="alpha: how sharply it answers to the reward")
    reward: float = Field(0.5, ge=0, le=1, description="beta: the mean reward at which the target stays")
    repeats: bool = Field(
        True, description="whether a question may come again before all have; off: each comes once in a pass"
    )

    def build(self, run: Run) -> Selector:
        """The difficulties are looked up at the first choice."""
        return AdarftSelector(self, run)

    @property
    def trains_on(self) -> str:
        """By a difficulty known from the start."""
        return "questions near a difficulty that rises with the reward"

    @property
    def title(self) -> str:
        """As its authors write it."""
        return "AdaRFT"

    def smoke(self, sizes: Smoke) -> Self:
        """Few samples."""
        return self.model_copy(update={"samples": min(self.samples, sizes.group_size)})


class AdarftSelector(StatefulSelector):
    """T <- T + step_size * tanh(sensitivity * (mean reward of the step - reward)), cut to 0..100.

    A score of the start policy is a difficulty of 100 (1 - score). A column is stretched so that its easiest question
    has 0 and its hardest 100. Which of equally near questions come is drawn at every step.
    """

    def __init__(self, selection: Adarft, run: Run) -> None:
        super().__init__(selection, run)
        self.selection = selection
        self._score: np.ndarray | None = None  # (N,)
        self._target = selection.start
        self._left: set[int] = set()  # of this pass, where no question may come again before all have

    def _difficulty(self) -> np.ndarray:
        score = self.scores()
        if self.selection.by != "column":
            return HARDEST * (1 - score)
        low, high = float(score.min()), float(score.max())
        share = (score - low) / (high - low) if high > low else np.zeros(len(score))
        return HARDEST * (share if self.selection.high == "hard" else 1 - share)

    def scores(self) -> np.ndarray:
        """(N,) the scores behind the difficulties."""
        if self._score is None:
            self._score = self.selection.score(self.run)
        return self._score

    def pick(self, n: int) -> np.ndarray:
        """The nearest, of what may come."""
        difficulty = self._difficulty()
        distance = np.abs(difficulty - self._target)
        order = self.ranked(distance)
        chosen = order[:n]
        if not self.selection.repeats:
            chosen = np.array(self._of_pass(order.tolist(), n), dtype=np.int64)
        self._metrics = {
            "target_difficulty": self._target,
            "chosen_difficulty": float(difficulty[chosen].mean()),
            "chosen_distance": float(distance[chosen].mean()),
        }
        return chosen

    def _of_pass(self, order: list[int], n: int) -> list[int]:
        """The first `n` of the order that this pass has left; then the first of the next pass."""
        chosen = [index for index in order if index in self._left][:n]
        self._left -= set(chosen)
        if len(chosen) < n:
            ended = set(chosen)
            new = [index for index in order if index not in ended][: n - len(chosen)]
            self._left = set(range(len(self.ids))) - set(new)
            chosen += new
        return chosen

    def observe(self, observations: Sequence[Observation]) -> None:
        """Harder after a mean reward above `reward`, easier after one below."""
        rewards = [reward for one in observations for reward in one.rewards]
        if rewards:
            own = self.selection
            move = own.step_size * math.tanh(own.sensitivity * (float(np.mean(rewards)) - own.reward))
            self._target = min(max(self._target + move, 0.0), HARDEST)

    def learnt(self) -> dict[str, Any]:
        """The target, the scores, and what is left of the pass."""
        return {"target": self._target, "scores": numbers(self._score), "left": sorted(self._left)}

    def restore(self, state: dict[str, Any]) -> None:
        """Take over all of it: no score is computed again."""
        self._target, self._score = float(state["target"]), array(state["scores"])
        self._left = {int(index) for index in state["left"]}
