"""How many groups have no gradient: without bias from K samples of each question, or by a model beyond K."""

from __future__ import annotations

from math import comb

import numpy as np

from repro.groups import ROUNDING
from repro.numbers import Interval, t_quantile

RESAMPLES = 500


def silent(rewards: np.ndarray, group_size: int, min_spread: float = 0.0) -> np.ndarray:
    """(n,) chance that a group of `group_size` completions of each question has no gradient, without bias.

    It is the share of all subsets of that size of the K samples whose rewards differ by at most `min_spread` (a
    U-statistic). With rewards of 0 and 1, its mean is p^G + (1 - p)^G.

    Args:
        rewards: (n, K), in [0, 1].
        group_size: G, from 1 to K. ValueError for another.
    """
    count = rewards.shape[1]
    if not 1 <= group_size <= count:
        raise ValueError(f"groups of {group_size} from {count} samples, expected 1 to {count}")
    ordered = np.sort(rewards, axis=1)  # (n, K)
    near = ordered[:, None, :] - ordered[:, :, None] <= min_spread * (1 + ROUNDING)  # (n, K, K): [i, j] of sorted
    above = (near & np.triu(np.ones((count, count), bool), 1)).sum(axis=2)  # (n, K) later ones within the spread
    subsets = np.array([comb(m, group_size - 1) for m in range(count)], float)  # with this one as their least
    return np.asarray(subsets[above].sum(axis=1) / comb(count, group_size))


def silent_share(rewards: np.ndarray, group_size: int, weights: np.ndarray, min_spread: float = 0.0) -> np.ndarray:
    """(D,) mean chance of a group without gradient, over questions that count `weights` (D, n).

    Up to K samples as `silent`. Beyond K the share at K, which has no bias, is carried on by the ratio that a beta
    distribution of pass rates gives, with the first two moments of these questions: S(K) B(G) / B(K). That is a model;
    NaN where rewards are not all 0 or 1, or a spread is allowed for.
    """
    count = rewards.shape[1]
    total = weights.sum(axis=1)
    found = weights @ silent(rewards, min(group_size, count), min_spread) / np.where(total > 0, total, np.nan)  # (D,)
    if group_size <= count:
        return np.asarray(found)
    if min_spread or not np.isin(rewards, (0.0, 1.0)).all():
        return np.full(len(weights), np.nan)
    alpha, beta = beta_of(rewards, weights)
    here, there = (beta_silent(alpha, beta, size) for size in (count, group_size))
    return np.asarray(np.clip(found * there / np.maximum(here, 1e-300), 0.0, 1.0))


def beta_of(rewards: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(alpha, beta), (D,) each, of the beta distribution with the unbiased first two moments of the pass rates.

    rewards (n, K) of 0 and 1, K >= 2. A spread that is nil or below counts as very small, one that no beta
    distribution has as nearly that of 0 and 1 alone.
    """
    count = rewards.shape[1]
    passed = rewards.sum(axis=1)  # (n,)
    total = np.maximum(weights.sum(axis=1), 1e-300)
    mean = np.clip(weights @ passed / count / total, 1e-6, 1 - 1e-6)  # (D,)
    square = weights @ (passed * (passed - 1)) / (count * (count - 1)) / total  # (D,)
    spread = np.clip((square - mean**2) / (mean * (1 - mean)), 1e-4, 1 - 1e-4)  # 1 / (alpha + beta + 1)
    size = 1 / spread - 1
    return mean * size, (1 - mean) * size


def beta_silent(alpha: np.ndarray, beta: np.ndarray, group_size: int) -> np.ndarray:
    """(D,) mean of p^G + (1 - p)^G where p has a beta distribution."""
    from scipy.special import betaln

    return np.asarray(
        np.exp(betaln(alpha + group_size, beta) - betaln(alpha, beta))
        + np.exp(betaln(alpha, beta + group_size) - betaln(alpha, beta))
    )


def resamples(generator: np.random.Generator, count: int, draws: int = RESAMPLES) -> np.ndarray:
    """(1 + draws, count) how often each question counts: once, then as drawn with replacement."""
    drawn = generator.multinomial(count, np.full(count, 1 / count), size=draws)
    return np.vstack([np.ones(count), drawn]).astype(float)


def share_of(draws: np.ndarray, units: float) -> Interval:
    """A share in [0, 1] with its 95 % interval (Wilson's), from its value (first) and its resamples (1 + D,).

    The number of independent trials is what the spread of the resamples says; where they do not spread, `units`. So a
    share of 0 or 1 has an interval too. NaN where the value is.
    """
    value, rest = float(draws[0]), draws[1:][~np.isnan(draws[1:])]
    if np.isnan(value):
        return Interval(value, np.nan, np.nan, int(units))
    error = float(rest.std()) if len(rest) else 0.0
    trials = max(1.0, units)
    if error > 1e-9:
        trials = max(1.0, min(value * (1 - value) / error**2, 1e9)) if 0 < value < 1 else trials
    z = t_quantile(max(1.0, units - 1))
    middle = (value + z**2 / (2 * trials)) / (1 + z**2 / trials)
    half = z * np.sqrt(value * (1 - value) / trials + z**2 / (4 * trials**2)) / (1 + z**2 / trials)
    return Interval(value, max(0.0, float(middle - half)), min(1.0, float(middle + half)), int(units))


def spread_of(draws: np.ndarray, count: int) -> Interval:
    """A number with the 95 % percentile interval of its resamples; `draws` (1 + D,), the value first."""
    value, rest = float(draws[0]), draws[1:][~np.isnan(draws[1:])]
    if np.isnan(value) or len(rest) < 0.9 * (len(draws) - 1) or not len(rest):
        return Interval(value, np.nan, np.nan, count)
    low, high = np.quantile(rest, [0.025, 0.975])
    return Interval(value, float(low), float(high), count)
