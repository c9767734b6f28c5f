"""What the methods that learn from a run's rewards share: fields without effect, drawn ties, and whole states."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from repro.errors import UserError
from repro.selection.banded import start_scores
from repro.selection.base import Run, Selector
from repro.selection.method import Selection
from repro.selection.pool import check_batch, check_state, pool_digest
from repro.selection.ties import ranked, tie_places


class FromHistory(Selection):
    """A method whose choices follow from the rewards of earlier steps."""

    def without_effect(self) -> dict[str, str]:
        """{field: why it says nothing beside the others}: it is no part of the identity."""
        return {}

    def identity_fields(self, group_size: int) -> dict[str, Any]:
        """Without the fields that say nothing."""
        idle = self.without_effect()
        return {key: value for key, value in super().identity_fields(group_size).items() if key not in idle}

    def idle(self, written: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Fields that say nothing."""
        yield from ((field, why) for field, why in self.without_effect().items() if field in written)


class HistorySelector(Selector):
    """A selector with one generator. A subclass says how to `pick`, and what it has `learnt` so that it can `restore`.

    Nothing is asked of the run's resources before the first choice.
    """

    def __init__(self, selection: Selection, run: Run) -> None:
        self.method, self.run, self.ids = selection.method, run, run.ids
        self.generator = run.generator(self.method)
        self._pool = pool_digest(run.ids)
        self._metrics: dict[str, float] = {}

    def pick(self, n: int) -> np.ndarray:
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
        self._metrics = {}
        return [int(index) for index in self.pick(n)]

    def ranked(self, keys: np.ndarray) -> np.ndarray:
        """(N,) indices by ascending key (N,); the order of equal keys is drawn anew."""
        return ranked(keys, tie_places(self.ids, self.generator))

    def metrics(self) -> dict[str, float]:
        """Of the latest choice."""
        return dict(self._metrics)

    def state_dict(self) -> dict[str, Any]:
        """What was learnt, and the generator."""
        generator = self.generator.bit_generator.state
        return {"method": self.method, "pool": self._pool, "generator": generator, **self.learnt()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore; nothing is measured again."""
        check_state(state, self.method, self._pool)
        self.generator.bit_generator.state = state["generator"]
        self.restore(state)
        self._metrics = {}


def column_rates(run: Run, field: str, column: str) -> np.ndarray:
    """(N,) pass rates in a column of the dataset, which `field` names. UserError for a number outside [0, 1]."""
    rates = start_scores(run.resources.column(column), run)
    wrong = np.flatnonzero((rates < 0) | (rates > 1))
    if len(wrong):
        raise UserError(
            f"selection.{field}: column {column!r} has {rates[wrong[0]]:g} for question {run.ids[wrong[0]]!r}, "
            f"expected pass rates from 0 to 1"
        )
    return rates


def numbers(values: np.ndarray | None) -> list[float] | None:
    """An array as a state keeps it."""
    return None if values is None else values.tolist()


def array(values: list[float] | None) -> np.ndarray | None:
    """The array (N,) that `numbers` wrote down."""
    return None if values is None else np.array(values, dtype=np.float64)
