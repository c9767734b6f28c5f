"""Measures of a prediction on a weighted set of questions, one value per row of weights: what a bootstrap needs.

weights (D, n) say how often each question counts; rows of D resamples cost one sort.
"""

from __future__ import annotations

import numpy as np


def pearson(predicted: np.ndarray, truth: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(D,) Pearson's r of (n,) and (n,); 0 where the prediction is constant, NaN where the truth is."""
    x = np.broadcast_to(predicted - predicted.mean(), weights.shape)
    y = np.broadcast_to(truth - truth.mean(), weights.shape)
    return _correlation(x, y, weights)


def spearman(predicted: np.ndarray, truth: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(D,) Spearman's rho, ties at their mean rank; 0 and NaN as in `pearson`."""
    return _correlation(mean_ranks(predicted, weights), mean_ranks(truth, weights), weights)


def mean_squared_error(predicted: np.ndarray, truth: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(D,) mean squared difference."""
    return weighted_mean((predicted - truth) ** 2, weights)


def weighted_mean(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(D,) mean of values (n,); NaN where nothing counts."""
    total = weights.sum(axis=1)
    return weights @ values / np.where(total > 0, total, np.nan)


def chosen_share(
    distance: np.ndarray, ties: np.ndarray, wanted: np.ndarray, count: int, weights: np.ndarray
) -> np.ndarray:
    """(D,) share of `wanted` (n,) among the `count` questions of least `distance` (n,), ties in the order of `ties`.

    A question of weight w is w questions, of which as many are taken as still fit.
    """
    order = np.lexsort((ties, distance))  # (n,)
    ordered = weights[:, order]  # (D, n)
    taken = np.clip(count - (np.cumsum(ordered, axis=1) - ordered), 0.0, ordered)  # (D, n)
    return weighted_mean(wanted[order], taken)


def mean_ranks(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(D, n) rank of each value in its row's multiset, ties at their mean rank."""
    order = np.argsort(values, kind="stable")
    new = np.diff(values[order]) > 0  # (n - 1,)
    first = np.flatnonzero(np.concatenate([[True], new]))  # where each distinct value begins
    counts = np.add.reduceat(weights[:, order], first, axis=1)  # (D, distinct)
    ranks = np.cumsum(counts, axis=1) - counts / 2 + 0.5
    level = np.empty(len(values), dtype=np.int64)
    level[order] = np.concatenate([[0], np.cumsum(new)])
    return ranks[:, level]


def _correlation(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(D,) of x, y, weights (D, n)."""
    total = weights.sum(axis=1)
    share = weights / np.where(total > 0, total, np.nan)[:, None]  # (D, n)
    a = x - (share * x).sum(axis=1, keepdims=True)
    b = y - (share * y).sum(axis=1, keepdims=True)
    xx, yy, xy = ((share * p * q).sum(axis=1) for p, q in ((a, a), (b, b), (a, b)))
    out = np.where(xx > 1e-18, xy / np.sqrt(np.maximum(xx * yy, 1e-300)), 0.0)
    return np.where(yy > 1e-18, out, np.nan)
