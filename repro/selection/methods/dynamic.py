"""Dynamic sampling (DAPO) and online difficulty filtering: uniform questions until a batch of groups is worth it."""

from __future__ import annotations

from typing import Any, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from repro.groups import has_spread
from repro.selection.base import Run, Selector
from repro.selection.method import Costs, Selection
from repro.selection.pool import check_batch, check_state, pool_digest
from repro.selection.refill import Rewards, refill
from repro.selection.shuffled import ShuffledPass

MOST_HELP = "batches of questions that a step rolls out at most"


class Dynamic(Selection):
    """Dynamic sampling (DAPO): roll out uniform questions until enough groups have a gradient."""

    method: Literal["dynamic"]
    most: int = Field(4, ge=1, le=10_000, description=MOST_HELP)
    low: float = Field(0.0, ge=0, lt=1, description="groups with a mean reward above this train")
    high: float = Field(1.0, gt=0, le=1, description="groups with a mean reward below this train")

    @model_validator(mode="after")
    def _bounds_in_order(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"got low {self.low:g} and high {self.high:g}, expected low below high")
        return self

    @property
    def title(self) -> str:
        """As DAPO calls it; with narrower bounds it is another method."""
        return "dynamic sampling" if (self.low, self.high) == (0, 1) else "online difficulty filter"

    def costs(self, pool: int | None, group_size: int) -> Costs:
        """At most `most` batches of groups a step."""
        return Costs(refill=self.most)

    def build(self, run: Run) -> Selector:
        """What it tries is what trains."""
        return DynamicSelector(self, run)


class DynamicSelector(Selector):
    """Every step: probe as many new questions as groups are missing, keep those that train, and go on.

    A group trains where its rewards differ and their mean lies between the bounds; the defaults let every mean through.
    The rollouts that find out are the ones that train, so nothing is rolled out twice; the other groups are
    thrown away, and paid for. After `most` batches of questions these fill the rest of the batch. Questions come in
    shuffled passes over the pool.
    """

    def __init__(self, selection: Dynamic, run: Run):
        self.selection, self.run = selection, run
        self._pool = pool_digest(run.ids)
        self._pass = ShuffledPass(range(len(run.ids)), run.generator("order"))
        self._chosen: list[int] = []
        self._metrics: dict[str, float] = {}

    def choose(self, n: int) -> list[int]:
        """`n` distinct indices, all of them rolled out. UserError if n > N."""
        total = len(self.run.problems)
        check_batch(n, self.selection.method, total, total)
        refilled = refill(
            n,
            min(self.selection.most * n, total),
            lambda count, tried: self._pass.take(count),  # a new pass may begin with a question tried
            lambda indices: self.run.resources.probe(indices, self.run.group_size, keep=True),
            self._trains,
        )
        self._chosen, self._metrics = refilled.batch(n), refilled.metrics()
        return list(self._chosen)

    def _trains(self, rewards: Rewards) -> bool:
        between = self.selection.low < float(np.mean(rewards)) < self.selection.high
        return between and has_spread(rewards, self.run.min_spread)

    def reused(self) -> list[int]:
        """All of the latest choice."""
        return list(self._chosen)

    def metrics(self) -> dict[str, float]:
        """`tried` questions rolled out in the latest step, `found` of them that train, `found_share`."""
        return dict(self._metrics)

    def state_dict(self) -> dict[str, Any]:
        """What is left of the pass, and its generator."""
        return {
            "method": self.selection.method,
            "pool": self._pool,
            "remaining": list(self._pass.remaining),
            "generator": self._pass.generator.bit_generator.state,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore; nothing is rolled out until the next choice."""
        check_state(state, self.selection.method, self._pool)
        self._pass.remaining = [int(i) for i in state["remaining"]]
        self._pass.generator.bit_generator.state = state["generator"]
        self._chosen, self._metrics = [], {}
