"""Bands: which questions an offline score keeps, around a centre or between two bounds."""

from __future__ import annotations

from typing import Literal

import numpy as np

from repro.selection.uniform import subset_size
from repro.spec.selections import Band, CenterBand


def nearest_to(scores: np.ndarray, center: float | Literal["mean", "median"], count: int) -> np.ndarray:
    """Indices of the `count` scores nearest the centre, nearest first.

    UFO-RL's fuzziness score 1 - (s - mu)^2, descending, ties in dataset order. scores (N,) in [0, 1].
    """
    if center == "mean":
        middle = float(scores.mean())
    elif center == "median":
        middle = float(np.median(scores))
    else:
        middle = float(center)
    fuzziness = 1.0 - (scores - middle) ** 2  # (N,)
    return np.argsort(-fuzziness, kind="stable")[:count]


def between_values(scores: np.ndarray, low: float, high: float) -> np.ndarray:
    """Indices of scores in [low, high], both included, ascending by index. May be empty."""
    return np.flatnonzero((scores >= low) & (scores <= high))


def between_quantiles(scores: np.ndarray, low: float, high: float) -> np.ndarray:
    """Indices whose rank lies in [low * N, high * N), lowest score first, ties in dataset order.

    By rank and not by quantile value, so that bands with common bounds share no question and miss none even where
    many scores are equal (pass rates of 8 samples take nine values).
    """
    total = len(scores)
    first, last = (int(np.floor(bound * total + 1e-9)) for bound in (low, high))
    return np.argsort(scores, kind="stable")[first:last]


def band_indices(scores: np.ndarray, band: Band, fraction: float | None) -> np.ndarray:
    """Sorted indices that `band` keeps of `scores` (N,); `fraction` goes with a centre only.

    ValueError for a score that is not finite or not in [0, 1].
    """
    scores = np.asarray(scores, dtype=np.float64)
    wrong = np.flatnonzero(~((scores >= 0) & (scores <= 1)))  # NaN compares false
    if len(wrong):
        raise ValueError(f"{len(wrong)} scores are outside [0, 1], the first is row {wrong[0]}: {scores[wrong[0]]}")
    if isinstance(band, CenterBand):
        if fraction is None:
            raise ValueError("a band around a centre needs a fraction")
        return np.sort(nearest_to(scores, band.center, subset_size(fraction, len(scores))))
    cut = between_values if band.scale == "value" else between_quantiles
    return np.sort(cut(scores, band.low, band.high))
