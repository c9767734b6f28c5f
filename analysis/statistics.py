"""Intervals and comparisons with their sources of variance kept apart: training seeds, problems, samples.

Two-sided 95 % everywhere unless said otherwise. Functions that resample take a `numpy` Generator and are exact
functions of it. Where an interval cannot be had (one seed, one problem) its bounds are NaN, never a guess.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from repro.numbers import LEVEL, Interval, spearman, t_interval, t_quantile

SAMPLED = 3
"""From this many models and datasets on, what is pooled over them speaks of others too."""
RESAMPLES = 5000

Array = NDArray[np.float64]


def share_interval(values: ArrayLike, level: float = LEVEL) -> Interval:
    """`t_interval` of shares, cut to 0..1: with two or three values it may reach past what a share can be."""
    return _share(t_interval(values, level))


def _share(found: Interval) -> Interval:
    """An interval of a share, cut to 0..1."""
    if not found.known:
        return found
    return Interval(found.value, max(0.0, found.low), min(1.0, found.high), found.n)


def cluster_interval(*pass_rates: ArrayLike, level: float = LEVEL) -> Interval:
    """avg@k of one policy with an interval over problems, cut to 0..1: the k samples of a problem are one cluster.

    Args:
        pass_rates: share of correct samples per problem, in 0..1 [problems]; of several sets one array each, for the
            unweighted mean of the sets.

    With equally many samples per problem the cluster-robust variance of the mean is the variance of the problem means
    over the number of problems, so neither k nor the spread inside a problem enters again (Miller 2024,
    "Adding Error Bars to Evals", section 2.2). Several sets are strata: problems vary inside each of them, so that the
    variance of the mean is that of the sets' means over the square of their number (see `fixed_mean`).
    """
    return _share(fixed_mean(pass_rates, level) if len(pass_rates) > 1 else t_interval(pass_rates[0], level))


def paired_difference(a: ArrayLike, b: ArrayLike, level: float = LEVEL) -> Interval:
    """Mean of a - b over pairs that belong together, with a t-interval over the pairs.

    Raises ValueError where the lengths differ.
    """
    left, right = np.asarray(a, float), np.asarray(b, float)
    if left.shape != right.shape:
        raise ValueError(f"pairs must match: {left.shape} against {right.shape}")
    return t_interval(left - right, level)


def crossed_difference(*differences: ArrayLike, level: float = LEVEL) -> Interval:
    """Mean difference over seeds x problems, generalising to new seeds and new problems at once.

    Args:
        differences: accuracy of one arm minus the other, per training seed and problem [seeds, problems]; of several
            sets one array each with the same seeds, for the unweighted mean of the sets.

    Two-way random effects without replication: d = mean + seed + problem + rest. Seeds and problems both vary, so
    Var(mean) = MS_seed / SP + MS_problem / SP - MS_rest / SP, unbiased from the two-way analysis of variance, with
    Satterthwaite's degrees of freedom. Sets are strata: the seed's part is taken from its mean over the sets, those of
    problems and of the rest inside each set, divided by the square of the number of sets. The variance is never taken
    below that of the seeds or that of the problems. With one seed only the problems vary, and the interval then speaks
    of these training runs alone; where a set has one problem only the seeds do. `n` is the number of seeds.
    Raises ValueError unless each array has two axes and all have the same number of seeds.
    """
    sets = [np.asarray(one, float) for one in differences]
    if any(d.ndim != 2 for d in sets) or len({len(d) for d in sets}) != 1:
        raise ValueError(f"expected [seeds, problems] of the same seeds, got shapes {[d.shape for d in sets]}")
    seeds = len(sets[0])
    rows = np.mean([d.mean(axis=1) for d in sets], axis=0)  # (seeds,)
    mean = float(rows.mean())
    if seeds < 2:
        inner = t_interval(sets[0], level) if len(sets) == 1 else fixed_mean([d[0] for d in sets], level)
        return Interval(mean, inner.low, inner.high, seeds)
    by_seed = (float(rows.var(ddof=1)) / seeds, seeds - 1)
    if min(d.shape[1] for d in sets) < 2:
        inner = t_interval(rows, level)
        return Interval(mean, inner.low, inner.high, seeds)
    by_problem, both = [], []
    for d in sets:
        problems, columns = d.shape[1], d.mean(axis=0)
        rest = d - d.mean(axis=1)[:, None] - columns[None, :] + d.mean()
        freedom = (seeds - 1) * (problems - 1)
        by_problem.append((float(columns.var(ddof=1)) / problems / len(sets) ** 2, problems - 1))
        both.append((float((rest**2).sum()) / freedom / (seeds * problems) / len(sets) ** 2, freedom))
    over_problems = sum(part for part, _ in by_problem)
    variance = by_seed[0] + over_problems - sum(part for part, _ in both)
    parts = [by_seed, *by_problem, *both]
    if variance < max(by_seed[0], over_problems):
        parts = [by_seed] if by_seed[0] >= over_problems else by_problem
        variance = sum(part for part, _ in parts)
    if variance == 0.0:
        return Interval(mean, mean, mean, seeds)
    half = t_quantile(variance**2 / sum(part**2 / df for part, df in parts), level) * math.sqrt(variance)
    return Interval(mean, mean - half, mean + half, seeds)


def pooled_mean(groups: Sequence[ArrayLike], level: float = LEVEL) -> Interval:
    """Mean over groups (here: model and dataset) of the mean of each, seeds being the replicates.

    Args:
        groups: independent values per group [seeds of that group]; NaN values and empty groups are left out.

    With `SAMPLED` groups or more, they are taken for a sample of what else could have been tried: a t-interval over
    their means, which also holds what varies inside them. With fewer the groups are fixed and only seeds vary:
    Var = sum_g s_g^2 / n_g / G^2, with Welch and Satterthwaite's degrees of freedom, and no interval where a group has
    a single value. `n` is the number of values behind the mean.
    """
    found = [x for x in map(_finite, groups) if len(x)]
    n = sum(map(len, found))
    if len(found) >= SAMPLED:
        over = t_interval([x.mean() for x in found], level)
        return Interval(over.value, over.low, over.high, n)
    return fixed_mean(found, level)


def fixed_mean(groups: Sequence[ArrayLike], level: float = LEVEL) -> Interval:
    """The same for groups that are fixed whatever their number: only seeds vary (see `pooled_mean`)."""
    found = [x for x in map(_finite, groups) if len(x)]
    if not found:
        return Interval(math.nan, math.nan, math.nan, 0)
    mean, n = float(np.mean([x.mean() for x in found])), sum(map(len, found))
    if min(map(len, found)) < 2:
        return Interval(mean, math.nan, math.nan, n)
    parts = [(float(x.var(ddof=1)) / len(x) / len(found) ** 2, len(x) - 1) for x in found]
    variance = sum(part for part, _ in parts)
    if variance == 0.0:
        return Interval(mean, mean, mean, n)
    half = t_quantile(variance**2 / sum(part**2 / df for part, df in parts), level) * math.sqrt(variance)
    return Interval(mean, mean - half, mean + half, n)


def pooled_deviation(groups: Sequence[ArrayLike], level: float = LEVEL) -> Interval:
    """Standard deviation inside groups, from the pooled variance, with its chi-square interval.

    Equal variances in all groups and normal values are taken for granted. `n` is the degrees of freedom; no interval
    without any, and a deviation of zero has none either.
    """
    total, freedom = _within(groups)
    if freedom == 0:
        return Interval(math.nan, math.nan, math.nan, 0)
    value = math.sqrt(total / freedom)
    if value == 0.0:
        return Interval(0.0, math.nan, math.nan, freedom)
    from scipy import stats  # takes a second, and few studies need it

    low, high = (float(stats.chi2.ppf(q, freedom)) for q in ((1 - level) / 2, (1 + level) / 2))
    return Interval(value, math.sqrt(total / high), math.sqrt(total / low), freedom)


def deviation_ratio(a: Sequence[ArrayLike], b: Sequence[ArrayLike], level: float = LEVEL) -> Interval:
    """Pooled standard deviation of `a` over that of `b`, with the F interval of two independent normal samples.

    `n` is the smaller of the two degrees of freedom. NaN where either side has no spread.
    """
    (top, above), (bottom, below) = _within(a), _within(b)
    n = min(above, below)
    if n == 0 or top == 0.0 or bottom == 0.0:
        return Interval(math.nan, math.nan, math.nan, n)
    from scipy import stats  # takes a second, and few studies need it

    ratio = (top / above) / (bottom / below)
    low, high = (float(stats.f.ppf(q, above, below)) for q in ((1 - level) / 2, (1 + level) / 2))
    return Interval(math.sqrt(ratio), math.sqrt(ratio / high), math.sqrt(ratio / low), n)


def _within(groups: Sequence[ArrayLike]) -> tuple[float, int]:
    """(sum of squares inside groups, its degrees of freedom)."""
    several = [x for x in map(_finite, groups) if len(x) > 1]
    return float(sum(((x - x.mean()) ** 2).sum() for x in several)), sum(len(x) - 1 for x in several)


def pooled_correlation(correlations: Sequence[Interval], level: float = LEVEL) -> Interval:
    """Mean of rank correlations on the scale of Fisher's z; `n` is the number of pairs behind all of them.

    With `SAMPLED` of them or more a t-interval over them; with fewer from their own intervals at that level, as if they
    were independent, those without one left out.
    """
    if len(correlations) >= SAMPLED:
        over = t_interval([math.atanh(one.value) for one in correlations], level)
        value, low, high = (math.tanh(bound) for bound in (over.value, over.low, over.high))
        return Interval(value, low, high, sum(one.n for one in correlations))
    known = [one for one in correlations if one.known]
    if not known:
        return Interval(math.nan, math.nan, math.nan, 0)
    middle = float(np.mean([math.atanh(one.value) for one in known]))
    halves = [(math.atanh(one.high) - math.atanh(one.low)) / 2 for one in known]
    half = math.sqrt(sum(h**2 for h in halves)) / len(known)
    return Interval(math.tanh(middle), math.tanh(middle - half), math.tanh(middle + half), sum(one.n for one in known))


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


# ---------------------------------------------------------------- small helpers


def rank_correlation(x: ArrayLike, y: ArrayLike, level: float = LEVEL) -> Interval:
    """Spearman's rho over pairs, ties at their mean rank, with a Fisher-z interval.

    The standard error of z is sqrt((1 + rho^2 / 2) / (n - 3)) (Bonett and Wright, 2000). NaN for a constant side;
    no interval for fewer than four pairs or a perfect order.
    """
    a, b = np.asarray(x, float), np.asarray(y, float)
    good = ~(np.isnan(a) | np.isnan(b))
    n = int(good.sum())
    if n < 3:
        return Interval(math.nan, math.nan, math.nan, n)
    rho = spearman(a[good], b[good])
    if math.isnan(rho) or n < 4 or abs(rho) >= 1:
        return Interval(rho, math.nan, math.nan, n)
    half = float(ndtri((1 + level) / 2)) * math.sqrt((1 + rho**2 / 2) / (n - 3))
    return Interval(rho, math.tanh(math.atanh(rho) - half), math.tanh(math.atanh(rho) + half), n)


def area_under_curve(x: ArrayLike, y: ArrayLike) -> float:
    """Mean height of a curve over its range of x (trapezoids); NaN for fewer than two points or no range."""
    a, b = np.asarray(x, float), np.asarray(y, float)
    if len(a) < 2 or a[-1] == a[0]:
        return math.nan
    return float(np.trapezoid(b, a) / (a[-1] - a[0]))


def _finite(values: ArrayLike) -> Array:
    x = np.asarray(values, float).ravel()
    return x[~np.isnan(x)]
