"""Pass rates of the start policy over a panel's pool, and the columns that they fall into."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from repro.analysis.arms import pool_rates
from repro.analysis.measures import Measures

MOST_LEVELS = 10
"""Up to so many samples every pass rate is a column of its own; beyond, there are ten equal bins."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Levels:
    """The columns that pass rates over K samples fall into."""

    samples: int

    @property
    def count(self) -> int:
        return self.samples + 1 if self.samples <= MOST_LEVELS else MOST_LEVELS

    @property
    def names(self) -> list[str]:
        if self.samples <= MOST_LEVELS:
            return [f"{i / self.samples:.3g}" for i in range(self.count)]
        return [f"{i / self.count:.1f}–{(i + 1) / self.count:.1f}" for i in range(self.count)]

    @property
    def centres(self) -> Array:
        shift = 0.0 if self.samples <= MOST_LEVELS else 0.5
        return np.asarray((np.arange(self.count) + shift) / (self.count - 1 + 2 * shift), float)

    def of(self, rates: Array) -> NDArray[np.int64]:
        """Column of each pass rate; with bins the last one includes 1."""
        if self.samples <= MOST_LEVELS:
            return np.rint(rates * self.samples).astype(np.int64)
        return np.minimum((rates * self.count + 1e-9).astype(np.int64), self.count - 1)


@dataclass(frozen=True)
class Pool:
    """Pass rates of the start policy over (a part of) one panel's pool."""

    title: str
    rates: Mapping[str, float]
    samples: int
    whole: int  # questions of the pool

    @property
    def values(self) -> Array:
        return np.array(list(self.rates.values()), float)

    @property
    def shares(self) -> Array:
        """Share of questions in each of the columns."""
        levels = Levels(self.samples)
        return np.bincount(levels.of(self.values), minlength=levels.count) / len(self.rates)

    @property
    def mixed(self) -> float:
        """Share of questions strictly between never and always solved."""
        return float(np.mean((self.values > 0) & (self.values < 1)))


def pools_of(panels: Sequence[Measures]) -> list[tuple[Measures, Pool]]:
    found = [(measures, Pool(measures.panel.title, *pool_rates(measures))) for measures in panels]
    return [(measures, pool) for measures, pool in found if pool.rates]
