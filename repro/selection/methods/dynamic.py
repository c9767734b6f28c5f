"""Dynamic sampling (DAPO) and online difficulty filtering: uniform questions until a batch of groups is worth it."""

from __future__ import annotations

from typing import Literal, Self

import numpy as np
from pydantic import Field, model_validator

from repro.groups import has_spread
from repro.selection.base import Run, Selector
from repro.selection.method import Costs, Selection
from repro.selection.refill import Rewards, refill
from repro.selection.stateful import PassSelector

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
    def trains_on(self) -> str:
        """What is left of uniform questions."""
        if (self.low, self.high) == (0, 1):
            return "the groups whose rewards differ, of all that it rolls out"
        return f"the groups whose pass rate lies between {self.low:g} and {self.high:g}, of all that it rolls out"

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


class DynamicSelector(PassSelector):
    """Every step: probe as many new questions as groups are missing, keep those that train, and go on.

    A group trains where its rewards differ and their mean lies between the bounds; the defaults let every mean through.
    The rollouts that find out are the ones that train, so nothing is rolled out twice; the other groups are
    thrown away, and paid for. After `most` batches of questions these fill the rest of the batch. Questions come in
    shuffled passes over the pool. Metrics: `tried` questions rolled out, `found` of them that train, `found_share`.
    """

    def __init__(self, selection: Dynamic, run: Run) -> None:
        super().__init__(selection, run, "order")
        self.selection = selection

    def pick(self, n: int) -> list[int]:
        """All of them are rolled out, and train with that."""
        refilled = refill(
            n,
            min(self.selection.most * n, len(self.ids)),
            lambda count, tried: self._pass.take(count),  # a new pass may begin with a question tried
            lambda indices: self.run.resources.probe(indices, self.run.group_size, keep=True),
            self._trains,
        )
        self._reused, self._metrics = refilled.batch(n), refilled.metrics()
        return self._reused

    def _trains(self, rewards: Rewards) -> bool:
        between = self.selection.low < float(np.mean(rewards)) < self.selection.high
        return between and has_spread(rewards, self.run.min_spread)
