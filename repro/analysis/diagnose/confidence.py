"""Does single-pass confidence track the pass rate: rank correlation, AUROC, calibration, and the target's length."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from repro.analysis.association import Array, Statistic, auroc, bootstrap, partial_spearman, spearman
from repro.analysis.statistics import Interval, t_interval

BINS = 10


@dataclass(frozen=True)
class CalibrationBin:
    """A tenth of the questions by confidence: mean s, and their mean pass rate."""

    s: float
    rate: Interval


@dataclass(frozen=True)
class Tracking:
    """How s and the measured pass rate go together, over the questions that were drawn uniformly.

    `rho` is Spearman's with rates of K samples; `corrected` divides it by the square root of their `reliability`, the
    correlation that two such measurements would have (Spearman and Brown, from the two halves of the samples).
    `auroc`: of UFO-RL's score for questions that were solved sometimes and not always. `length`: Spearman's rho of s
    with the target's tokens; `beside_length`: rho of s and pass rate with that length held fixed. `error`: mean
    absolute difference of s and pass rate over tenths.
    """

    rho: Interval
    corrected: Interval
    reliability: Interval
    auroc: Interval
    length: Interval
    beside_length: Interval
    error: float
    bins: tuple[CalibrationBin, ...]


def tracking(
    s: NDArray[np.float64], rewards: NDArray[np.float64], tokens: NDArray[np.int64], generator: np.random.Generator
) -> Tracking:
    """Of s (n,), rewards (n, K) and the targets' tokens (n,)."""
    rates = rewards.mean(axis=1)  # (n,)
    middle = rewards.shape[1] // 2
    halves = spearman(rewards[:, :middle].mean(axis=1), rewards[:, middle:].mean(axis=1))
    rho = spearman(s, rates)
    found = bootstrap(
        {
            "rho": rho,
            "corrected": _corrected(rho, halves),
            "reliability": lambda weights: _whole(halves(weights)),
            "auroc": auroc(-np.abs(s - s.mean()), (rates > 0) & (rates < 1)),
            "length": spearman(s, tokens),
            "beside_length": partial_spearman(s, rates, tokens),
        },
        len(s),
        generator,
    )
    bins = _bins(s, rates)
    counts = np.array([one.rate.n for one in bins])
    error = float((counts * [abs(one.s - one.rate.value) for one in bins]).sum() / counts.sum())
    return Tracking(**found, error=error, bins=bins)


def rho(s: NDArray[np.float64], rewards: NDArray[np.float64], generator: np.random.Generator) -> Interval:
    """`Tracking.rho` alone, of s (n,) over another target."""
    return bootstrap({"rho": spearman(s, rewards.mean(axis=1))}, len(s), generator)["rho"]


def _whole(halves: Array) -> Array:
    """Correlation of two whole measurements, from that of their halves."""
    return np.asarray(2 * halves / (1 + halves))


def _corrected(rho: Statistic, halves: Statistic) -> Statistic:
    def statistic(weights: Array) -> Array:
        whole = _whole(halves(weights))
        return np.where(whole > 0.01, np.clip(rho(weights) / np.sqrt(np.maximum(whole, 0.01)), -1, 1), np.nan)

    return statistic


def _bins(s: NDArray[np.float64], rates: NDArray[np.float64]) -> tuple[CalibrationBin, ...]:
    parts = np.array_split(np.argsort(s, kind="stable"), min(BINS, len(s)))
    return tuple(CalibrationBin(float(s[part].mean()), t_interval(rates[part])) for part in parts)
