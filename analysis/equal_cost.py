"""Two arms at equal cost: mean accuracy over training up to a common budget, and how much less one needs for the same.

The accuracy of a run is taken to be linear between two evaluations. What a run spends before its first step, on
selection, counts: until then it stands at the start policy.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.estimates import Estimate, crossed, over_these

Array = NDArray[np.float64]

ENOUGH = 8
"""Evaluations after the start from which on a saving is told: with fewer, lines between them are too coarse."""

WIDEST = 8.0
"""A saving is looked for between 1 / WIDEST and WIDEST."""

COARSE, FINE = 48, 12
"""Ratios tried at first, and halvings of the gap at each end of the interval."""


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

    def at(self, cost: float) -> Array:
        """Rates at a cost between 0 and `end` (problems,)."""
        left, share = self._place(cost)
        before, after = self.rates[max(0, left - 1)], self.rates[left]
        return np.asarray(before + share * (after - before))

    def mean_to(self, cost: float) -> Array:
        """Mean rates from nothing spent up to a cost, above 0 and at most `end` (problems,)."""
        left, share = self._place(cost)
        weights, rest = np.zeros(left + 2), cost - self._spent[left]
        halves = np.diff(self.cost[: left + 1]) / 2
        weights[:left] += halves
        weights[1 : left + 1] += halves
        weights[left : left + 2] += rest * (1 - share / 2), rest * share / 2
        weights[1] += weights[0]  # both are the start
        return np.asarray(np.einsum("e,ep->p", weights[1:] / cost, self.rates[: left + 1]))

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

    def gain_to(self, cost: float) -> float:
        """How far the mean accuracy over training lies above that of the start policy."""
        above = self.mean_to(cost) - self.rates[0]
        return float(np.mean([part.mean() for part in np.split(above, self.ends)]))

    def _place(self, cost: float) -> tuple[int, float]:
        """(evaluation before, share of the way to the next) of a cost. ValueError outside of what was spent."""
        spent = self._spent
        if not 0 <= cost <= spent[-1] * (1 + 1e-9):
            raise ValueError(f"{cost} lies outside of what was spent: 0 to {spent[-1]}")
        left = min(max(bisect_right(spent, cost) - 1, 0), len(spent) - 2)
        width = spent[left + 1] - spent[left]
        return left, min(1.0, float(cost - spent[left]) / width) if width > 0 else 1.0


@dataclass(frozen=True)
class Saving:
    """How many times less an arm spends than the baseline: for the same mean accuracy over training, or to a target.

    `low` and `high` are the ends of the 95 % interval: 0 or infinity where the curves do not say. NaN where it is
    withheld, and `withheld` says why. The value alone is NaN where the arm does not reach the target in its budget.
    """

    value: float
    low: float
    high: float
    n: int
    withheld: str = ""

    @property
    def known(self) -> bool:
        """Whether there is an interval."""
        return not math.isnan(self.low)

    def clear_of(self, reference: float = 1.0) -> int:
        """1 if certainly above `reference`, -1 if certainly below, else 0."""
        return int(self.low > reference) - int(self.high < reference) if self.known else 0


@dataclass(frozen=True)
class Pair:
    """Runs of a baseline and of an arm on one model and task, paired by seed, over the same problems.

    `scale` is what a difference is divided by before several pairs are pooled: the baseline's gain.
    """

    baseline: tuple[Curve, ...]
    arm: tuple[Curve, ...]
    scale: float = 1.0

    @property
    def evaluations(self) -> int:
        """Evaluations after the start that every run has."""
        return min(curve.evaluations for curve in (*self.baseline, *self.arm))

    @property
    def budget(self) -> float:
        """What every run of both arms has spent at least."""
        return min(curve.end for curve in (*self.baseline, *self.arm))

    def differences(self, factor: float = 1.0) -> list[Array]:
        """Mean accuracy over training of the arm to 1/factor of a cost minus the baseline's to that cost.

        The cost is the largest that both curves allow. Returns (seeds, problems) for each set of questions.
        """
        (base_end, base), (arm_end, arm) = self._to_the_ends
        if factor * arm_end > base_end:
            arm = _means(self.arm, base_end / factor)
        elif factor * arm_end < base_end:
            base = _means(self.baseline, factor * arm_end)
        return np.split(arm - base, self.arm[0].ends, axis=1)

    @cached_property
    def _to_the_ends(self) -> tuple[tuple[float, Array], tuple[float, Array]]:
        """Of baseline and arm: what each of its runs has spent at least, and their means up to it (seeds, problems).

        Whatever the factor, one of the two arms goes to its end.
        """
        ends = [min(curve.end for curve in curves) for curves in (self.baseline, self.arm)]
        return (ends[0], _means(self.baseline, ends[0])), (ends[1], _means(self.arm, ends[1]))


def _means(curves: Sequence[Curve], cost: float) -> Array:
    """Mean rates of each run up to a cost (seeds, problems)."""
    return np.stack([curve.mean_to(cost) for curve in curves])


def saving(pairs: Sequence[Pair]) -> Saving:
    """How many times less an arm needs than the baseline, over the whole of training, on one or several tasks.

    A factor r is compatible with the runs if the arm with 1/r of the cost has the baseline's mean accuracy over
    training: the difference (`Pair.differences`), pooled over pairs as a share of their gains, has a 95 % interval that
    holds 0. The interval is that of all compatible factors. At r = 1 this is the comparison at equal cost, so that the
    two never contradict each other. The value is the factor at which the difference is nearest 0.
    """
    n = sum(len(pair.arm) for pair in pairs)
    evaluations = min((pair.evaluations for pair in pairs), default=0)
    nan = math.nan
    if not pairs or min(len(pair.arm) for pair in pairs) < 2:
        return Saving(nan, nan, nan, n, "one seed")
    if evaluations < ENOUGH:
        return Saving(nan, nan, nan, n, f"{evaluations} evaluations a run, at least {ENOUGH} are needed")
    if min(pair.scale for pair in pairs) <= 0:
        return Saving(nan, nan, nan, n, "the baseline gained nothing")

    def test(factor: float) -> Estimate:
        return over_these([crossed(*pair.differences(factor)).times(1 / pair.scale) for pair in pairs])

    factors = np.exp(np.linspace(-math.log(WIDEST), math.log(WIDEST), COARSE + 1))  # 1 is among them
    found = [test(float(factor)) for factor in factors]
    nearest = min(range(len(found)), key=lambda place: abs(found[place].value))
    value = _zero(lambda factor: test(factor).value, factors, nearest)
    kept = [float(factor) for factor, one in zip(factors, found, strict=True) if compatible(one)]
    low, high = min([value, *kept]), max([value, *kept])
    return Saving(value, _edge(test, low, factors[::-1]), _edge(test, high, factors), n)


def _edge(test: Callable[[float], Estimate], inside: float, factors: Array) -> float:
    """Where compatibility ends beyond a compatible factor, on the way through `factors`; 0 or infinity at their end."""
    rising = bool(factors[0] < factors[-1])
    beyond = factors[factors > inside * (1 + 1e-9)] if rising else factors[factors < inside * (1 - 1e-9)]
    if not len(beyond):
        return math.inf if rising else 0.0
    a, b = math.log(inside), math.log(beyond[0])
    for _ in range(FINE):
        middle = (a + b) / 2
        a, b = (middle, b) if compatible(test(math.exp(middle))) else (a, middle)
    return math.exp(b)


def _zero(value: Callable[[float], float], factors: Array, place: int) -> float:
    """The factor near `place` at which the difference changes its sign; that of `place` where it does not."""
    own = value(float(factors[place]))
    for other in (place + 1, place - 1):
        if 0 <= other < len(factors) and own * value(float(factors[other])) < 0:
            a, b = math.log(factors[place]), math.log(factors[other])
            for _ in range(FINE):
                middle = (a + b) / 2
                a, b = (middle, b) if own * value(math.exp(middle)) > 0 else (a, middle)
            return math.exp((a + b) / 2)
    return float(factors[place])


def compatible(difference: Estimate) -> bool:
    """Whether 0 lies in the interval; without an error, whether the value is 0."""
    if not difference.known:
        return difference.value == 0
    interval = difference.interval()
    return interval.low <= 0 <= interval.high
