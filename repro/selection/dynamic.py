"""Dynamic sampling (DAPO): uniform questions are rolled out until a batch of groups has a gradient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from repro.errors import UserError
from repro.selection.base import Resources, Selector, check_state, new_generator, pool_digest
from repro.selection.selection_spec import Dynamic
from repro.selection.uniform import ORDER_STREAM, ShuffledPass


class DynamicSelector(Selector):
    """Every step: probe as many new questions as groups are missing, keep those whose rewards differ, and go on.

    The rollouts that find out are the ones that train, so nothing is rolled out twice; groups without gradient are
    thrown away, and paid for. After `most` batches of questions the rest of the batch is filled with groups that have
    none. Questions come in shuffled passes over the pool.
    """

    def __init__(self, selection: Dynamic, ids: Sequence[str], seed: int, resources: Resources, *, samples: int):
        self.selection, self.ids, self.resources, self.samples = selection, tuple(ids), resources, samples
        self._pool = pool_digest(self.ids)
        self._pass = ShuffledPass(range(len(self.ids)), new_generator(seed, ORDER_STREAM))
        self._chosen: list[int] = []
        self._metrics: dict[str, float] = {}

    def choose(self, n: int) -> list[int]:
        """`n` distinct indices, all of them rolled out. UserError if n > N."""
        if n < 1:
            raise ValueError(f"n is {n}, expected at least 1")
        if n > len(self.ids):
            raise UserError(
                f"selection.dynamic: the pool has {len(self.ids)} questions, fewer than the {n} of one batch; "
                f"lower train.questions_per_step or enlarge the dataset"
            )
        kept: list[int] = []
        idle: list[int] = []
        most = min(self.selection.most * n, len(self.ids))
        while len(kept) < n and len(kept) + len(idle) < most:
            asked = min(n - len(kept), most - len(kept) - len(idle))
            seen = {*kept, *idle}
            fresh = [i for i in self._pass.take(asked) if i not in seen]  # a new pass may begin with a question seen
            if not fresh:
                continue
            for index, rewards in zip(fresh, self.resources.probe(fresh, self.samples, keep=True), strict=True):
                (kept if len(set(rewards)) > 1 else idle).append(index)
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
            "method": "dynamic",
            "pool": self._pool,
            "remaining": list(self._pass.remaining),
            "generator": self._pass.generator.bit_generator.state,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore; nothing is rolled out until the next choice."""
        check_state(state, "dynamic", self._pool)
        self._pass.remaining = [int(i) for i in state["remaining"]]
        self._pass.generator.bit_generator.state = state["generator"]
        self._chosen, self._metrics = [], {}
