"""Time to target: sustained crossings, runs that never get there, and ratios of medians that know about them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.statistics import LEVEL, RESAMPLES, Array


def sustained_crossing(values: Sequence[float], target: float) -> int | None:
    """Index of the first evaluation that reaches `target` and whose next one does too; None if there is none.

    A last evaluation that reaches the target alone does not count: nothing has confirmed it.
    """
    for index in range(len(values) - 1):
        if values[index] >= target and values[index + 1] >= target:
            return index
    return None


@dataclass(frozen=True)
class Bounds:
    """A number that is known to lie in low..high: a single number (low = high) unless runs were censored."""

    low: float
    high: float

    @property
    def exact(self) -> bool:
        """Whether no censored run left it open."""
        return self.low == self.high


@dataclass(frozen=True)
class Ratio:
    """How many times less an arm needed than the baseline: ratio of medians with a bootstrap interval.

    `low` and `high` are NaN where either side has a single run. Censored runs widen both point and interval.
    """

    point: Bounds
    low: float
    high: float
    n: tuple[int, int]

    @property
    def known(self) -> bool:
        """Whether there is an interval at all."""
        return not (math.isnan(self.low) or math.isnan(self.high))

    def clear_of(self, reference: float = 1.0) -> int:
        """1 if certainly faster than `reference` times, -1 if certainly slower, else 0."""
        if not self.known:
            return 0
        return int(self.low > reference) - int(self.high < reference)


def median_time(times: ArrayLike, after: ArrayLike) -> Bounds:
    """Median time to target. A censored run (time NaN) took longer than `after`, how much is not known.

    `high` is infinite where the median is itself a censored run.
    """
    t, known = _runs(times, after)
    low, high = np.where(np.isnan(t), known, t), np.where(np.isnan(t), np.inf, t)
    return Bounds(float(np.median(low)), float(np.median(high)))


def ratio_of_medians(
    baseline: ArrayLike,
    baseline_after: ArrayLike,
    arm: ArrayLike,
    arm_after: ArrayLike,
    generator: np.random.Generator,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
) -> Ratio:
    """Speedup = median time of the baseline / median time of the arm; both sides are resampled over their runs.

    Args:
        baseline, arm: time to target per run, NaN where the target was not reached (censored).
        baseline_after, arm_after: per run, the last time at which it was known not to have reached the target: the
            evaluation before, or for a censored run all that it had spent when it ended.

    The point uses the times at which the target was seen; censored runs leave it a range. The interval also knows that
    a run may have got there at any moment since the evaluation before: each resample gives the range of ratios that
    this and the censored runs allow, and the interval runs from the lower quantile of the smallest to the upper
    quantile of the largest. Raises ValueError for no runs.
    """
    (b_at, b_after), (a_at, a_after) = _runs(baseline, baseline_after), _runs(arm, arm_after)
    b_high, a_high = np.where(np.isnan(b_at), np.inf, b_at), np.where(np.isnan(a_at), np.inf, a_at)
    b_point, a_point = median_time(b_at, b_after), median_time(a_at, a_after)
    point = Bounds(_divide(b_point.low, a_point.high), _divide(b_point.high, a_point.low))
    n = (len(b_at), len(a_at))
    if min(n) < 2:
        return Ratio(point, math.nan, math.nan, n)
    b_draw = generator.integers(n[0], size=(resamples, n[0]))
    a_draw = generator.integers(n[1], size=(resamples, n[1]))
    lows = _divide_all(_medians(b_after, b_draw), _medians(a_high, a_draw))
    highs = _divide_all(_medians(b_high, b_draw), _medians(a_after, a_draw))
    tail = (1 - level) / 2
    # Order statistics, not interpolation: between a finite and an infinite ratio there is nothing to interpolate.
    low = float(np.quantile(lows, tail, method="lower"))
    high = float(np.quantile(highs, 1 - tail, method="higher"))
    return Ratio(point, low, high, n)


def _runs(times: ArrayLike, after: ArrayLike) -> tuple[Array, Array]:
    t, known = np.asarray(times, float), np.asarray(after, float)
    if t.shape != known.shape or t.ndim != 1 or not len(t):
        raise ValueError(f"expected one time and one bound per run, got shapes {t.shape} and {known.shape}")
    if (known > t).any():  # False for NaN
        raise ValueError(f"a bound lies after its time: {known} and {t}")
    return t, known


def _medians(values: Array, draws: NDArray[np.int64]) -> Array:
    """Median of the values drawn in each resample [resamples, runs].

    The ranks of what was drawn are sorted in place of the values: short whole numbers take a tenth of the time.
    """
    order = np.argsort(values, kind="stable")
    rank = np.empty(len(values), np.uint16 if len(values) <= np.iinfo(np.uint16).max else np.int64)
    rank[order] = np.arange(len(values))
    drawn = np.sort(rank[draws], axis=1)
    middle = [values[order][drawn[:, place]] for place in ((draws.shape[1] - 1) // 2, draws.shape[1] // 2)]
    return np.asarray((middle[0] + middle[1]) / 2)


def _divide(numerator: float, denominator: float) -> float:
    return float(_divide_all(np.array([numerator]), np.array([denominator]))[0])


def _divide_all(numerator: Array, denominator: Array) -> Array:
    """Ratios of times >= 0, finite / inf = 0; a target that both reach at once (0 / 0) is a ratio of 1."""
    with np.errstate(divide="ignore", invalid="ignore"):
        out = np.asarray(numerator / denominator, float)
    return np.where((numerator == 0) & (denominator == 0), 1.0, out)
