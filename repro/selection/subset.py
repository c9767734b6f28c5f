"""Offline selection by a score of the start policy (confidence, pass rate, prompt perplexity or entropy), by a band."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

from repro.errors import UserError
from repro.selection.bands import band_center, band_indices, calibrated_center, in_range
from repro.selection.base import Resources, align, new_generator
from repro.selection.selection_spec import (
    CalibratedBand,
    Confidence,
    PassRate,
    PromptEntropy,
    PromptPerplexity,
    RangeBand,
)
from repro.selection.uniform import CALIBRATION_STREAM, SubsetSelector

Scored = Confidence | PassRate | PromptPerplexity | PromptEntropy
BATCH_HINT = "lower train.questions_per_step"


def start_scores(selection: Scored, ids: Sequence[str], resources: Resources) -> np.ndarray:
    """(N,) float64 in [0, 1]: what the start policy's pass or rollouts say of the questions `ids`, in their order.

    ValueError for a score out of range, UserError where a question lacks what the score needs.
    """
    if isinstance(selection, Confidence):
        values = resources.confidences(selection.target, selection.prompt)
    elif isinstance(selection, PassRate):
        values = resources.pass_rates(selection.samples)
    else:
        values = resources.prompt_scores("perplexity" if isinstance(selection, PromptPerplexity) else "entropy")
    return in_range(align(values, resources.ids, ids))


def scored_subset(ids: Sequence[str], seed: int, selection: Scored, resources: Resources) -> SubsetSelector:
    """The band of a score, sampled uniformly; UFO-RL is the band of single-pass confidences around their mean.

    A calibrated band rolls out questions that the run's seed draws. UserError where the pool has fewer than that.
    """
    band = selection.band
    if isinstance(band, CalibratedBand) and band.questions > len(ids):
        raise UserError(
            f"selection.band.questions: {band.questions}, expected at most the {len(ids)} questions of the pool; "
            f"lower it"
        )

    @cache
    def scores() -> np.ndarray:
        return start_scores(selection, ids, resources)

    @cache
    def center() -> float | None:
        if not isinstance(band, CalibratedBand):
            return band_center(scores(), band)
        drawn = np.sort(new_generator(seed, CALIBRATION_STREAM).choice(len(ids), band.questions, replace=False))
        rates = resources.pass_rates(band.samples, drawn.tolist())
        return calibrated_center(scores()[drawn], rates, band.pass_rate)

    ranged = isinstance(band, RangeBand)
    return SubsetSelector(
        ids,
        seed,
        method=selection.method,
        subset=lambda: band_indices(scores(), band, selection.fraction, center()),
        scores=scores,
        center=center,
        describe=f"{'widen selection.band.low and .high' if ranged else 'raise selection.fraction'} or {BATCH_HINT}",
    )
