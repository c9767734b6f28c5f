"""What the measures of a panel come out as: the start policy, the end of an arm, its time to target, its shares."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from analysis.main_series import Asked
from analysis.runs import Series
from analysis.statistics import Interval
from analysis.times import Bounds, Ratio


@dataclass(frozen=True)
class Start:
    """The start policy on the main set. Shares in 0..1; intervals are over problems, the policy is one."""

    sampled: Interval
    greedy: float
    entropy: float
    tokens: float
    asked: Asked
    temperatures: Mapping[float, float]  # sampling temperature -> avg@k


@dataclass(frozen=True)
class Final:
    """One series at its last evaluation. Shares in 0..1; intervals are over seeds unless said otherwise."""

    series: Series
    step: Interval
    asked: Asked
    per_seed: tuple[float, ...]
    accuracy: Interval
    greedy: Interval
    entropy: Interval
    tokens: Interval
    mean_over_training: Interval  # area under the accuracy curve by steps
    gain: Interval  # over the start policy, seeds and problems crossed
    greedy_gain: Interval
    difference: Interval | None  # to the baseline, paired by seed and problem; None for the baseline
    difference_by_seed: Interval | None
    improvement: float | None  # chance that a run beats a run of the baseline
    other_sets: Mapping[str, Interval]


@dataclass(frozen=True)
class TimeToTarget:
    """How long one series took to hold a target twice in a row, by one axis."""

    series: Series
    axis: str
    target: float
    times: tuple[float, ...]  # per seed, NaN where censored
    after: tuple[float, ...]  # per seed, when it was last known not to be there: the evaluation before, or its end
    median: Bounds
    speedup: Ratio | None  # against the baseline; None for the baseline

    @property
    def censored(self) -> int:
        """Seeds that did not get there."""
        return sum(math.isnan(time) for time in self.times)


@dataclass(frozen=True)
class Share:
    """A per-step share averaged over training steps, per arm, with the paired difference to the baseline."""

    series: Series
    per_seed: tuple[float, ...]
    mean: Interval
    difference: Interval | None
