"""Weighted draws without replacement, in log space."""

from __future__ import annotations

import numpy as np


def gumbel_top_k(log_weights: np.ndarray, count: int, generator: np.random.Generator) -> np.ndarray:
    """`count` distinct indices drawn without replacement with probability ~ exp(log_weights), in draw order.

    Gumbel-top-k in log space, float64: at tau = 1e-3 the weights themselves underflow (exp(-500)), and a multinomial
    over underflowed weights returns consecutive indices in silence. One noise value per item.
    """
    keys = np.asarray(log_weights, dtype=np.float64) + generator.gumbel(size=len(log_weights))
    return np.argsort(-keys, kind="stable")[:count]
