"""Prompt Replay: questions that were solved about half the time come again, and are rolled out anew."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from repro.selection.base import Observation, Run, Selector
from repro.selection.method import Selection
from repro.selection.stateful import PassSelector


class PromptReplay(Selection):
    """Prompt Replay: a share of each batch are questions that were lately solved about half the time."""

    method: Literal["prompt_replay"]
    share: float = Field(0.75, ge=0, le=1, description="epsilon: share of a batch that may be replayed questions")
    low: float = Field(0.25, ge=0, le=1, description="lowest mean reward of a question that may come again")
    high: float = Field(0.75, ge=0, le=1, description="highest")
    rest: int = Field(10, ge=0, le=1_000_000, description="C: steps that a question rests after it has trained")
    reuses: int = Field(15, ge=1, le=1_000_000, description="R: how often a question comes again at most")

    @model_validator(mode="after")
    def _bounds_in_order(self) -> Self:
        if self.low > self.high:
            raise ValueError(f"got low {self.low:g} and high {self.high:g}, expected low at most high")
        return self

    @property
    def trains_on(self) -> str:
        """New ones, and again those of middle difficulty."""
        return f"new questions and again on those lately solved {100 * self.low:g} to {100 * self.high:g} % of the time"

    @property
    def title(self) -> str:
        """As its authors call it."""
        return "Prompt Replay"

    def build(self, run: Run) -> Selector:
        """Nothing is replayed at first."""
        return PromptReplaySelector(self, run)


class PromptReplaySelector(PassSelector):
    """A question whose latest mean reward p lies in [low, high] waits to come again.

    A batch takes up to int(share * n) waiting questions that have rested, those with p nearest 0.5 first, equally near
    ones in an order that is drawn; the rest are the next of a shuffled pass over the pool. Used in step t, a question
    comes again in step t + rest + 1 at the earliest. After `reuses` replays in a row it waits no longer, until a pass
    brings it anew.

    Metrics: `replayed` questions, those `waiting` to come again before the choice, and those of them that had `rested`.
    """

    def __init__(self, selection: PromptReplay, run: Run) -> None:
        super().__init__(selection, run, "order")
        self.selection = selection
        self._waiting: dict[int, float] = {}  # question -> its latest mean reward
        self._used: dict[int, int] = {}  # question -> step in which it was chosen last
        self._reuses: dict[int, int] = {}  # question -> replays since a pass brought it
        self._step = 0  # of the latest choice, from 1

    def pick(self, n: int) -> list[int]:
        """Replayed ones first."""
        self._step += 1
        rested = [i for i in self._waiting if self._step - self._used[i] > self.selection.rest]
        places = dict(zip(sorted(rested), self.generator.permutation(len(rested)).tolist(), strict=True))
        rested.sort(key=lambda i: (abs(self._waiting[i] - 0.5), places[i]))
        replayed = rested[: int(self.selection.share * n + 1e-9)]
        chosen = list(replayed)
        while len(chosen) < n:
            chosen += [i for i in self._pass.take(n - len(chosen)) if i not in chosen]
        for index in chosen:
            self._used[index] = self._step
            self._reuses[index] = self._reuses.get(index, 0) + 1 if index in replayed else 0
        self._metrics = {
            "replayed": float(len(replayed)),
            "waiting": float(len(self._waiting)),
            "rested": float(len(rested)),
        }
        return chosen

    def observe(self, observations: Sequence[Observation]) -> None:
        """The latest mean reward decides which questions wait."""
        for seen in observations:
            mean = float(np.mean(seen.rewards))
            between = self.selection.low <= mean <= self.selection.high
            if between and self._reuses.get(seen.index, 0) < self.selection.reuses:
                self._waiting[seen.index] = mean
            else:
                self._waiting.pop(seen.index, None)

    def learnt(self) -> dict[str, Any]:
        """Step counter, what each question has done, and what is left of the pass."""
        return super().learnt() | {
            "step": self._step,
            "waiting": [[index, mean] for index, mean in self._waiting.items()],
            "used": [[index, step] for index, step in self._used.items()],
            "reuses": [[index, count] for index, count in self._reuses.items()],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take over all of it."""
        super().restore(state)
        self._step = int(state["step"])
        self._waiting = {int(index): float(mean) for index, mean in state["waiting"]}
        self._used = {int(index): int(step) for index, step in state["used"]}
        self._reuses = {int(index): int(count) for index, count in state["reuses"]}
