"""Accuracy of runs by what they had spent, problem by problem, and look-ups in the curves of several runs at once.

The accuracy of a run is taken to be linear between two evaluations. What a run spends before its first step, on
selection, counts: until then it stands at the start policy.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


class Curve:
    """Accuracy of one run, problem by problem, by what the run had spent.

    Args:
        cost: spent at each evaluation, >= 0 and not decreasing (evaluations,).
        rates: share of correct samples, 0..1 (evaluations, problems).
        sets: how many problems each set of questions has, in order; by default all are one set. What is averaged is the
            unweighted mean over sets.

    Raises ValueError for other shapes, for fewer than two evaluations, or for a cost that falls.
    """

    def __init__(self, cost: ArrayLike, rates: ArrayLike, sets: Sequence[int] = ()) -> None:
        spent, height = np.asarray(cost, float), np.asarray(rates, float)
        if height.ndim != 2 or spent.shape != height.shape[:1] or len(spent) < 2:
            raise ValueError(f"expected costs (n,) and rates (n, problems) with n > 1: {spent.shape}, {height.shape}")
        if (np.diff(spent) < 0).any() or spent[0] < 0:
            raise ValueError(f"costs must not fall: {spent}")
        self.evaluations = len(spent) - 1
        self.ends = np.cumsum(sets or [height.shape[1]])[:-1]  # where a set ends and the next begins
        self.cost = np.concatenate([[0.0], spent])  # (evaluations + 1,)
        self.rates = height  # (evaluations, problems): at `cost[1:]`; until `cost[1]` they are those of its start

    @property
    def end(self) -> float:
        """What the run had spent at its last evaluation."""
        return float(self.cost[-1])

    @cached_property
    def _spent(self) -> list[float]:
        """`cost` for look-ups of one place, which are quick in a list."""
        found: list[float] = self.cost.tolist()
        return found

    @cached_property
    def accuracies(self) -> list[float]:
        """At each cost, the unweighted mean over sets."""
        means = np.mean([part.mean(axis=1) for part in np.split(self.rates, self.ends, axis=1)], axis=0)
        return [float(means[0]), *means.tolist()]

    def accuracy_at(self, cost: float) -> float:
        """Accuracy at a cost between 0 and `end`, the unweighted mean over sets."""
        (left, share), heights = self._place(cost), self.accuracies
        return heights[left] + share * (heights[left + 1] - heights[left])

    def _place(self, cost: float) -> tuple[int, float]:
        """(evaluation before, share of the way to the next) of a cost. ValueError outside of what was spent."""
        spent = self._spent
        if not 0 <= cost <= spent[-1] * (1 + 1e-9):
            raise ValueError(f"{cost} lies outside of what was spent: 0 to {spent[-1]}")
        left = min(max(bisect_right(spent, cost) - 1, 0), len(spent) - 2)
        width = spent[left + 1] - spent[left]
        return left, min(1.0, float(cost - spent[left]) / width) if width > 0 else 1.0


class Curves:
    """The curves of several runs over the same problems.

    Raises ValueError for no curve, and for curves over another number of problems.
    """

    def __init__(self, curves: Sequence[Curve]) -> None:
        if len({curve.rates.shape[1] for curve in curves}) != 1:
            raise ValueError(f"expected curves over the same problems: {[curve.rates.shape for curve in curves]}")
        self.each = tuple(curves)
        self.sets = curves[0].ends
        self._runs = np.arange(len(curves))
        self._last = np.array([curve.evaluations for curve in curves])  # (runs,): where the last line begins
        self._cost = np.full((len(curves), int(self._last.max()) + 2), np.inf)  # (runs, places)
        for own, curve in zip(self._cost, curves, strict=True):
            own[: len(curve.cost)] = curve.cost
        self._latest: tuple[NDArray[np.intp], Array, Array] | None = None
        self.ends = self._cost[self._runs, self._last + 1]  # (runs,): what each had spent at its last evaluation

    @property
    def end(self) -> float:
        """What every run has spent at least."""
        return float(self.ends.min())

    def at(self, cost: float) -> Array:
        """Rates of each run at a cost of 0 or more, of one that has ended its last (runs, problems)."""
        left, share, _ = self._places(np.minimum(cost, self.ends))
        before, change = self._beside(left)
        rates = change * share[:, None]
        rates += before
        return rates

    def accuracies_at(self, cost: float) -> Array:
        """Accuracy of each run at a cost between 0 and `end`, the unweighted mean over sets (runs,)."""
        left, share, _ = self._places(np.full(len(self.each), cost))
        before, after = self._heights[self._runs, left], self._heights[self._runs, left + 1]
        return np.asarray(before + share * (after - before))

    def mean_to(self, cost: float) -> Array:
        """Mean rates of each run from nothing spent up to a cost, above 0 and at most `end` (runs, problems)."""
        left, share, beyond = self._places(np.full(len(self.each), cost))
        begin, end = self._cost[:, :-1], self._cost[:, 1:]
        whole = np.arange(begin.shape[1]) < left[:, None]  # (runs, places - 1): the lines that end below the cost
        halves = np.subtract(end, begin, out=np.zeros(begin.shape), where=whole) / 2
        weights = np.zeros(self._cost.shape)
        weights[:, :-1] += halves
        weights[:, 1:] += halves
        weights[self._runs, left] += beyond * (1 - share / 2)
        weights[self._runs, left + 1] += beyond * share / 2
        weights[:, 1] += weights[:, 0]  # both are the start
        weights /= cost
        each = zip(weights, self.each, left.tolist(), strict=True)
        return np.stack(
            [np.einsum("e,ep->p", own[1 : place + 2], curve.rates[: place + 1]) for own, curve, place in each]
        )

    @cached_property
    def _heights(self) -> Array:
        """Accuracy at each cost, after the end of a run its last (runs, places)."""
        return padded([np.array(curve.accuracies) for curve in self.each])

    def _beside(self, left: NDArray[np.intp]) -> tuple[Array, Array]:
        """Rates at the evaluation before a place of each run, and what the next one adds, both (runs, problems).

        Those of the latest places are kept: costs close to each other have the same.
        """
        if self._latest is None or not np.array_equal(self._latest[0], left):
            before, after = self._rates(left)
            after -= before
            self._latest = left, before, after
        return self._latest[1:]

    def _rates(self, left: NDArray[np.intp]) -> tuple[Array, Array]:
        """Rates at the evaluations before and after a place of each run, both (runs, problems)."""
        each = list(zip((curve.rates for curve in self.each), left.tolist(), strict=True))
        before = np.concatenate([rates[max(0, place - 1)] for rates, place in each])
        after = np.concatenate([rates[place] for rates, place in each])
        return before.reshape(len(each), -1), after.reshape(len(each), -1)

    def _places(self, costs: Array) -> tuple[NDArray[np.intp], Array, Array]:
        """(evaluation before, share of the way to the next, what was spent beyond it) of a cost of each run (runs,).

        ValueError outside of what was spent.
        """
        if (costs < 0).any() or (costs > self.ends * (1 + 1e-9)).any():
            raise ValueError(f"{costs} lies outside of what was spent: 0 to {self.ends}")
        left = np.clip((self._cost <= costs[:, None]).sum(axis=1) - 1, 0, self._last)  # (runs,)
        begin = self._cost[self._runs, left]
        width, beyond = self._cost[self._runs, left + 1] - begin, costs - begin
        share = np.ones(len(costs))
        np.divide(beyond, width, out=share, where=width > 0)
        return left, np.minimum(1.0, share), beyond


class Areas(Curves):
    """The same for means up to many costs: the areas up to each evaluation are summed once.

    They take as much memory as the rates of all runs.
    """

    def __init__(self, curves: Sequence[Curve]) -> None:
        super().__init__(curves)
        self._areas = [_areas(curve) for curve in curves]  # of each run (its places - 1, problems)

    def mean_to(self, cost: float) -> Array:
        """As `Curves.mean_to`, up to rounding."""
        left, share, beyond = self._places(np.full(len(self.each), cost))
        before, after = self._rates(left)
        after *= (beyond * share / 2)[:, None]
        before *= (beyond * (1 - share / 2))[:, None]
        after += before
        after += np.stack([areas[place] for areas, place in zip(self._areas, left.tolist(), strict=True)])
        after /= cost
        return after


def _areas(curve: Curve) -> Array:
    """Areas below the curve of each problem up to each place but the last (evaluations, problems)."""
    out = np.empty((len(curve.cost) - 1, curve.rates.shape[1]))
    out[0] = 0.0
    np.multiply(curve.rates[0], curve.cost[1], out=out[1])
    middle = curve.rates[:-2] + curve.rates[1:-1]
    middle *= (np.diff(curve.cost[1:-1]) / 2)[:, None]
    out[2:] = middle
    np.cumsum(out, axis=0, out=out)
    return out


def padded(rows: Sequence[Array]) -> Array:
    """Rows of one length: the last value of a shorter one again and again (rows, points)."""
    points = max(map(len, rows))
    if all(len(row) == points for row in rows):
        return np.array(rows)
    return np.array([np.concatenate([row, np.repeat(row[-1:], points - len(row))]) for row in rows])
