"""A bound: the questions whose true current pass rate is nearest one half, known without paying for it."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from repro.selection.base import Run, Selector
from repro.selection.history import FromHistory
from repro.selection.method import Costs, Smoke
from repro.selection.stateful import StatefulSelector


class Oracle(FromHistory):
    """What perfect knowledge of the current pass rates could give. It is not paid for: a bound, no method."""

    SMOKE_FIELDS: ClassVar[tuple[str, ...]] = ("samples", "every")

    method: Literal["oracle"]
    target: float = Field(0.5, ge=0, le=1, description="the pass rate to aim at")
    every: int = Field(1, ge=1, le=1_000_000, description="steps between refreshes")
    samples: int | None = Field(
        None, ge=1, le=10_000, description="completions that measure a pass rate (default: group_size)"
    )
    share: float = Field(
        1.0, gt=0, le=1, description="share of the pool that a refresh draws and measures; only these may come"
    )

    def build(self, run: Run) -> Selector:
        """It measures at the first choice, and every `every` steps."""
        return OracleSelector(self, run)

    @property
    def trains_on(self) -> str:
        """By what no method knows."""
        return f"questions whose true pass rate is near {self.target:g}"

    @property
    def title(self) -> str:
        """It stands beside methods that pay."""
        return "oracle (not paid for)"

    def identity_fields(self, group_size: int) -> dict[str, Any]:
        """As many samples as a group has is the default."""
        fields = super().identity_fields(group_size)
        return {key: value for key, value in fields.items() if key != "samples" or value != group_size}

    def costs(self, pool: int | None, group_size: int) -> Costs:
        """Completions that no budget counts."""
        return Costs(unpaid=self.measured(pool or 0) * (self.samples or group_size), every=self.every)

    def measured(self, pool: int) -> int:
        """Questions of a pool that a refresh measures."""
        return math.ceil(self.share * pool - 1e-9)

    def smoke(self, sizes: Smoke) -> Self:
        """It measures once, with two samples."""
        return self.model_copy(update={"every": sizes.steps, "samples": 2})


class OracleSelector(StatefulSelector):
    """The questions nearest the target by completions of the current policy, equally near ones in a drawn order.

    Until the next refresh no question comes twice; where the measured ones that have not come are fewer than a batch,
    all of them may come again. A refresh measures a batch at least. Its completions never train.
    """

    def __init__(self, selection: Oracle, run: Run) -> None:
        super().__init__(selection, run)
        self.selection = selection
        self._known: dict[int, float] = {}  # pass rates of the latest refresh
        self._window: list[int] = []  # chosen since then
        self._step = 0  # calls of choose so far

    def pick(self, n: int) -> np.ndarray:
        """The nearest of what has not come since the refresh."""
        if self._step % self.selection.every == 0 or len(self._known) < n:
            self._refresh(n)
        self._step += 1
        if len(self._known) - len(self._window) < n:
            self._window = []
        distance = np.full(len(self.ids), np.inf)
        for index, rate in self._known.items():
            distance[index] = abs(rate - self.selection.target)
        distance[self._window] = np.inf
        chosen = self.ranked(distance)[:n]
        self._window += chosen.tolist()
        rates = [self._known[int(index)] for index in chosen]
        self._metrics = {
            "measured": float(len(self._known)),
            "measured_mean": float(np.mean(list(self._known.values()))),
            "chosen_measured_mean": float(np.mean(rates)),
            "chosen_distance": float(distance[chosen].mean()),
        }
        return chosen

    def _refresh(self, n: int) -> None:
        count = max(n, self.selection.measured(len(self.ids)))
        drawn = np.sort(self.generator.choice(len(self.ids), size=count, replace=False)).tolist()
        rows = self.run.resources.probe(drawn, self.selection.samples or self.run.group_size, paid=False)
        self._known = {int(index): float(np.mean(row)) for index, row in zip(drawn, rows, strict=True)}
        self._window = []

    def learnt(self) -> dict[str, Any]:
        """What is known, what has come since the refresh, and the step."""
        return {
            "measured": list(self._known),
            "rates": list(self._known.values()),
            "window": list(self._window),
            "step": self._step,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take over all of it; nothing is measured until the next refresh."""
        self._known = {int(i): float(rate) for i, rate in zip(state["measured"], state["rates"], strict=True)}
        self._window, self._step = [int(index) for index in state["window"]], int(state["step"])
