"""Difficulty pools (prime-rl): questions are drawn by whether their latest group was hard, normal or easy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from repro.draws import gumbel_top_k
from repro.groups import has_spread
from repro.selection.base import Observation, Run, Selector
from repro.selection.method import Costs, Selection
from repro.selection.methods.dynamic import MOST_HELP
from repro.selection.refill import Rewards, refill
from repro.selection.stateful import StatefulSelector

Weight = Annotated[float, Field(ge=0, le=1e6)]
NAMES = ("hard", "normal", "easy", "unseen")
BEHIND = -1000.0
"""Logarithm that stands for a weight of 0: such questions come after all others, in an order that is drawn."""


class Pools(Selection):
    """Difficulty pools: a weight for questions whose latest group was hard, normal or easy, and one for new ones."""

    method: Literal["pools"]
    hard_to: float = Field(0.25, ge=0, le=1, description="highest mean reward of the latest group of a hard question")
    normal_to: float = Field(0.75, ge=0, le=1, description="highest of a normal question; all above are easy")
    hard: Weight = Field(0.2, description="weight of a hard question")
    normal: Weight = Field(1.0, description="weight of a normal one")
    easy: Weight = Field(0.2, description="weight of an easy one")
    unseen: Weight = Field(1.0, description="weight of one that was not rolled out yet")
    gate: bool = Field(False, description="throw away groups without gradient and roll out other questions")
    most: int = Field(4, ge=1, le=10_000, description=f"{MOST_HELP} (gate: true)")

    @model_validator(mode="after")
    def _bounds_in_order(self) -> Self:
        if self.hard_to > self.normal_to:
            raise ValueError(
                f"got hard_to {self.hard_to:g} and normal_to {self.normal_to:g}, expected hard_to at most normal_to"
            )
        return self

    @property
    def trains_on(self) -> str:
        """By their latest groups."""
        return "questions of middle difficulty in their latest group more often than others"

    @property
    def title(self) -> str:
        """With what the gate adds."""
        return "difficulty pools with a gate" if self.gate else "difficulty pools"

    def costs(self, pool: int | None, group_size: int) -> Costs:
        """With the gate, at most `most` batches of groups a step."""
        return Costs(refill=self.most if self.gate else 1)

    def build(self, run: Run) -> Selector:
        """All questions are unseen at first."""
        return PoolsSelector(self, run)

    def identity_fields(self, group_size: int) -> dict[str, Any]:
        """Without what belongs to a gate that is off."""
        fields = super().identity_fields(group_size)
        return fields if self.gate else {key: value for key, value in fields.items() if key != "most"}

    def idle(self, written: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """What belongs to a gate that is off."""
        if not self.gate and "most" in written:
            yield "most", "gate is off"


class PoolsSelector(StatefulSelector):
    """Questions are drawn without replacement in proportion to the weight of their pool.

    Those of weight 0 come only where all others are in the batch already, in an order that is drawn. With the gate,
    every drawn question is rolled out at once, and those whose rewards do not differ make room for others, as in
    dynamic sampling; what they showed counts for their pool.

    Metrics: questions of each pool before the choice; with the gate also those of dynamic sampling.
    """

    def __init__(self, selection: Pools, run: Run) -> None:
        super().__init__(selection, run)
        self.selection = selection
        self._means: dict[int, float] = {}  # question -> mean reward of its latest group

    def pick(self, n: int) -> list[int]:
        """With the gate, all of them are rolled out, and train with that."""
        self._metrics = {f"pool_{name}": float((self._pools() == place).sum()) for place, name in enumerate(NAMES)}
        if not self.selection.gate:
            return self._draw(n, set())
        refilled = refill(
            n,
            min(self.selection.most * n, len(self.ids)),
            self._draw,
            lambda indices: self.run.resources.probe(indices, self.run.group_size, keep=True),
            self._trains,
        )
        for index, rewards in refilled.rewards.items():
            self._means[index] = float(np.mean(rewards))
        self._reused = refilled.batch(n)
        self._metrics |= refilled.metrics()
        return self._reused

    def _trains(self, rewards: Rewards) -> bool:
        return has_spread(rewards, self.run.min_spread)

    def _pools(self) -> np.ndarray:
        """(N,) the place of each question's pool in `NAMES`."""
        pools = np.full(len(self.ids), NAMES.index("unseen"))
        for index, mean in self._means.items():
            pools[index] = 0 if mean <= self.selection.hard_to else 1 if mean <= self.selection.normal_to else 2
        return pools

    def _draw(self, count: int, tried: set[int]) -> list[int]:
        """`count` questions that were not tried; fewer where there are no more."""
        weights = np.array([getattr(self.selection, name) for name in NAMES])
        with np.errstate(divide="ignore"):
            log_weights = np.log(weights)[self._pools()]  # (N,)
        log_weights[log_weights == -np.inf] = BEHIND
        log_weights[sorted(tried)] = -np.inf
        return gumbel_top_k(log_weights, min(count, len(log_weights) - len(tried)), self.generator).tolist()

    def observe(self, observations: Sequence[Observation]) -> None:
        """The mean of the latest group decides the pool."""
        for seen in observations:
            self._means[seen.index] = float(np.mean(seen.rewards))

    def learnt(self) -> dict[str, Any]:
        """The latest means."""
        return {"means": [[index, mean] for index, mean in self._means.items()]}

    def restore(self, state: dict[str, Any]) -> None:
        """Take them over."""
        self._means = {int(index): float(mean) for index, mean in state["means"]}
