"""What an arm rolled out: how hard its questions were, for the task and the start policy, and its signal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from repro.analysis.arms import pool_rates_of
from repro.analysis.runs import Series
from repro.tracking.series import ZERO_VARIANCE

PHASES = 10
"""Equal parts of training."""

RATES = 5
"""Equal parts of the pass rates of the start policy, from 0 to 1."""


@dataclass(frozen=True)
class RolledOut:
    """Shares of questions by true difficulty and by fifth of the start policy's pass rate (0 to 4); empty where the
    task knows no difficulty, or where no pass rate was measured before training."""

    levels: pd.Series
    rates: pd.Series


def rolled_out(series: Series) -> RolledOut:
    """Of the questions that an arm rolled out anew, mean over runs; of the pass rates, those that were measured."""
    known, _, _ = pool_rates_of(series)
    levels: list[pd.Series] = []
    rates: list[pd.Series] = []
    for run in series.runs:
        rows = run.rows("steps.jsonl")
        with run.reading("steps.jsonl"):
            levels.append(_share([level for row in rows for level in row.get("steps_true") or () if level is not None]))
            rates.append(_share([_fifth(known[one]) for row in rows for one in row.get("fresh") or () if one in known]))
    return RolledOut(_mean_share(levels), _mean_share(rates))


def pool(series: Series) -> RolledOut:
    """The same of the whole pool."""
    rates, _, _ = pool_rates_of(series)
    known = (run.json("selection.json").get("steps_true") or {} for run in series.runs)
    levels: dict[str, float] = next(filter(None, known), {})
    return RolledOut(_share(list(levels.values())), _share([_fifth(rate) for rate in rates.values()]))


def signals(series: Series) -> pd.Series:
    """Share of rolled-out groups with a gradient in each tenth of training (0 to 9), mean over runs."""
    parts = []
    for run in series.runs:
        shares = 1 - run.metric(ZERO_VARIANCE)
        if len(shares):
            steps = shares.index.to_numpy(float)
            tenths = (PHASES * (steps - 1) / steps.max()).astype(int)
            # A run of fewer than ten steps has tenths without one: they take the step before.
            parts.append(shares.groupby(tenths).mean().reindex(range(PHASES)).ffill())
    return pd.concat(parts, axis=1).mean(axis=1).sort_index() if parts else pd.Series(dtype=float)


def _fifth(rate: float) -> int:
    return min(RATES - 1, int(RATES * rate))


def _share(values: Sequence[float]) -> pd.Series:
    return pd.Series(values, dtype=float).value_counts(normalize=True).sort_index()


def _mean_share(parts: Sequence[pd.Series]) -> pd.Series:
    """Mean of shares, 0 where a part lacks a value that another has; parts without any are left out."""
    known = [part for part in parts if len(part)]
    return pd.concat(known, axis=1).fillna(0.0).mean(axis=1).sort_index() if known else pd.Series(dtype=float)
