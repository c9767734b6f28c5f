"""How well difficulty is predicted on the training batches of a run: what DOTS + RR's Tables 2 and 8 report."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from repro.analysis.run import Run
from repro.analysis.runs import Series
from repro.analysis.statistics import Interval, t_interval
from repro.numbers import pearson
from repro.tracking.series import REUSED

LEAST = 3
"""Questions of a step below which it has no correlation."""


@dataclass(frozen=True)
class OnBatches:
    """Pearson's r of predicted and measured pass rates, step by step: one sequence of steps per seed."""

    steps: tuple[tuple[float, ...], ...]

    @property
    def mean(self) -> Interval:
        """Mean over the steps of a run, with a t-interval over seeds, cut to -1..1."""
        found = t_interval([float(np.mean(each)) for each in self.steps if each])
        return Interval(found.value, max(-1.0, found.low), min(1.0, found.high), found.n) if found.known else found

    @property
    def deviation(self) -> float:
        """Standard deviation over the steps of a run, mean over seeds; NaN without two steps."""
        found = [float(np.std(each, ddof=1)) for each in self.steps if len(each) > 1]
        return float(np.mean(found)) if found else math.nan


def on_batches(series: Series) -> OnBatches:
    """The correlations of a series on the questions that were chosen and rolled out, as far as they are determined.

    References that train are left out: their own rewards are in their predictions.
    """
    return OnBatches(tuple(tuple(_by_step(run)) for run in series.runs))


def _by_step(run: Run) -> list[float]:
    reused = run.metric(REUSED)
    found = [batch_correlation(row, int(reused.get(row["step"], 0))) for row in run.rows("steps.jsonl")]
    return [value for value in found if not math.isnan(value)]


def batch_correlation(row: Mapping[str, Any], reused: int) -> float:
    """Pearson's r over the fresh questions of one row of `steps.jsonl` but the first `reused`.

    NaN without predictions, for fewer than `LEAST` questions, and where all predictions or all pass rates are equal.
    """
    if row["predicted"] is None:
        return math.nan
    predicted = dict(zip(row["chosen"], row["predicted"], strict=True))
    pairs: Sequence[tuple[float, float]] = [
        (predicted[question], rate)
        for question, rate in zip(row["fresh"][reused:], row["pass_rate"][reused:], strict=True)
        if question in predicted
    ]
    return pearson(*zip(*pairs, strict=True)) if len(pairs) >= LEAST else math.nan
