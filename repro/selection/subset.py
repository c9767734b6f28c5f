"""Offline selection by a score of the start policy: confidence (UFO-RL) or pass rate, cut by a band."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

import numpy as np

from repro.selection.bands import band_indices
from repro.selection.base import Resources, align
from repro.selection.uniform import SubsetSelector
from repro.spec.selections import Band, CenterBand, Confidence, PassRate

BATCH_HINT = "lower train.questions_per_step"


def _banded(
    ids: Sequence[str],
    seed: int,
    *,
    method: str,
    read: Callable[[], np.ndarray],
    rows: Callable[[], Sequence[str]],
    band: Band,
    fraction: float | None,
) -> SubsetSelector:
    @cache
    def scores() -> np.ndarray:
        return align(np.asarray(read(), dtype=np.float64), rows(), ids)

    setting = "raise selection.fraction" if isinstance(band, CenterBand) else "widen selection.band.low and .high"
    return SubsetSelector(
        ids,
        seed,
        method=method,
        subset=lambda: band_indices(scores(), band, fraction),
        scores=scores,
        describe=f"{setting} or {BATCH_HINT}",
    )


def confidence_subset(ids: Sequence[str], seed: int, selection: Confidence, resources: Resources) -> SubsetSelector:
    """UFO-RL: the band of single-pass confidences, sampled uniformly. `scores()` are the s values."""
    return _banded(
        ids,
        seed,
        method="confidence",
        read=lambda: resources.confidences(selection.target),
        rows=lambda: resources.ids,
        band=selection.band,
        fraction=selection.fraction,
    )


def pass_rate_subset(ids: Sequence[str], seed: int, selection: PassRate, resources: Resources) -> SubsetSelector:
    """The band of multi-sample pass rates of the start policy, sampled uniformly. `scores()` are the pass rates."""
    return _banded(
        ids,
        seed,
        method="pass_rate",
        read=lambda: resources.pass_rates(selection.samples),
        rows=lambda: resources.ids,
        band=selection.band,
        fraction=selection.fraction,
    )
