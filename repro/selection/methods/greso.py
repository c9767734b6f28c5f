"""GRESO: questions that lately had no gradient are skipped by chance, before dynamic sampling rolls out the others."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from pydantic import Field

from repro.groups import has_spread
from repro.selection.base import Run, Selector
from repro.selection.method import Costs, Selection
from repro.selection.methods.dynamic import MOST_HELP
from repro.selection.refill import Refilled, Rewards, refill
from repro.selection.stateful import PassSelector

LEAST_KEPT = 0.01
"""Probability with which a question is rolled out however often it had no gradient."""
CHANGE, LOWEST, HIGHEST = 0.01, 0.05, 0.95
"""Of p_easy and p_hard: by how much a step changes them, and their bounds."""
SPARE = 1.25
"""Questions rolled out again for each that should be needed."""
LEAST_AGAIN = 64 / 384
"""Questions rolled out again at least, as a share of those that a step begins with."""
EASY_SHARE = 1 / 3
"""Of `target`: the rest is for questions that are too hard."""


class Greso(Selection):
    """GRESO: skip questions that lately had no gradient by chance, and roll out others until enough have one."""

    method: Literal["greso"]
    target: float = Field(0.25, ge=0, le=1, description="share of groups without gradient that p is steered to")
    p: float = Field(
        0.5,
        ge=LOWEST,
        le=HIGHEST,
        description="p_easy and p_hard at first: a question with z such groups in a row is kept with p^z",
    )
    first: float = Field(
        1.5, ge=1, le=100, description="questions that a step rolls out at first, for each question of the batch"
    )
    most: int = Field(4, ge=1, le=10_000, description=MOST_HELP)

    @property
    def trains_on(self) -> str:
        """As dynamic sampling, with fewer rollouts."""
        return "the groups whose rewards differ, and skips questions that lately had no such group"

    @property
    def title(self) -> str:
        """As its authors call it."""
        return "GRESO"

    def costs(self, pool: int | None, group_size: int) -> Costs:
        """At most `most` batches of groups a step."""
        return Costs(refill=self.most)

    def build(self, run: Run) -> Selector:
        """Nothing is skipped at first."""
        return GresoSelector(self, run)


class GresoSelector(PassSelector):
    """Questions come in shuffled passes; what is not skipped is rolled out until enough groups have a gradient.

    z counts a question's latest visits in a row whose group had no gradient for one reason: easy where the mean reward
    is above one half, else hard. It is skipped with probability 1 - max(p_kind^z, 0.01). From the second pass over the
    pool on, each step lowers p_kind by 0.01 where the share of such groups reached the target of its kind, and raises
    it otherwise. A step offers each question once: if all have been offered, those that were skipped come too.

    Metrics: as dynamic sampling, with the questions `skipped`, and `p_easy` and `p_hard` after the step.
    """

    def __init__(self, selection: Greso, run: Run) -> None:
        super().__init__(selection, run, "order")
        self.selection = selection
        self._offered = 0  # questions that the passes gave so far
        self._streaks: dict[int, tuple[bool, int]] = {}  # question -> whether easy, and z
        self.p_easy = self.p_hard = selection.p
        self._seen: set[int] = set()  # questions that were offered in the step under way
        self._skipped: list[int] = []  # those of them that were skipped

    def pick(self, n: int) -> list[int]:
        """All of them are rolled out, and train with that."""
        self._skipped, self._seen = [], set()
        refilled = refill(
            n,
            min(self.selection.most * n, len(self.ids)),
            self._take,
            lambda indices: self.run.resources.probe(indices, self.run.group_size, keep=True),
            self._trains,
            lambda missing, refilled: self._size(n, missing, refilled),
        )
        self._reused = refilled.batch(n)
        self._metrics = refilled.metrics() | {"skipped": float(len(self._skipped))}
        self._learn(refilled)
        self._metrics |= {"p_easy": self.p_easy, "p_hard": self.p_hard}
        return self._reused

    def _trains(self, rewards: Rewards) -> bool:
        return has_spread(rewards, self.run.min_spread)

    def _size(self, n: int, missing: int, refilled: Refilled) -> int:
        """How many questions to roll out next: what should be needed by the latest call, with some to spare."""
        first = int(self.selection.first * n)
        if not refilled.rounds:
            return first
        kept = np.mean([self._trains(refilled.rewards[index]) for index in refilled.rounds[-1]])
        needed = int(missing / kept * SPARE) if kept > 0 else first
        return max(min(needed, first), int(LEAST_AGAIN * first))

    def _take(self, count: int, tried: set[int]) -> list[int]:
        """The next questions that are not skipped, `count` of them; those that were, where all have been offered."""
        found: list[int] = []
        while len(found) < count:
            if len(self._seen) == len(self.ids):
                left = [index for index in self._skipped if index not in tried]
                return found + left[: count - len(found)]
            (index,) = self._pass.take(1)
            self._offered += 1
            if index in self._seen:  # a new pass may begin with it
                continue
            self._seen.add(index)
            if self._skips(index):
                self._skipped.append(index)
            else:
                found.append(index)
        return found

    def _skips(self, index: int) -> bool:
        easy, streak = self._streaks.get(index, (False, 0))
        kept = max((self.p_easy if easy else self.p_hard) ** streak, LEAST_KEPT)
        return streak > 0 and bool(self.generator.random() < 1 - kept)

    def _learn(self, refilled: Refilled) -> None:
        kinds = {True: 0, False: 0}  # groups without gradient that were easy, and hard
        for index, rewards in refilled.rewards.items():
            if self._trains(rewards):
                self._streaks.pop(index, None)
                continue
            easy = bool(np.mean(rewards) > 0.5)
            before, streak = self._streaks.get(index, (easy, 0))
            self._streaks[index] = (easy, streak + 1 if before == easy else 1)
            kinds[easy] += 1
        if self._offered <= len(self.ids):
            return
        aims = {True: self.selection.target * EASY_SHARE, False: self.selection.target * (1 - EASY_SHARE)}
        moved = {easy: -CHANGE if kinds[easy] / refilled.tried >= aims[easy] else CHANGE for easy in (True, False)}
        self.p_easy = min(max(self.p_easy + moved[True], LOWEST), HIGHEST)
        self.p_hard = min(max(self.p_hard + moved[False], LOWEST), HIGHEST)

    def learnt(self) -> dict[str, Any]:
        """What the questions showed, both p, and what is left of the pass."""
        return super().learnt() | {
            "offered": self._offered,
            "streaks": [[index, easy, streak] for index, (easy, streak) in self._streaks.items()],
            "p_easy": self.p_easy,
            "p_hard": self.p_hard,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take over all of it."""
        super().restore(state)
        self._offered = int(state["offered"])
        self._streaks = {int(index): (bool(easy), int(streak)) for index, easy, streak in state["streaks"]}
        self.p_easy, self.p_hard = float(state["p_easy"]), float(state["p_hard"])
