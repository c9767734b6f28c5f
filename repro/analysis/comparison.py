"""One arm against another on one model and dataset: who is more accurate at equal cost, by how much, how sure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

from repro.analysis.axes import curves
from repro.analysis.equal_cost import Pair, Saving, saving
from repro.analysis.estimates import Estimate, crossed
from repro.analysis.power import Spread, spread_of
from repro.analysis.runs import Panel, Series
from repro.analysis.statistics import Interval

LEAST_GAIN = 0.01
"""One point of mean accuracy over training: shares of a smaller gain are shares of noise."""


def weak(gain: Interval) -> bool:
    """Whether a gain is too small for shares of it: below `LEAST_GAIN`, or not clearly above nothing.

    A ratio has a bounded interval exactly where that of its denominator leaves out 0 (Fieller 1954).
    """
    return gain.value < LEAST_GAIN or gain.low <= 0


@dataclass(frozen=True)
class Comparison:
    """Two arms of a panel over the seeds that both have, by one kind of cost.

    `difference` is mean accuracy over training up to `budget`, arm minus the other, in 0..1; `gained` that of the other
    minus that of the start policy.
    """

    panel: Panel
    arm: Series
    other: Series
    axis: str
    pair: Pair
    difference: Estimate
    gained: Estimate
    spread: Spread | None

    @property
    def budget(self) -> float:
        """What every run of both arms has spent at least."""
        return self.pair.budget

    @property
    def weak(self) -> bool:
        """Whether the other arm gained too little for shares of its gain."""
        return weak(self.gained.interval())

    @property
    def share(self) -> Estimate:
        """The difference as a share of what the other arm gained; NaN where that is `weak`."""
        if self.weak:
            return Estimate(math.nan, (), self.difference.n)
        return self.difference.times(1 / self.gained.value)

    @cached_property
    def saving(self) -> Saving:
        """How many times less the arm needs for the same mean accuracy over training."""
        return saving([self.pair])


def compare(panel: Panel, arm: Series, other: Series, axis: str) -> Comparison | None:
    """Compare two arms by `axis`, one of `axes.AXES`; None without a shared seed or a second evaluation."""
    seeds = [seed for seed in arm.seeds if seed in other.seeds]
    ours, theirs = (curves(panel, series, seeds, axis) for series in (arm, other))
    if not ours or min(curve.evaluations for curve in (*ours, *theirs)) < 1:
        return None
    pair = Pair(theirs, ours)
    if pair.budget <= 0:
        return None
    differences = pair.differences()
    return Comparison(
        panel, arm, other, axis, pair, crossed(*differences), crossed(*pair.gains()), spread_of(differences)
    )
