"""Made pools whose pass rates are known, as a diagnosis would have measured them."""

from __future__ import annotations

from typing import Any

import numpy as np

from repro.diagnose.design import Design
from repro.diagnose.measured import Measured
from repro.diagnose.sampling import Sampled
from repro.diagnose.scoring import Scored
from repro.diagnose.updates import UpdateSpeed
from repro.selection.bands import band_indices


def rewards_of(rates: np.ndarray, samples: int, generator: np.random.Generator) -> np.ndarray:
    """(n, K) of 0 and 1 with these pass rates (n,)."""
    return (generator.random((len(rates), samples)) < rates[:, None]).astype(float)


def chance(rates: np.ndarray, group_size: int) -> np.ndarray:
    """(n,) chance that a group has a signal."""
    return np.asarray(1 - rates**group_size - (1 - rates) ** group_size)


def sampled(indices: np.ndarray, rewards: np.ndarray, seconds: float = 10.0) -> Sampled:
    """Completions of 20 tokens after prompts of 10."""
    return Sampled(indices, rewards, np.full(rewards.shape, 20), np.full(len(indices), 10), seconds)


def made(
    rates: np.ndarray,
    s: np.ndarray,
    samples: int = 16,
    seed: int = 0,
    design: Design | None = None,
    drawn: int | None = None,
    **said: Any,
) -> Measured:
    """A pool of these pass rates and confidences, of which the first `drawn` questions were sampled."""
    generator = np.random.default_rng(seed)
    design = design or Design()
    rewards = rewards_of(rates, samples, generator)
    kept = np.zeros(len(rates), dtype=bool)
    kept[band_indices(s, design.band, design.fraction, np.arange(len(s)))] = True
    indices, inside = np.arange(len(rates)), np.flatnonzero(kept)
    count = drawn or len(rates)
    embeddings = np.column_stack([rates, rates**2, generator.random((len(rates), 3)) / 10])
    scored = Scored(indices, s, 1 + (indices % 3), 40 * len(rates), 0, 1.0)
    return Measured(
        design=design,
        pool=len(rates),
        scored=scored,
        kept=kept,
        drawn=sampled(indices[:count], rewards[:count]),
        in_band=sampled(inside, rewards[inside]),
        embeddings=embeddings[:count],
        updates=UpdateSpeed(3000.0, 0.01),
        said={"model": "made", "dataset": "pool", **said},
    )
