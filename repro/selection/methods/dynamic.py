"""Dynamic sampling (DAPO): uniform questions are rolled out until a batch of groups has a gradient."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from repro.groups import has_spread
from repro.selection.base import Run, Selector
from repro.selection.method import Selection
from repro.selection.pool import check_batch, check_state, pool_digest
from repro.selection.shuffled import ShuffledPass


class Dynamic(Selection):
    """Dynamic sampling (DAPO): roll out uniform questions until enough groups have a gradient."""

    method: Literal["dynamic"]
    most: int = Field(4, ge=1, le=10_000, description="batches of questions that a step rolls out at most")

    @property
    def title(self) -> str:
        """As DAPO calls it."""
        return "dynamic sampling"

    def build(self, run: Run) -> Selector:
        """What it tries is what trains."""
        return DynamicSelector(self, run)


class DynamicSelector(Selector):
    """Every step: probe as many new questions as groups are missing, keep those whose rewards differ, and go on.

    The rollouts that find out are the ones that train, so nothing is rolled out twice; groups without gradient are
    thrown away, and paid for. After `most` batches of questions the rest of the batch is filled with groups that have
    none. Questions come in shuffled passes over the pool.
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
        kept: list[int] = []
        idle: list[int] = []
        most = min(self.selection.most * n, total)
        while len(kept) < n and len(kept) + len(idle) < most:
            asked = min(n - len(kept), most - len(kept) - len(idle))
            seen = {*kept, *idle}
            fresh = [i for i in self._pass.take(asked) if i not in seen]  # a new pass may begin with a question seen
            if not fresh:
                continue
            for index, rewards in zip(
                fresh, self.run.resources.probe(fresh, self.run.group_size, keep=True), strict=True
            ):
                (kept if has_spread(rewards, self.run.min_spread) else idle).append(index)
        tried, found = len(kept) + len(idle), len(kept)
        self._chosen = kept + idle[: n - len(kept)]
        self._metrics = {"tried": float(tried), "found": float(found), "found_share": found / tried}
        return list(self._chosen)

    def reused(self) -> list[int]:
        """All of the latest choice."""
        return list(self._chosen)

    def metrics(self) -> dict[str, float]:
        """`tried` questions rolled out in the latest step, `found` of them with a gradient, `found_share`."""
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
