"""A trial of a sweep while it is evaluated, and when it began and ended."""

from __future__ import annotations

from dataclasses import dataclass, field

import optuna

from repro.study.expand import ExpandedCell


@dataclass
class Attempt:
    """A trial that is being evaluated."""

    trial: optuna.Trial
    cells: list[ExpandedCell] = field(default_factory=list)
    values: list[tuple[float, ...]] = field(default_factory=list)  # those of the metrics, for each seed so far
    end: optuna.trial.TrialState | None = None
    reason: str = ""

    @property
    def means(self) -> list[float]:
        """The mean of each metric over the seeds so far."""
        return [sum(values) / len(values) for values in zip(*self.values, strict=True)]


def times_of(trial: optuna.trial.FrozenTrial) -> tuple[float, float] | None:
    """When a trial began and ended, in seconds since 1970; None for one that has not ended."""
    if trial.datetime_start is None or trial.datetime_complete is None:
        return None
    return trial.datetime_start.timestamp(), trial.datetime_complete.timestamp()
