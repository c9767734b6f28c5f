"""Time to target: when the mean over runs reaches an accuracy, and how many times less one arm needs than another.

One rule for every arm, the baseline's too: at each evaluation accuracy and cost are averaged over runs, and the mean
curve is linear between evaluations. A run that has ended keeps its last accuracy and cost, so that none is dropped, and
an arm that reaches the target at its very end takes its mean cost.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

from repro.analysis.curve import Array, Curve, Curves, padded
from repro.analysis.equal_cost import ENOUGH, FINE, Saving, compatible, too_few, untold
from repro.analysis.estimates import Estimate, crossed, over_these

ROUNDING = 1e-9
"""A mean this close below a target has reached it."""

FASTEST = 64.0
"""Larger factors are not looked at."""

TRIED = 33
"""Factors tried at first."""

Runs = tuple[Sequence[Curve], Sequence[Curve], float]
"""Runs of a baseline, runs of an arm, target."""

NEVER = "the baseline does not reach the target"
THERE = "the start policy is at the target"


def reached(curves: Sequence[Curve], target: float) -> float:
    """The mean cost at which the mean accuracy of the runs first reaches `target`; NaN where it does not."""
    costs, heights = _points(curves)
    return _first(costs.mean(axis=0), heights.mean(axis=0), target)


def each_reached(curves: Sequence[Curve], target: float) -> tuple[float, ...]:
    """The cost at which each run alone first reaches `target`; NaN where it does not."""
    return tuple(_first(cost, height, target) for cost, height in zip(*_points(curves), strict=True))


def _points(curves: Sequence[Curve]) -> tuple[Array, Array]:
    """Costs and accuracies; a run that has ended keeps its last, both (runs, points)."""
    return padded([curve.cost for curve in curves]), padded([np.array(curve.accuracies) for curve in curves])


def _first(costs: Array, heights: Array, target: float) -> float:
    """The cost at which a curve first reaches `target`; NaN where it does not."""
    above = heights >= target - ROUNDING
    place = int(above.argmax())
    if not above[place]:
        return math.nan
    if place == 0:
        return float(costs[0])
    low, high = heights[place - 1], heights[place]
    share = min(1.0, (target - low) / (high - low))
    return float(costs[place - 1] + share * (costs[place] - costs[place - 1]))


def budget(curves: Sequence[Curve]) -> float:
    """What the runs have spent at their ends, on average: where the mean has not reached a target, it takes more."""
    return float(np.mean([curve.end for curve in curves]))


def times_less(pairs: Sequence[Runs]) -> Saving:
    """How many times less arms need to reach a target than their baselines, on one or several pairs of model and task.

    Args:
        pairs: of each the runs of the baseline and of the arm, paired by seed over the same problems, and the target.

    A factor r is compatible with the runs if the arm with 1/r of the baseline's time to target is as accurate as the
    baseline there: the paired difference over seeds and questions, averaged over pairs as a share of what the baseline
    has gained by then, has a 95 % interval that holds 0. The interval holds all compatible factors, so that the
    baseline's own seeds are in it. The value is NaN where the arm does not reach the target in its budget.
    """
    n = sum(len(arm) for _, arm, _ in pairs)
    every = [curve for baseline, arm, _ in pairs for curve in (*baseline, *arm)]
    evaluations = min((curve.evaluations for curve in every), default=0)
    if not pairs or min(len(arm) for _, arm, _ in pairs) < 2:
        return untold(n, "one seed")
    if evaluations < ENOUGH:
        return too_few(n, evaluations)
    times = [reached(baseline, target) for baseline, _, target in pairs]
    if any(math.isnan(time) for time in times):
        return untold(n, NEVER)
    scales = [
        float(np.mean([_at(curve, time) - curve.accuracy_at(0.0) for curve in baseline]))
        for (baseline, _, _), time in zip(pairs, times, strict=True)
    ]
    if min(times) <= 0 or min(scales) <= 0:
        return untold(n, THERE)

    goals = [Curves(baseline).at(time) for (baseline, _, _), time in zip(pairs, times, strict=True)]
    arms = [Curves(arm) for _, arm, _ in pairs]

    def test(factor: float) -> Estimate:
        found = []
        for arm, time, scale, goal in zip(arms, times, scales, goals, strict=True):
            rows = arm.at(time / factor) - goal
            found.append(crossed(*np.split(rows, arm.sets, axis=1)).times(1 / scale))
        return over_these(found)

    least = max(time / budget(arm) for (_, arm, _), time in zip(pairs, times, strict=True))
    factors = np.exp(np.linspace(math.log(least), math.log(max(FASTEST, 2 * least)), TRIED))
    value = _value(pairs, times, test, factors)
    return Saving(value, *_interval(test, value, factors), n)


def _at(curve: Curve, cost: float) -> float:
    return curve.accuracy_at(min(cost, curve.end))


Test = Callable[[float], Estimate]


def _value(pairs: Sequence[Runs], times: Sequence[float], test: Test, factors: Array) -> float:
    """The ratio of the two times; of several pairs the largest factor at which the mean difference is not below 0."""
    if len(pairs) == 1:
        own = reached(pairs[0][1], pairs[0][2])
        return times[0] / own if own > 0 else math.nan
    for below, above in reversed(list(pairwise(factors))):
        if test(float(below)).value >= -ROUNDING:
            a, b = math.log(below), math.log(above)  # not below 0 at a, below 0 at b
            for _ in range(FINE):
                middle = (a + b) / 2
                a, b = (middle, b) if test(math.exp(middle)).value >= -ROUNDING else (a, middle)
            return math.exp(a)
    return math.nan


def _interval(test: Test, value: float, factors: Array) -> tuple[float, float]:
    """Ends of the compatible factors. The lower one is 0 where they go on to the slowest that the arm's budget shows,
    the upper one infinite where they go on to the fastest."""
    places = range(len(factors))
    inside = None if math.isnan(value) else min(int(np.searchsorted(factors, value)), len(factors) - 1)

    def kept(place: int) -> bool:
        return place == inside or compatible(test(float(factors[place])))

    first = next(filter(kept, places), None)
    if first is None:  # the arm lies on one side all along: the end itself is not compatible
        below = test(float(factors[0])).value < 0
        return (0.0, math.nextafter(factors[0], 0)) if below else (float(factors[-1]), math.inf)
    last = next(filter(kept, reversed(places)))
    low = 0.0 if first == 0 else _edge(test, factors[first], factors[first - 1])
    high = math.inf if last == len(factors) - 1 else _edge(test, factors[last], factors[last + 1])
    return (low, high) if math.isnan(value) else (min(low, value), max(high, value))


def _edge(test: Test, inside: float, outside: float) -> float:
    """Where compatibility ends between two factors."""
    a, b = math.log(inside), math.log(outside)
    for _ in range(FINE):
        middle = (a + b) / 2
        a, b = (middle, b) if compatible(test(math.exp(middle))) else (a, middle)
    return math.exp(b)
