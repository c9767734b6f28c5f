"""What the measures of a panel come out as: the start policy, the end of an arm, its time to target, its shares."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from repro.analysis.equal_cost import Saving
from repro.analysis.main_series import Asked
from repro.analysis.runs import Series
from repro.analysis.statistics import Interval


@dataclass(frozen=True)
class Start:
    """The start policy on the main set. Shares in 0..1; intervals are over problems, the policy is one."""

    sampled: Interval
    greedy: float
    entropy: float
    tokens: float
    asked: Asked
    pass_at: Mapping[int, float]  # k -> pass@k
    temperatures: Mapping[float, float]  # sampling temperature -> avg@k


@dataclass(frozen=True)
class Final:
    """One series at its last evaluation. Shares in 0..1; intervals are over seeds unless said otherwise."""

    series: Series
    step: Interval
    asked: Asked
    per_seed: tuple[float, ...]
    accuracy: Interval
    pass_at: Mapping[int, Interval]  # k -> pass@k
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
    """What one series took to reach a target, by one axis; see `time_to_target`."""

    series: Series
    axis: str
    target: float
    per_seed: tuple[float, ...]  # NaN for a seed that did not get there
    budgets: tuple[float, ...]  # per seed, what it had spent at its end
    value: float  # when the mean over seeds got there, NaN where it did not
    less: Saving | None  # times less than the baseline; None for the baseline

    @property
    def budget(self) -> float:
        """What its runs spent on average: where `value` is NaN it takes more than this."""
        return sum(self.budgets) / len(self.budgets)

    @property
    def got_there(self) -> int:
        """Seeds that did."""
        return sum(not math.isnan(time) for time in self.per_seed)


@dataclass(frozen=True)
class Share:
    """A per-step share averaged over training steps, per arm, with the paired difference to the baseline."""

    series: Series
    per_seed: tuple[float, ...]
    mean: Interval
    difference: Interval | None
