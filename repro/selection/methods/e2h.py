"""E2H: levels of difficulty are drawn by a schedule that moves from easy to hard over the steps of the run."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from repro.errors import UserError
from repro.selection.arms import Arms
from repro.selection.base import Run, Selector
from repro.selection.method import Mistake, Setting, Smoke
from repro.selection.ordered import Ordered, Score
from repro.selection.pool import check_batch, check_state, pool_digest

DEFAULT_LEVELS = 4
GAUSSIAN = ("exponent", "width", "floor")
"""The fields of the gaussian schedule."""


class E2H(Ordered):
    """E2H: draw levels with probabilities that move from the easiest to the hardest."""

    needs_steps: ClassVar[bool] = True
    SMOKE_FIELDS: ClassVar[tuple[str, ...]] = ("samples", "levels")

    method: Literal["e2h"]
    schedule: Literal["cosine", "gaussian"] = Field("gaussian", description="how the probabilities of levels move")
    levels: int | None = Field(
        None,
        ge=2,
        le=10_000,
        description=f"quantiles of the score (default: {DEFAULT_LEVELS}; by: column: each value is a level)",
    )
    exponent: float = Field(0.5, ge=1e-3, le=100, description="beta: the centre lies at (t / T)^beta (gaussian)")
    width: float = Field(0.5, ge=1e-3, le=1e3, description="sigma, in levels (gaussian)")
    floor: bool = Field(True, description="no level has less than 2 / (K (K + 1)) (gaussian)")

    @property
    def trains_on(self) -> str:
        """Levels of difficulty."""
        return "easy questions first and harder ones by and by"

    @property
    def title(self) -> str:
        """As its authors call it."""
        return "easy to hard"

    def build(self, run: Run) -> Selector:
        """ValueError where the run has no fixed number of steps; UserError for more levels than questions."""
        return E2HSelector(self, run)

    def identity_fields(self, group_size: int) -> dict[str, Any]:
        """Without the fields of another schedule."""
        fields = super().identity_fields(group_size)
        return {key: value for key, value in fields.items() if self.schedule == "gaussian" or key not in GAUSSIAN}

    def idle(self, written: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Fields of another score or schedule."""
        yield from super().idle(written)
        for field in GAUSSIAN:
            if self.schedule != "gaussian" and field in written:
                yield field, "it belongs to schedule: gaussian"

    def mistakes(self, setting: Setting) -> Iterator[Mistake]:
        """More levels than questions."""
        yield from super().mistakes(setting)
        if setting.pool is not None and self.levels is not None and self.levels > setting.pool:
            text = f"got {self.levels}, expected at most {setting.pool}, the questions of {setting.dataset}"
            yield Mistake("levels", text, ("dataset",))

    def smoke(self, sizes: Smoke) -> Self:
        """Few samples, and no more levels than questions."""
        levels = None if self.levels is None else min(self.levels, sizes.pool)
        return self.model_copy(update={"levels": levels, "samples": min(self.samples, sizes.group_size)})


def cosine(t: int, steps: int, levels: int) -> np.ndarray:
    """(K,) probabilities at step t of `steps`, from (K - k) / (K (K + 1) / 2) to (k + 1) / (K (K + 1) / 2).

    None falls below the least of both, 2 / (K (K + 1)).
    """
    rising = np.arange(1, levels + 1) * 2.0 / (levels * (levels + 1))  # (K,)
    early = 0.5 * (1 + math.cos(math.pi * t / steps))
    mixed: np.ndarray = early * rising[::-1] + (1 - early) * rising
    return mixed


def gaussian(t: int, steps: int, levels: int, exponent: float, width: float, floor: bool) -> np.ndarray:
    """(K,) probabilities at step t of `steps`: a bell around (t / steps)^exponent (K - 1), mixed with the floor."""
    least = 2 / (levels * (levels + 1)) if floor else 0.0
    distance = np.arange(levels) - (t / steps) ** exponent * (levels - 1)  # (K,)
    exponents = -(distance**2) / (2 * width**2)
    bell = np.exp(exponents - exponents.max())
    mixed: np.ndarray = least + (1 - levels * least) * bell / bell.sum()
    return mixed


class E2HSelector(Selector):
    """Step t of T (from 0) draws a level for each place of the batch, then a question of it.

    Questions of a level come in shuffled passes. A level whose questions are all in the batch is left out. Steps
    beyond T stay at its last one.
    """

    def __init__(self, selection: E2H, run: Run) -> None:
        if run.steps is None:
            raise ValueError("a schedule needs the number of steps of the run")
        if run.steps < 1:
            raise ValueError(f"steps is {run.steps}, expected at least 1")
        if (selection.levels or 0) > len(run.ids):
            raise UserError(
                f"selection.levels: {selection.levels}, expected at most the {len(run.ids)} questions of the pool; "
                f"lower it"
            )
        self.selection, self.run, self.steps = selection, run, run.steps
        self._pool = pool_digest(run.ids)
        self._generator = run.generator("order")
        self._score = Score(selection, run)
        self._arms: Arms | None = None
        self._step = 0  # calls of choose so far
        self._metrics: dict[str, float] = {}

    def _ready(self) -> Arms:
        if self._arms is None:
            if self.selection.by == "column" and self.selection.levels is None:
                hard = self._score.difficulty()  # (N,)
                groups = [np.flatnonzero(hard == value).tolist() for value in np.unique(hard)]
            else:
                groups = self._score.quantiles(self.selection.levels or min(DEFAULT_LEVELS, len(self.run.ids)))
            self._arms = Arms(groups, self._generator)
        return self._arms

    def probabilities(self, t: int) -> np.ndarray:
        """(K,) of the levels at step t, from 0; the easiest first."""
        chosen, t, count = self.selection, min(t, self.steps - 1), len(self._ready())
        if chosen.schedule == "cosine":
            return cosine(t, self.steps, count)
        return gaussian(t, self.steps, count, chosen.exponent, chosen.width, chosen.floor)

    def choose(self, n: int) -> list[int]:
        """`n` distinct indices. UserError if n > N, ValueError if n < 1."""
        check_batch(n, self.selection.method, len(self.run.ids), len(self.run.ids))
        arms = self._ready()
        chosen = arms.draw(n, self.probabilities(self._step))
        self._step += 1
        self._metrics = {"level": float(np.mean([arms.of[index] for index in chosen]) + 1)}
        return chosen

    def scores(self) -> np.ndarray:
        """(N,) the scores that order the pool."""
        return self._score.values()

    def target_tokens(self) -> np.ndarray | None:
        """(N,) tokens behind confidences."""
        return self._score.target_tokens()

    def metrics(self) -> dict[str, float]:
        """`level`: mean level of the latest choice, counted from 1."""
        return dict(self._metrics)

    def state_dict(self) -> dict[str, Any]:
        """Step counter, the levels with what is left of their passes, and the generator."""
        return {
            "method": self.selection.method,
            "pool": self._pool,
            "step": self._step,
            "steps": self.steps,
            "arms": self._ready().state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore; the levels come from the state, so no score is computed again."""
        check_state(state, self.selection.method, self._pool)
        self._arms = Arms.restored(state["arms"], self._generator)
        self._step, self.steps = int(state["step"]), int(state["steps"])
        self._metrics = {}
