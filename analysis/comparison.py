"""One arm against another on one model and dataset: who is more accurate at equal cost, by how much, how sure."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from analysis.axes import curves
from analysis.equal_cost import Pair, Saving, saving
from analysis.estimates import Estimate, crossed
from analysis.power import Spread, spread_of
from analysis.runs import Panel, Series

LEAST_GAIN = 0.01
"""One point of mean accuracy over training: shares of a smaller gain are shares of noise."""


@dataclass(frozen=True)
class Comparison:
    """Two arms of a panel over the seeds that both have, by one kind of cost.

    `difference` is mean accuracy over training up to `budget`, arm minus the other, in 0..1.
    """

    panel: Panel
    arm: Series
    other: Series
    axis: str
    pair: Pair
    difference: Estimate
    spread: Spread | None

    @property
    def budget(self) -> float:
        """What every run of both arms has spent at least."""
        return self.pair.budget

    @property
    def gain(self) -> float:
        """How far the other arm's mean accuracy over training lies above the start policy."""
        return self.pair.scale

    @property
    def share(self) -> Estimate:
        """The difference as a share of the gain; NaN where the other arm gained less than `LEAST_GAIN`."""
        return self.difference.times(1 / self.gain if self.gain >= LEAST_GAIN else math.nan)

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
    gain = float(np.mean(pair.curves[0].gains(pair.means[0])))
    pair, differences = replace(pair, scale=gain), pair.differences()
    return Comparison(panel, arm, other, axis, pair, crossed(*differences), spread_of(differences))
