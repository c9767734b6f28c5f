"""What the methods that learn from a run's rewards share: fields without effect, given pass rates, stored arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from repro.errors import UserError
from repro.selection.banded import start_scores
from repro.selection.base import Run
from repro.selection.method import Selection


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
