"""How well predicted pass rates go with measured ones."""

from __future__ import annotations

import math

import numpy as np

from repro.numbers import pearson, spearman


def quality(predicted: np.ndarray, measured: np.ndarray) -> dict[str, float]:
    """`mae`, and `pearson` and `spearman` where the measured rates (Q,) differ at all.

    Both correlations are 0 where the prediction is constant: it says nothing about which question is harder.
    """
    out = {"mae": float(np.abs(predicted - measured).mean())}
    if _constant(measured):
        return out
    linear, ranks = pearson(predicted, measured), spearman(predicted, measured)
    return out | {"pearson": 0.0 if math.isnan(linear) else linear, "spearman": 0.0 if math.isnan(ranks) else ranks}


def _constant(values: np.ndarray) -> bool:
    return float(np.linalg.norm(values - values.mean())) < 1e-12
