"""When a pruner may stop a trial, and what it found where it did."""

from __future__ import annotations

from collections.abc import Callable

from repro.spec.sweep_spec import WILCOXON_SEEDS, SweepSpec
from repro.sweep.sampling import PRUNER_STARTUP


def stages(sweep: SweepSpec, done: int) -> list[list[int]]:
    """Which seeds (by position) run together: one by one where the pruner may stop a trial in between.

    `done`: trials that are complete.
    """
    seeds = list(range(len(sweep.seeds)))
    if sweep.stops_by == "median" and done >= PRUNER_STARTUP:
        return [[seed] for seed in seeds]
    if sweep.stops_by == "wilcoxon" and done:
        return [seeds[:WILCOXON_SEEDS], *([seed] for seed in seeds[WILCOXON_SEEDS:])]
    return [seeds]


def worse(sweep: SweepSpec, best: Callable[[], str]) -> str:
    """What the pruner found of a trial that it stopped; `best` names the best trial."""
    if sweep.stops_by == "wilcoxon":
        return f"worse than {best()} on the same seeds by Wilcoxon's test (p < 0.1)"
    return f"{'below' if sweep.objectives[0][1] == 'maximize' else 'above'} the median"
