"""What an arm rolled out: how hard its questions were, for the task and for the start policy, and which had a signal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.arms import pool_rates_of
from analysis.run import Run
from analysis.runs import Series
from repro.tracking.series import ZERO_VARIANCE

PHASES = 10
"""Equal parts of training."""

RATES = 5
"""Equal parts of the pass rates of the start policy, from 0 to 1."""


def difficulties(series: Series) -> pd.Series:
    """Share of the rolled-out questions at each true difficulty, mean over runs; empty where the task knows none."""
    return _mean_share([_share(_levels(run)) for run in series.runs])


def start_rates(series: Series) -> pd.Series:
    """Share of the rolled-out questions in each fifth of the start policy's pass rate (0 to 4), mean over runs.

    Questions that were not measured before training are left out; empty where none was.
    """
    rates, _, _ = pool_rates_of(series)
    return _mean_share([_share(_fifths(run, rates)) for run in series.runs]) if rates else pd.Series(dtype=float)


def signals(series: Series) -> pd.Series:
    """Share of rolled-out groups with a gradient in each tenth of training (0 to 9), mean over runs."""
    parts = []
    for run in series.runs:
        shares = 1 - run.metric(ZERO_VARIANCE)
        if len(shares):
            steps = shares.index.to_numpy(float)
            parts.append(shares.groupby(np.minimum(PHASES - 1, (PHASES * (steps - 1) / steps.max()).astype(int))).mean())
    return pd.concat(parts, axis=1).mean(axis=1).sort_index() if parts else pd.Series(dtype=float)


def pool_difficulties(series: Series) -> pd.Series:
    """Share of the whole pool at each true difficulty; empty where the task knows none."""
    for run in series.runs:
        if known := run.json("selection.json").get("steps_true"):
            return _share(list(known.values()))
    return pd.Series(dtype=float)


def pool_start_rates(series: Series) -> pd.Series:
    """Share of the measured pool in each fifth of the start policy's pass rate."""
    rates, _, _ = pool_rates_of(series)
    return _share([_fifth(rate) for rate in rates.values()])


def _rows(run: Run) -> Sequence[Mapping[str, Any]]:
    return run.rows("steps.jsonl")


def _levels(run: Run) -> list[float]:
    return [level for row in _rows(run) for level in row.get("steps_true") or () if level is not None]


def _fifths(run: Run, rates: Mapping[str, float]) -> list[int]:
    return [_fifth(rates[question]) for row in _rows(run) for question in row.get("fresh") or () if question in rates]


def _fifth(rate: float) -> int:
    return min(RATES - 1, int(RATES * rate))


def _share(values: Sequence[float]) -> pd.Series:
    return pd.Series(values, dtype=float).value_counts(normalize=True).sort_index()


def _mean_share(parts: Sequence[pd.Series]) -> pd.Series:
    """Mean of shares, 0 where a part lacks a value that another has; parts without any are left out."""
    known = [part for part in parts if len(part)]
    return pd.concat(known, axis=1).fillna(0.0).mean(axis=1).sort_index() if known else pd.Series(dtype=float)
