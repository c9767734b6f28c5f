"""Checks the beta distribution of pass rates that carries the share of groups without gradient beyond K samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from repro.diagnose.signal import beta_of, beta_silent, silent

SIMULATED = 200


@dataclass(frozen=True)
class ModelCheck:
    """How far the model is to be trusted on these questions.

    `carried`: the share at K as the model carries it on from K / 2; `measured`: the share at K without a model.
    `p`: how often pools that a fitted model draws fit it worse than this one, of `SIMULATED`.
    """

    samples: int
    carried: float
    measured: float
    p: float


def check_model(rewards: np.ndarray, generator: np.random.Generator) -> ModelCheck | None:
    """rewards (n, K), K >= 4; None where they are not all 0 or 1."""
    if not np.isin(rewards, (0.0, 1.0)).all():
        return None
    count, samples = rewards.shape
    half, ones = samples // 2, np.ones((1, count))
    alpha, beta = beta_of(rewards, ones)
    ratio = beta_silent(alpha, beta, samples) / beta_silent(alpha, beta, half)  # (1,)
    carried = float(np.clip(silent(rewards, half).mean() * ratio[0], 0.0, 1.0))
    own = _misfit(rewards.sum(axis=1), samples)
    rates = generator.beta(alpha[0], beta[0], (SIMULATED, count))
    passed = generator.binomial(samples, rates)  # (SIMULATED, n)
    worse = sum(_misfit(one, samples) >= own for one in passed)
    return ModelCheck(samples, carried, float(silent(rewards, samples).mean()), (1 + worse) / (1 + SIMULATED))


def _misfit(passed: np.ndarray, samples: int) -> float:
    """Squared differences of the counts of passes (n,) to those that a fitted model expects, over what they vary by."""
    from scipy.special import betaln, gammaln

    count = len(passed)
    rewards = np.arange(samples)[None, :] < passed[:, None]  # (n, K), as many ones as passes
    alpha, beta = (float(one[0]) for one in beta_of(rewards.astype(float), np.ones((1, count))))
    k = np.arange(samples + 1)
    ways = gammaln(samples + 1) - gammaln(k + 1) - gammaln(samples - k + 1)
    expected = count * np.exp(ways + betaln(k + alpha, samples - k + beta) - betaln(alpha, beta))  # (K + 1,)
    observed = np.bincount(passed.astype(int), minlength=samples + 1)
    return float(((observed - expected) ** 2 / (expected + 1)).sum())
