"""Time to target against brute force, with runs that never get there."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from analysis.times import Bounds, _medians, median_time, ratio_of_medians, sustained_crossing


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.3, 0.5, 0.6, 0.7], 1),
        ([0.3, 0.5, 0.4, 0.7, 0.8], 3),  # reached once, lost, then held
        ([0.3, 0.4, 0.5], None),  # only the last evaluation: nothing confirms it
        ([0.5, 0.5], 0),  # the target itself counts
        ([0.49, 0.49], None),
        ([0.9], None),
        ([], None),
    ],
)
def test_a_target_counts_from_the_first_of_two_evaluations_in_a_row(values, expected):
    assert sustained_crossing(values, 0.5) == expected


def test_median_time_says_what_censoring_leaves_open():
    assert median_time([10, 20, 40], [5, 15, 35]) == Bounds(20, 20)
    assert median_time([10, 20, math.nan], [5, 15, 40]) == Bounds(20, 20)
    assert median_time([10, math.nan, math.nan], [5, 40, 40]) == Bounds(40, math.inf)
    assert median_time([10, math.nan], [5, 40]) == Bounds(25, math.inf)


def test_speedup_of_uncensored_runs_is_the_ratio_of_medians_with_the_exhaustive_bootstrap():
    slow, fast = [30.0, 40.0, 50.0], [10.0, 20.0, 25.0]
    found = ratio_of_medians(slow, slow, fast, fast, np.random.default_rng(0), resamples=60_000)
    assert found.point == Bounds(2.0, 2.0)
    medians = [[np.median(draw) for draw in itertools.product(side, repeat=3)] for side in (slow, fast)]
    draws = [a / b for a, b in itertools.product(*medians)]
    assert found.low == pytest.approx(np.quantile(draws, 0.025, method="lower"))
    assert found.high == pytest.approx(np.quantile(draws, 0.975, method="higher"))
    assert found.clear_of(1.0) == 1


def test_the_ends_of_an_interval_are_ratios_that_were_drawn_the_outer_ones_of_two_neighbours():
    slow, fast, apart = np.array([30.0, 41, 53, 59, 71]), np.array([10.0, 17, 25, 29, 41]), [0, 0]
    for seed in range(8):
        for worst in (fast, np.array([10.0, 17, np.inf, np.inf, np.inf])):  # the second did not get there in 25
            after = np.minimum(worst, 25.0)
            times = np.where(np.isinf(worst), np.nan, worst)
            found = ratio_of_medians(slow, slow, times, after, np.random.default_rng(seed), resamples=11, level=0.85)
            again = np.random.default_rng(seed)
            draws = list(zip(again.integers(5, size=(11, 5)), again.integers(5, size=(11, 5)), strict=True))
            lows = sorted(float(np.median(slow[o]) / np.median(worst[u])) for o, u in draws)
            highs = sorted(float(np.median(slow[o]) / np.median(after[u])) for o, u in draws)
            assert (found.low, found.high) == (lows[0], highs[-1])  # 0.075 * 10 = 0.75: between the first and second
            apart[0] += lows[0] < lows[1]
            apart[1] += highs[-2] < highs[-1]
    assert min(apart) > 3, "where neighbours are equal the case shows nothing"


def test_the_interval_of_a_speedup_knows_how_coarse_the_evaluations_are():
    # Every seed was seen at 40 and 20, the evaluations before were at 30 and 10: anything from 30/20 to 40/10 fits.
    found = ratio_of_medians([40.0] * 3, [30.0] * 3, [20.0] * 3, [10.0] * 3, np.random.default_rng(0))
    assert (found.point, found.low, found.high) == (Bounds(2.0, 2.0), 1.5, 4.0)
    same = ratio_of_medians([40.0] * 3, [30.0] * 3, [30.0] * 3, [20.0] * 3, np.random.default_rng(0))
    assert same.point.low > 1 and same.clear_of(1.0) == 0  # one evaluation earlier proves nothing


def test_a_censored_arm_is_slower_than_its_budget_allows_and_never_dropped():
    nan, base = math.nan, [30.0, 30.0, 30.0]
    found = ratio_of_medians(base, base, [nan, nan, 10.0], [60, 60, 10], np.random.default_rng(0))
    assert found.point == Bounds(0.0, 0.5)  # slower than 30 / 60
    assert found.low == 0.0 and found.high >= 0.5
    everyone = ratio_of_medians(base, base, [nan] * 3, [60] * 3, np.random.default_rng(0))
    assert everyone.high == 0.5 and everyone.clear_of(1.0) == -1


def test_a_censored_baseline_gives_a_lower_bound_on_the_speedup():
    found = ratio_of_medians([math.nan] * 3, [60] * 3, [20.0] * 3, [20.0] * 3, np.random.default_rng(0))
    assert found.point == Bounds(3.0, math.inf)
    assert (found.low, found.high) == (3.0, math.inf) and found.clear_of(1.0) == 1


def test_two_censored_sides_decide_nothing():
    found = ratio_of_medians([math.nan] * 3, [60] * 3, [math.nan] * 3, [60] * 3, np.random.default_rng(0))
    assert found.point == Bounds(0.0, math.inf)
    assert found.clear_of(1.0) == 0


def test_single_runs_give_a_ratio_without_interval():
    found = ratio_of_medians([30.0], [20.0], [20.0], [10.0], np.random.default_rng(0))
    assert found.point == Bounds(1.5, 1.5) and not found.known and found.clear_of(1.0) == 0
    several = [30.0, 40.0, 50.0]
    for sides in ((several, several, [20.0], [20.0]), ([20.0], [20.0], several, several)):
        assert not ratio_of_medians(*sides, np.random.default_rng(0)).known, "one run on either side has no spread"
    with pytest.raises(ValueError, match="one time and one bound"):
        ratio_of_medians([], [], [20.0], [10.0], np.random.default_rng(0))
    with pytest.raises(ValueError, match="after its time"):
        ratio_of_medians([30.0], [40.0], [20.0], [10.0], np.random.default_rng(0))


def test_both_sides_at_once_at_the_start_are_equally_fast():
    found = ratio_of_medians([0.0, 0.0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0], np.random.default_rng(0))
    assert found.point == Bounds(1.0, 1.0) and (found.low, found.high) == (1.0, 1.0)


@pytest.mark.parametrize("runs", [2, 3, 7, 300])
def test_medians_by_rank_are_the_medians(runs: int):
    draw = np.random.default_rng(runs)
    values = np.where(draw.random(runs) < 0.2, math.inf, draw.integers(0, 9, runs) / 3)
    draws = draw.integers(runs, size=(500, runs))
    assert np.array_equal(_medians(values, draws), np.median(values[draws], axis=1))
