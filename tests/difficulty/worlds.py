"""A planted world: difficulty is a curve in a few directions of embeddings that mostly hold something else."""

from __future__ import annotations

import numpy as np


def planted(size: int, policies: int, seed: int = 0, width: int = 24) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings (size, width) with a large common direction and pass rates (policies, size) over 64 samples."""
    generator = np.random.Generator(np.random.PCG64(seed))
    latent = generator.standard_normal((size, 2))
    difficulty = 1.5 * np.tanh(2 * latent[:, 0]) + 0.7 * latent[:, 1]
    embeddings = 0.5 * latent @ generator.standard_normal((2, width)) + generator.standard_normal((size, width)) + 10
    skill, sharpness = generator.uniform(-1, 1, (policies, 1)), generator.uniform(0.8, 2, (policies, 1))
    rates = 1 / (1 + np.exp(-(skill - sharpness * difficulty)))
    return embeddings.astype(np.float32), generator.binomial(64, rates) / 64
