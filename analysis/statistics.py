"""Intervals and comparisons with their sources of variance kept apart: training seeds, problems, samples.

Two-sided 95 % everywhere unless said otherwise. Functions that resample take a `numpy` Generator and are exact
functions of it. Where an interval cannot be had (one seed, one problem) its bounds are NaN, never a guess.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

LEVEL = 0.95
RESAMPLES = 5000

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """An estimate with its confidence interval. `n` is the number of independent units behind the interval.

    `low` and `high` are NaN where no interval is possible.
    """

    value: float
    low: float
    high: float
    n: int

    @property
    def known(self) -> bool:
        """Whether there is an interval at all."""
        return not (math.isnan(self.low) or math.isnan(self.high))

    def clear_of(self, reference: float = 0.0) -> int:
        """1 if the whole interval lies above `reference`, -1 if below, 0 if it covers it or is not known."""
        if not self.known:
            return 0
        return int(self.low > reference) - int(self.high < reference)


def t_interval(values: ArrayLike, level: float = LEVEL) -> Interval:
    """Mean of independent values with Student's t-interval. NaN values are left out.

    Returns bounds NaN for fewer than two values, and a value of NaN for none.
    """
    x = _finite(values)
    n = len(x)
    if n == 0:
        return Interval(math.nan, math.nan, math.nan, 0)
    mean = float(x.mean())
    if n == 1:
        return Interval(mean, math.nan, math.nan, 1)
    half = _quantile(n - 1, level) * float(x.std(ddof=1)) / math.sqrt(n)
    return Interval(mean, mean - half, mean + half, n)


def share_interval(values: ArrayLike, level: float = LEVEL) -> Interval:
    """`t_interval` of shares, cut to 0..1: with two or three values it may reach past what a share can be."""
    found = t_interval(values, level)
    if not found.known:
        return found
    return Interval(found.value, max(0.0, found.low), min(1.0, found.high), found.n)


def cluster_interval(pass_rates: ArrayLike, level: float = LEVEL) -> Interval:
    """avg@k of one policy with an interval over problems, cut to 0..1: the k samples of a problem are one cluster.

    Args:
        pass_rates: share of correct samples per problem, in 0..1 [problems].

    With equally many samples per problem the cluster-robust variance of the mean is the variance of the problem means
    over the number of problems, so neither k nor the spread inside a problem enters again (Miller 2024,
    "Adding Error Bars to Evals", section 2.2).
    """
    return share_interval(pass_rates, level)


def paired_difference(a: ArrayLike, b: ArrayLike, level: float = LEVEL) -> Interval:
    """Mean of a - b over pairs that belong together, with a t-interval over the pairs.

    Raises ValueError where the lengths differ.
    """
    left, right = np.asarray(a, float), np.asarray(b, float)
    if left.shape != right.shape:
        raise ValueError(f"pairs must match: {left.shape} against {right.shape}")
    return t_interval(left - right, level)


def crossed_difference(differences: ArrayLike, level: float = LEVEL) -> Interval:
    """Mean difference over seeds x problems, generalising to new seeds and new problems at once.

    Args:
        differences: accuracy of one arm minus the other, per training seed and problem [seeds, problems].

    Two-way random effects without replication: d = mean + seed + problem + rest. Seeds and problems both vary, so
    Var(mean) = MS_seed / SP + MS_problem / SP - MS_rest / SP, unbiased from the two-way analysis of variance, with
    Satterthwaite's degrees of freedom. It is never taken below the larger of its two parts. With one seed only the
    problems vary, and the interval then speaks of these training runs alone. `n` is the number of seeds.
    Raises ValueError unless the array has two axes.
    """
    d = np.asarray(differences, float)
    if d.ndim != 2:
        raise ValueError(f"expected [seeds, problems], got shape {d.shape}")
    seeds, problems = d.shape
    mean = float(d.mean())
    if seeds < 2 or problems < 2:
        along = d.ravel()
        inner = t_interval(along, level)
        return Interval(mean, inner.low, inner.high, seeds)
    rows, columns = d.mean(axis=1), d.mean(axis=0)
    rest = d - rows[:, None] - columns[None, :] + mean
    by_seed = float(rows.var(ddof=1)) / seeds
    by_problem = float(columns.var(ddof=1)) / problems
    both = float((rest**2).sum()) / ((seeds - 1) * (problems - 1)) / (seeds * problems)
    variance = by_seed + by_problem - both
    parts = [(by_seed, seeds - 1), (by_problem, problems - 1), (both, (seeds - 1) * (problems - 1))]
    if variance < max(by_seed, by_problem):
        parts = [max(parts[:2], key=lambda part: part[0])]
        variance = parts[0][0]
    if variance == 0.0:
        return Interval(mean, mean, mean, seeds)
    freedom = variance**2 / sum(part**2 / df for part, df in parts)
    half = _quantile(freedom, level) * math.sqrt(variance)
    return Interval(mean, mean - half, mean + half, seeds)


def probability_of_improvement(a: ArrayLike, b: ArrayLike) -> float:
    """Chance that a random run of `a` beats a random run of `b`; ties count half (Agarwal et al. 2021, eq. 2)."""
    x, y = _finite(a), _finite(b)
    if not len(x) or not len(y):
        return math.nan
    greater = (x[:, None] > y[None, :]).mean()
    return float(greater + 0.5 * (x[:, None] == y[None, :]).mean())


def iqm(values: ArrayLike) -> float:
    """Interquartile mean: the mean of the middle half of all values; a quarter is cut at either end."""
    x = np.sort(_finite(values))
    cut = len(x) // 4
    return float(x[cut : len(x) - cut].mean()) if len(x) else math.nan


def stratified_bootstrap(
    scores: Sequence[ArrayLike],
    statistic: Callable[[Array], float],
    generator: np.random.Generator,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
) -> Interval:
    """Percentile interval of `statistic` of all runs pooled, runs resampled inside each stratum.

    Args:
        scores: one sequence of run scores per stratum (here: per model and dataset); lengths may differ.
        statistic: from the pooled scores [runs] to one number, e.g. `iqm`.

    `n` is the number of runs. Bounds are NaN where no stratum has two runs.
    """
    strata = [_finite(stratum) for stratum in scores]
    strata = [stratum for stratum in strata if len(stratum)]
    if not strata:
        return Interval(math.nan, math.nan, math.nan, 0)
    pooled = np.concatenate(strata)
    value = statistic(pooled)
    if max(map(len, strata)) < 2:
        return Interval(value, math.nan, math.nan, len(pooled))
    draws = np.concatenate([s[generator.integers(len(s), size=(resamples, len(s)))] for s in strata], axis=1)
    results = np.apply_along_axis(statistic, 1, draws)
    low, high = np.quantile(results, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value, float(low), float(high), len(pooled))


# ---------------------------------------------------------------- time to target


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
    return Bounds(float(np.median(low)), _upper_median(high))


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
    lows = _divide_all(np.median(b_after[b_draw], axis=1), _upper_medians(a_high[a_draw]))
    highs = _divide_all(_upper_medians(b_high[b_draw]), np.median(a_after[a_draw], axis=1))
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


def _upper_median(values: Array) -> float:
    return float(_upper_medians(values[None, :])[0])


def _upper_medians(values: Array) -> Array:
    """Medians of rows that may hold infinities; half of a finite and an infinite middle is infinite."""
    ordered = np.sort(values, axis=1)
    middle = values.shape[1] // 2
    if values.shape[1] % 2:
        return np.asarray(ordered[:, middle], float)
    return np.asarray((ordered[:, middle - 1] + ordered[:, middle]) / 2, float)


def _divide(numerator: float, denominator: float) -> float:
    return float(_divide_all(np.array([numerator]), np.array([denominator]))[0])


def _divide_all(numerator: Array, denominator: Array) -> Array:
    """Ratios of times >= 0, finite / inf = 0; a target that both reach at once (0 / 0) is a ratio of 1."""
    with np.errstate(divide="ignore", invalid="ignore"):
        out = np.asarray(numerator / denominator, float)
    return np.where((numerator == 0) & (denominator == 0), 1.0, out)


# ---------------------------------------------------------------- small helpers


def correlation(x: ArrayLike, y: ArrayLike) -> float:
    """Pearson's r, NaN for fewer than three pairs or a constant side."""
    a, b = np.asarray(x, float), np.asarray(y, float)
    good = ~(np.isnan(a) | np.isnan(b))
    a, b = a[good], b[good]
    if len(a) < 3 or a.std() == 0 or b.std() == 0:
        return math.nan
    return float(np.corrcoef(a, b)[0, 1])


def area_under_curve(x: ArrayLike, y: ArrayLike) -> float:
    """Mean height of a curve over its range of x (trapezoids); NaN for fewer than two points or no range."""
    a, b = np.asarray(x, float), np.asarray(y, float)
    if len(a) < 2 or a[-1] == a[0]:
        return math.nan
    return float(np.trapezoid(b, a) / (a[-1] - a[0]))


def _finite(values: ArrayLike) -> Array:
    x = np.asarray(values, float).ravel()
    return x[~np.isnan(x)]


def _quantile(freedom: float, level: float) -> float:
    return float(stats.t.ppf((1 + level) / 2, freedom))
