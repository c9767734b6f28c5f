"""Curricula: the whole pool in order of a score of the start policy, one quantile of it after another."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from repro.errors import UserError
from repro.selection.base import Resources, Selector, check_state, new_generator, pool_digest
from repro.selection.selection_spec import Confidence, Curriculum, PassRate
from repro.selection.subset import start_scores
from repro.selection.uniform import ORDER_STREAM, ShuffledPass


class CurriculumSelector(Selector):
    """Step t of `steps` (from 0) draws from stage floor(t * stages / steps); a high score is easy.

    Stages are quantiles by rank (ties in dataset order), so that their sizes differ by one at most. Each is drawn in
    shuffled passes: all of its questions come before any comes again. A stage smaller than the batch gives all it has
    and the next stages in order give the rest (after the last, those before it, the nearest first), each from its own
    pass. Fewer steps than stages skip stages; steps beyond `steps` stay in the last one.
    """

    def __init__(
        self, selection: Curriculum, ids: Sequence[str], seed: int, resources: Resources, *, steps: int
    ) -> None:
        if steps < 1:
            raise ValueError(f"steps is {steps}, expected at least 1")
        if selection.stages > len(ids):
            raise UserError(
                f"selection.stages: {selection.stages}, expected at most the {len(ids)} questions of the pool; lower it"
            )
        self.selection, self.ids, self.resources, self.steps = selection, tuple(ids), resources, steps
        self._pool = pool_digest(self.ids)
        self._generator = new_generator(seed, ORDER_STREAM)
        self._scores: np.ndarray | None = None
        self._stages: list[ShuffledPass] = []
        self._step = 0  # calls of choose so far

    def _ready(self) -> list[ShuffledPass]:
        if not self._stages:
            scores = self.scores()
            order = np.argsort(-scores if self.selection.order == "easy_to_hard" else scores, kind="stable")  # (N,)
            bounds = [len(order) * stage // self.selection.stages for stage in range(self.selection.stages + 1)]
            self._stages = [ShuffledPass(order[low:high], self._generator) for low, high in pairwise(bounds)]
        return self._stages

    def _stage_at(self, step: int) -> int:
        return min(step, self.steps - 1) * self.selection.stages // self.steps

    def choose(self, n: int) -> list[int]:
        """`n` distinct indices of the stage of this step. UserError if n > N, ValueError if n < 1."""
        if n < 1:
            raise ValueError(f"n is {n}, expected at least 1")
        if n > len(self.ids):
            raise UserError(
                f"selection.curriculum: the pool has {len(self.ids)} questions, fewer than the {n} of one batch; "
                f"lower train.questions_per_step or enlarge the dataset"
            )
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
        if self._scores is None:
            wanted = self.selection
            by = (
                Confidence(method="confidence", target=wanted.target)
                if wanted.by == "confidence"
                else PassRate(method="pass_rate", samples=wanted.samples)
            )
            self._scores = start_scores(by, self.ids, self.resources)
        return self._scores

    def metrics(self) -> dict[str, float]:
        """`stage` of the latest step, counted from 1."""
        return {"stage": float(self._stage_at(max(0, self._step - 1)) + 1)}

    def state_dict(self) -> dict[str, Any]:
        """Step counter, the stages with what is left of their passes, and the generator."""
        return {
            "method": "curriculum",
            "pool": self._pool,
            "step": self._step,
            "steps": self.steps,
            "stages": [{"items": stage.items, "remaining": list(stage.remaining)} for stage in self._ready()],
            "generator": self._generator.bit_generator.state,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore; the order comes from the state, so no score is computed again."""
        check_state(state, "curriculum", self._pool)
        self._generator.bit_generator.state = state["generator"]
        self._step, self.steps = int(state["step"]), int(state["steps"])
        self._stages = [ShuffledPass(stage["items"], self._generator) for stage in state["stages"]]
        for stage, saved in zip(self._stages, state["stages"], strict=True):
            stage.remaining = [int(item) for item in saved["remaining"]]
