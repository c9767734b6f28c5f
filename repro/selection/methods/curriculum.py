"""Curricula: the whole pool in order of a score, one quantile of it after another."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from repro.errors import UserError
from repro.selection.base import Run, Selector
from repro.selection.method import Smoke
from repro.selection.ordered import Ordered, Score
from repro.selection.shuffled import ShuffledPass
from repro.selection.stateful import StatefulSelector


class Curriculum(Ordered):
    """The whole pool in order of a score, stage by stage over the steps of the run."""

    needs_steps: ClassVar[bool] = True
    SMOKE_FIELDS: ClassVar[tuple[str, ...]] = ("samples", "stages")

    method: Literal["curriculum"]
    order: Literal["easy_to_hard", "hard_to_easy"] = Field("easy_to_hard", description="which end comes first")
    stages: int = Field(10, ge=2, le=10_000, description="quantiles of the score, each trained on for as many steps")

    @property
    def trains_on(self) -> str:
        """One stage after another."""
        first, last = self.order.split("_to_")
        return f"the {first} questions first and the {last} last"

    def build(self, run: Run) -> Selector:
        """ValueError where the run has no fixed number of steps."""
        return CurriculumSelector(self, run)

    @property
    def version(self) -> int:
        """2 since ties between stages are drawn."""
        return 2

    def smoke(self, sizes: Smoke) -> Self:
        """A stage a step, few samples."""
        return self.model_copy(update={"stages": sizes.steps, "samples": min(self.samples, sizes.group_size)})


class CurriculumSelector(StatefulSelector):
    """Step t of `steps` (from 0) draws from stage floor(t * stages / steps); a high score is easy, unless `high` of a
    column says that it is hard.

    Stages are quantiles by rank (ties drawn), so that their sizes differ by one at most. Each is drawn in
    shuffled passes: all of its questions come before any comes again. A stage smaller than the batch gives all it has
    and the next stages in order give the rest (after the last, those before it, the nearest first), each from its own
    pass. Fewer steps than stages skip stages; steps beyond `steps` stay in the last one.
    """

    def __init__(self, selection: Curriculum, run: Run) -> None:
        if run.steps is None:
            raise ValueError("a curriculum needs the number of steps of the run")
        if run.steps < 1:
            raise ValueError(f"steps is {run.steps}, expected at least 1")
        if selection.stages > len(run.ids):
            raise UserError(
                f"selection.stages: {selection.stages}, expected at most the {len(run.ids)} questions of the pool; "
                f"lower it"
            )
        super().__init__(selection, run, "order")
        self.selection, self.steps = selection, run.steps
        self._score = Score(selection, run)
        self._stages: list[ShuffledPass] = []
        self._step = 0  # calls of choose so far

    def _ready(self) -> list[ShuffledPass]:
        if not self._stages:
            quantiles = self._score.quantiles(self.selection.stages, self.selection.order == "hard_to_easy")
            self._stages = [ShuffledPass(items, self.generator) for items in quantiles]
        return self._stages

    def _stage_at(self, step: int) -> int:
        return min(step, self.steps - 1) * self.selection.stages // self.steps

    def pick(self, n: int) -> list[int]:
        """Of the stage of this step."""
        stages, current = self._ready(), self._stage_at(self._step)
        chosen: list[int] = []
        for stage in [*stages[current:], *reversed(stages[:current])]:
            wanted = min(n - len(chosen), len(stage.items))
            if wanted:
                chosen += stage.take(wanted)
        self._step += 1
        return chosen

    def scores(self) -> np.ndarray:
        """(N,) the scores that order the pool."""
        return self._score.values()

    def target_tokens(self) -> np.ndarray | None:
        """(N,) tokens behind confidences."""
        return self._score.target_tokens()

    def metrics(self) -> dict[str, float]:
        """`stage` of the latest step, counted from 1."""
        return {"stage": float(self._stage_at(max(0, self._step - 1)) + 1)}

    def learnt(self) -> dict[str, Any]:
        """Step counter, and the stages with what is left of their passes."""
        return {
            "step": self._step,
            "steps": self.steps,
            "stages": [{"items": stage.items, "remaining": list(stage.remaining)} for stage in self._ready()],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take over all of it: the order comes from the state, so no score is computed again."""
        self._step, self.steps = int(state["step"]), int(state["steps"])
        self._stages = [ShuffledPass(stage["items"], self.generator) for stage in state["stages"]]
        for stage, saved in zip(self._stages, state["stages"], strict=True):
            stage.remaining = [int(item) for item in saved["remaining"]]
