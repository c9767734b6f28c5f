"""Intervals and comparisons with their sources of variance kept apart: training seeds, problems, samples.

Two-sided 95 % everywhere unless said otherwise. Where an interval cannot be had (one seed, one problem) its bounds
are NaN, never a guess.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from repro.numbers import LEVEL, Interval, spearman, t_interval, t_quantile

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


def fixed_mean(groups: Sequence[ArrayLike], level: float = LEVEL) -> Interval:
    """Mean over groups (here: pairs of model and task) of the mean of each, seeds being the replicates.

    Args:
        groups: independent values per group [seeds of that group]; NaN values and empty groups are left out.

    The groups are what the mean is about: only seeds vary. Var = sum_g s_g^2 / n_g / G^2, with Welch and
    Satterthwaite's degrees of freedom, and no interval where a group has a single value. `n` is the number of values
    behind the mean.
    """
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

    From their own intervals at that level, as if they were independent; those without one are left out.
    """
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
