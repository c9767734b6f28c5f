"""How two numbers of the same questions are associated: correlations and AUROC, with a bootstrap over questions.

Every statistic is a function of bootstrap weights [draws, questions]: how often each question was drawn. One row of
ones gives the estimate itself, and a whole chunk of draws costs no sorting (mean ranks follow from counts).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from repro.analysis.statistics import LEVEL, Interval
from repro.difficulty import weighted

Array = NDArray[np.float64]
Statistic = Callable[[Array], Array]
"""Weights [draws, n] -> values [draws], NaN where a draw does not determine it."""

RESAMPLES = 1000
CHUNK = 1_000_000  # weights held at once


def mean_ranks(values: ArrayLike, weights: Array) -> Array:
    """Rank of each value, ties at their mean rank, in the multiset that the weights make [draws, n].

    Raises ValueError unless there is one weight per value.
    """
    x = np.asarray(values, float)
    if weights.ndim != 2 or weights.shape[1] != len(x):
        raise ValueError(f"expected weights [draws, {len(x)}], got shape {weights.shape}")
    return weighted.mean_ranks(x, weights)


def pearson(x: ArrayLike, y: ArrayLike) -> Statistic:
    """Pearson's r."""
    a, b = np.asarray(x, float), np.asarray(y, float)
    return lambda weights: _correlation(a[None, :], b[None, :], weights)


def spearman(x: ArrayLike, y: ArrayLike) -> Statistic:
    """Spearman's rho, ties at their mean rank."""
    return lambda weights: _correlation(mean_ranks(x, weights), mean_ranks(y, weights), weights)


def partial_spearman(x: ArrayLike, y: ArrayLike, given: ArrayLike) -> Statistic:
    """Spearman's rho of x and y with a third number held fixed: the first-order partial correlation of the ranks.

    (r_xy - r_xz r_yz) / sqrt((1 - r_xz^2) (1 - r_yz^2)); NaN where z does not vary or fixes x or y.
    """

    def statistic(weights: Array) -> Array:
        a, b, c = (mean_ranks(values, weights) for values in (x, y, given))
        ab, ac, bc = (_correlation(*pair, weights) for pair in ((a, b), (a, c), (b, c)))
        left = (1 - ac**2) * (1 - bc**2)
        return np.where(left > 1e-12, (ab - ac * bc) / np.sqrt(np.maximum(left, 1e-12)), np.nan)

    return statistic


def auroc(score: ArrayLike, positive: ArrayLike) -> Statistic:
    """Chance that a positive question has the higher score of a pair with a negative one, ties counting half."""
    is_positive = np.asarray(positive, bool)

    def statistic(weights: Array) -> Array:
        inside = weights * is_positive
        count = inside.sum(axis=1)
        pairs = count * (weights.sum(axis=1) - count)
        above = (inside * mean_ranks(score, weights)).sum(axis=1) - count * (count + 1) / 2
        return np.where(pairs > 0, above / np.where(pairs > 0, pairs, 1), np.nan)

    return statistic


def bootstrap(
    statistics: Mapping[str, Statistic],
    n: int,
    generator: np.random.Generator,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
) -> dict[str, Interval]:
    """Percentile intervals over questions, all statistics on the same draws.

    Args:
        n: questions; fewer than four give estimates without intervals.

    An interval is left out (NaN bounds) where more than one draw in ten does not determine the statistic.
    """
    if n < 3:
        return {name: Interval(math.nan, math.nan, math.nan, n) for name in statistics}
    values = {name: float(statistic(np.ones((1, n)))[0]) for name, statistic in statistics.items()}
    draws: dict[str, list[Array]] = {name: [] for name in statistics}
    rows = max(1, CHUNK // n)
    for start in range(0, resamples if n >= 4 else 0, rows):
        count = min(rows, resamples - start)
        weights = generator.multinomial(n, np.full(n, 1 / n), size=count).astype(float)
        for name, statistic in statistics.items():
            draws[name].append(statistic(weights))
    return {name: _percentile(values[name], draws[name], n, level) for name in statistics}


def _percentile(value: float, draws: list[Array], n: int, level: float) -> Interval:
    results = np.concatenate(draws) if draws else np.empty(0)
    good = results[~np.isnan(results)]
    if math.isnan(value) or not len(good) or len(good) < 0.9 * len(results):
        return Interval(value, math.nan, math.nan, n)
    low, high = np.quantile(good, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value, float(low), float(high), n)


def _correlation(a: Array, b: Array, weights: Array) -> Array:
    """Weighted Pearson's r of each row; NaN for a constant side."""
    total = weights.sum(axis=1, keepdims=True)
    x = a - (weights * a).sum(axis=1, keepdims=True) / total
    y = b - (weights * b).sum(axis=1, keepdims=True) / total
    xy, xx, yy = ((weights * product).sum(axis=1) for product in (x * y, x * x, y * y))
    scale = (weights * a**2).sum(axis=1), (weights * b**2).sum(axis=1)
    varies = (xx > 1e-13 * scale[0]) & (yy > 1e-13 * scale[1])
    return np.where(varies, xy / np.sqrt(np.where(varies, xx * yy, 1)), np.nan)
