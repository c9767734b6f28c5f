"""Time to target: one interpolated rule for both sides, and an interval that holds what the runs allow."""

from __future__ import annotations

import math

import numpy as np
import pytest

from repro.analysis.curve import Curve
from repro.analysis.simulation import Shape, pair
from repro.analysis.time_to_target import NEVER, THERE, budget, reached, times_less

STEPS = np.arange(9.0)  # eight evaluations after the start


def run(*heights: float, cost: np.ndarray = STEPS) -> Curve:
    """A run whose questions are all as accurate as the curve says."""
    return Curve(cost, np.repeat(np.array(heights)[:, None], 3, axis=1))


def runs(slope: float, seeds: int = 3, noise: float = 0.01, seed: int = 0) -> tuple[Curve, ...]:
    """Straight lines from 0.2 up, with a little noise of each seed and question."""
    draw = np.random.default_rng(seed)
    return tuple(
        Curve(STEPS, 0.2 + slope * STEPS[:, None] + draw.normal(0, noise, (1, 20)) + draw.normal(0, noise))
        for _ in range(seeds)
    )


def test_the_line_between_two_evaluations_is_followed_to_the_target():
    one = run(0.2, 0.3, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5)
    assert reached([one], 0.4) == pytest.approx(1.5) and reached([one], 0.3) == pytest.approx(1.0)
    assert reached([one], 0.2) == 0.0
    assert math.isnan(reached([one], 0.51)) and budget([one]) == 8


def test_what_counts_is_the_mean_over_runs_and_no_run_is_dropped():
    fast, never = run(*(0.2 + 0.1 * STEPS)), run(*([0.2] * 9))
    assert reached([fast, never], 0.4) == pytest.approx(4.0), "the mean rises half as fast"
    short = run(0.2, 0.4, 0.4, cost=np.array([0.0, 1.0, 2.0]))
    # At 0.8 and 0.4 the mean is 0.6: the long run has spent 6, the short one ended at 2 and keeps its 0.4.
    assert reached([fast, short], 0.6) == pytest.approx(4.0), "a run that has ended keeps its last accuracy and cost"
    assert budget([fast, short]) == 5


def test_runs_that_reach_the_target_at_their_ends_take_what_they_cost_on_average():
    cheap, dear = run(*(0.2 + 0.1 * STEPS), cost=STEPS), run(*(0.2 + 0.1 * STEPS), cost=2 * STEPS)
    assert reached([cheap, dear], 1.0) == pytest.approx(12.0) == budget([cheap, dear])


def test_the_ratio_is_that_of_the_two_times_by_the_same_rule():
    found = times_less([(runs(0.05), runs(0.1, seed=1), 0.5)])
    times = [reached(runs(0.05), 0.5), reached(runs(0.1, seed=1), 0.5)]
    assert found.value == pytest.approx(times[0] / times[1]) and found.low < 2 < found.high
    assert found.clear_of(1) == 1
    back = times_less([(runs(0.1, seed=1), runs(0.05), 0.5)])
    assert back.value == pytest.approx(times[1] / times[0]) and back.clear_of(1) == -1
    assert (back.low, back.high) == pytest.approx((1 / found.high, 1 / found.low), rel=0.1)


def test_an_arm_that_never_gets_there_has_no_value_and_an_interval_that_is_open_below():
    found = times_less([(runs(0.05), runs(0.03, seed=1), 0.55)])
    assert math.isnan(found.value) and found.known and found.low == 0
    assert found.high < 1 and found.clear_of(1) == -1
    near = times_less([(runs(0.05, noise=0.04), runs(0.0499, noise=0.04, seed=1), 0.598)])
    assert near.low == 0 and near.high > 1 and near.clear_of(1) == 0


@pytest.mark.parametrize(
    ("baseline", "arm", "target", "why"),
    [
        (runs(0.05, seeds=1), runs(0.1, seeds=1), 0.5, "one seed"),
        (runs(0.05), runs(0.1), 0.99, NEVER),
        (runs(0.05), runs(0.1), 0.1, THERE),
        (tuple(Curve(c.cost[1:5], c.rates[:4]) for c in runs(0.05)), runs(0.1), 0.3, "3 evaluations a run"),
        (tuple(Curve(c.cost[:8], c.rates[:8]) for c in runs(0.05)), runs(0.1), 0.3, "7 evaluations a run"),
    ],
)
def test_a_ratio_is_withheld_with_its_reason(
    baseline: tuple[Curve, ...], arm: tuple[Curve, ...], target: float, why: str
):
    found = times_less([(baseline, arm, target)])
    assert not found.known and math.isnan(found.value) and found.clear_of(1) == 0
    assert why in found.withheld
    assert times_less([]).withheld == "one seed"


def test_several_pairs_are_judged_together_with_their_gains_as_units():
    quick, slow = (runs(0.04), runs(0.08, seed=1), 0.4), (runs(0.05), runs(0.05, seed=2), 0.5)
    both = times_less([quick, slow])
    alone = [times_less([one]).value for one in (quick, slow)]
    assert min(alone) < both.value < max(alone) and both.low < both.value < both.high and both.n == 6


@pytest.mark.parametrize("true", [1.0, 1.5])
def test_the_interval_holds_the_true_ratio_about_as_often_as_it_says(true: float):
    shape = Shape("", 1, 1, 5, 10, 60, 4)
    draw = np.random.default_rng(3)
    hits = told = 0
    for _ in range(30):
        (one,) = pair(shape, [true], draw)
        target = float(np.mean([curve.accuracy_at(0.5) for curve in one.baseline]))
        found = times_less([(one.baseline, one.arm, target)])
        if found.known:
            told += 1
            hits += found.low <= true <= found.high
    assert told >= 28 and hits / told >= 0.9
