"""What arms are compared by: steps, generated tokens or seconds, and the accuracy curves of runs by each of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from repro.analysis.curve import Curve
from repro.analysis.runs import Panel, Series
from repro.tracking.series import GENERATED_TOKENS, cost_of

STEPS, TOKENS, SECONDS = "steps", "generated tokens", "seconds"
STEP = "training step"
"""What the axis of every figure over steps is called."""
AXES = (STEPS, TOKENS, SECONDS)

CLOCK_NAMES: Mapping[str, str] = {"seconds": "seconds", "cpu_seconds": "CPU seconds"}
"""Clock of the ledger -> what its seconds are called."""


def metric_of(axis: str, clock: str) -> str:
    """The cumulative metric behind an axis; `clock` is that of the study, see `runs.Series`."""
    return {STEPS: "step", TOKENS: GENERATED_TOKENS}.get(axis) or cost_of(clock)


def name_of(axis: str, clock: str) -> str:
    """How an axis is called: seconds by their clock."""
    return CLOCK_NAMES[clock] if axis == SECONDS else axis


def label_of(axis: str, clock: str) -> str:
    """What stands at such an axis of a figure."""
    return STEP if axis == STEPS else name_of(axis, clock)


def curves(panel: Panel, series: Series, seeds: Sequence[int], axis: str) -> tuple[Curve, ...]:
    """The curves of the runs with these seeds on the main set, in their order."""
    runs = {run.place.seed: run for run in series.runs}
    metric = metric_of(axis, series.clock)
    return tuple(panel.curve(runs[seed], metric) for seed in seeds)
