"""Selectors with one generator: they check the batch, keep metrics and take states, so that a method only picks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from repro.selection.base import Run, Selector
from repro.selection.method import Selection
from repro.selection.pool import check_batch, check_state, pool_digest
from repro.selection.shuffled import ShuffledPass
from repro.selection.ties import ranked, tie_places


class StatefulSelector(Selector):
    """A subclass says how to `pick`, and what it has `learnt` so that it can `restore`.

    `pick` may set `_metrics`, and `_reused` to the questions of its choice that train with this step's probe. Nothing
    is asked of the run's resources before the first choice.
    """

    def __init__(self, selection: Selection, run: Run, stream: str | None = None) -> None:
        """`stream` names the generator, as the method where it is None."""
        self.method, self.run, self.ids = selection.method, run, run.ids
        self.generator = run.generator(stream or self.method)
        self._pool = pool_digest(run.ids)
        self._reused: list[int] = []
        self._metrics: dict[str, float] = {}

    def pick(self, n: int) -> Sequence[int] | np.ndarray:
        """(n,) distinct indices, 1 <= n <= N."""
        raise NotImplementedError

    def learnt(self) -> dict[str, Any]:
        """What `restore` needs beside the generator; JSON-able."""
        raise NotImplementedError

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what `learnt` gave."""
        raise NotImplementedError

    def choose(self, n: int) -> list[int]:
        """`n` distinct indices. UserError if n > N, ValueError if n < 1."""
        check_batch(n, self.method, len(self.ids), len(self.ids))
        self._reused, self._metrics = [], {}
        return [int(index) for index in self.pick(n)]

    def ranked(self, keys: np.ndarray) -> np.ndarray:
        """(N,) indices by ascending key (N,); the order of equal keys is drawn anew."""
        return ranked(keys, tie_places(self.ids, self.generator))

    def reused(self) -> list[int]:
        """Of the latest choice."""
        return list(self._reused)

    def metrics(self) -> dict[str, float]:
        """Of the latest choice."""
        return dict(self._metrics)

    def state_dict(self) -> dict[str, Any]:
        """What was learnt, and the generator."""
        generator = self.generator.bit_generator.state
        return {"method": self.method, "pool": self._pool, "generator": generator, **self.learnt()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore; nothing is measured again, and nothing is rolled out until the next choice."""
        check_state(state, self.method, self._pool)
        self.generator.bit_generator.state = state["generator"]
        self.restore(state)
        self._reused, self._metrics = [], {}


class PassSelector(StatefulSelector):
    """A selector that takes questions from shuffled passes over the pool, `_pass`."""

    def __init__(self, selection: Selection, run: Run, stream: str | None = None) -> None:
        super().__init__(selection, run, stream)
        self._pass = ShuffledPass(range(len(run.ids)), self.generator)

    def learnt(self) -> dict[str, Any]:
        """What is left of the pass."""
        return {"remaining": list(self._pass.remaining)}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on with that pass."""
        self._pass.remaining = [int(index) for index in state["remaining"]]
