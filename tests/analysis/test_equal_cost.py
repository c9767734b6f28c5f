"""Mean accuracy over training at equal cost, and how much less an arm needs: against closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest

from repro.analysis.curve import Areas, Curve, Curves
from repro.analysis.equal_cost import ENOUGH, WIDEST, Pair, saving


def line(cost, accuracies, problems=4, noise=None):
    """A run whose problems all have the accuracy given at each evaluation."""
    rates = np.repeat(np.asarray(accuracies, float)[:, None], problems, axis=1)
    return Curve(cost, rates if noise is None else rates + noise)


def mean_to(curve: Curve, cost: float) -> np.ndarray:
    """Mean rates of one run up to a cost, by sums and by areas."""
    found = Curves([curve]).mean_to(cost)[0]
    assert Areas([curve]).mean_to(cost)[0] == pytest.approx(found, abs=1e-14)
    return found


def test_the_mean_over_training_is_the_area_under_the_line_through_the_evaluations():
    curve = line([0, 10, 20], [0.2, 0.4, 0.4])
    assert mean_to(curve, 20) == pytest.approx(np.full(4, (0.3 * 10 + 0.4 * 10) / 20))
    assert mean_to(curve, 10) == pytest.approx(np.full(4, 0.3))
    assert mean_to(curve, 5) == pytest.approx(np.full(4, 0.25))
    assert Curves([curve]).at(15)[0] == pytest.approx(np.full(4, 0.4))


def test_what_selection_costs_before_the_first_step_counts_at_the_accuracy_of_the_start():
    curve = line([30, 40], [0.2, 0.6])
    assert mean_to(curve, 40) == pytest.approx(np.full(4, (0.2 * 30 + 0.4 * 10) / 40))
    assert mean_to(curve, 20) == pytest.approx(np.full(4, 0.2))


def test_a_mean_against_a_fine_sum():
    draw = np.random.default_rng(0)
    cost = np.sort(draw.uniform(0, 50, 9))
    curve = Curve(cost, draw.random((9, 3)))
    for end in (cost[-1], 17.3, cost[4], 0.4):
        fine = np.linspace(0, end, 200_001)
        heights = np.stack([np.interp(fine, curve.cost[1:], curve.rates[:, one]) for one in range(3)])
        assert mean_to(curve, end) == pytest.approx(heights.mean(axis=1), abs=1e-4)


def test_two_evaluations_at_one_cost_take_no_room():
    assert mean_to(line([0, 0, 10], [0.2, 0.9, 0.9]), 10) == pytest.approx(np.full(4, 0.9))


@pytest.mark.parametrize(
    ("cost", "rates"),
    [([0], [[0.1]]), ([0, 1], [[0.1]]), ([0, 2, 1], [[0.1]] * 3), ([-1, 1], [[0.1]] * 2), ([0, 1], [0.1, 0.2])],
)
def test_a_curve_refuses_what_is_no_curve(cost, rates):
    with pytest.raises(ValueError, match="cost"):
        Curve(cost, rates)


def test_nothing_is_said_beyond_what_was_spent():
    with pytest.raises(ValueError, match="outside"):
        mean_to(line([0, 10], [0.2, 0.4]), 11)


def test_arms_are_compared_up_to_what_every_run_has_spent():
    pair = Pair((line([0, 10], [0, 1]), line([0, 12], [0, 1])), (line([0, 8], [0, 1]), line([0, 9], [0, 1])))
    assert pair.budget == 8


def learned(cost, pace, problems=6):
    return line(cost, 0.2 + 0.5 * (1 - np.exp(-np.asarray(cost) / pace)), problems)


@pytest.mark.parametrize("factor", [0.5, 0.8, 1.0, 1.5, 3.0])
def test_an_arm_that_learns_r_times_faster_saves_r_times(factor):
    cost = np.linspace(0, 100, 201)
    draw = np.random.default_rng(1)
    runs = [draw.normal(0, 0.002, (201, 6)) for _ in range(6)]
    slow = tuple(Curve(cost, learned(cost, 40.0).rates + noise) for noise in runs[:3])
    fast = tuple(Curve(cost, learned(cost, 40.0 / factor).rates + noise) for noise in runs[3:])
    found = saving([Pair(slow, fast)])
    assert found.value == pytest.approx(factor, rel=0.02)
    assert found.low <= factor <= found.high
    assert found.clear_of(1) == int(factor > 1) - int(factor < 1)


def test_savings_of_several_tasks_are_pooled():
    cost = np.linspace(0, 100, 101)
    draw = np.random.default_rng(2)

    def runs(pace):
        return tuple(Curve(cost, learned(cost, pace).rates + draw.normal(0, 0.002, (101, 6))) for _ in range(3))

    pairs = [Pair(runs(40.0), runs(20.0)), Pair(runs(60.0), runs(30.0))]
    assert saving(pairs).value == pytest.approx(2, rel=0.03)


def test_the_saving_is_clear_exactly_where_the_difference_at_equal_cost_is():
    from repro.analysis.estimates import crossed
    from repro.analysis.simulation import Shape, pair

    draw, agreed = np.random.default_rng(3), 0
    for speed in (1.0, 1.0, 1.6, 1.6, 2.5, 2.5, 0.5, 0.5):
        (one,) = pair(Shape("small", 1, 1, 4, 10, 60, 4), [speed], draw)
        sign = crossed(*one.differences()).interval().clear_of(0)
        assert saving([one]).clear_of(1) == sign
        agreed += sign != 0
    assert agreed >= 3  # else the assertion above has said nothing


def test_a_saving_is_withheld_for_one_seed_for_few_evaluations_and_for_a_baseline_that_learned_nothing():
    cost = np.linspace(0, 10, ENOUGH + 1)
    one, rest = learned(cost, 4.0), learned(cost[:-1], 4.0)
    assert saving([Pair((one,), (one,))]).withheld == "one seed"
    assert "evaluations a run" in saving([Pair((rest, rest), (rest, rest))]).withheld
    flat = line(cost, np.full(len(cost), 0.2), 6)
    assert "gained nothing" in saving([Pair((flat, flat), (one, one))]).withheld
    assert not saving([Pair((one,), (one,))]).known


def test_an_arm_that_never_learns_saves_nothing_and_the_interval_is_open_below():
    draw, cost = np.random.default_rng(4), np.linspace(0, 10, 12)
    flat = tuple(line(cost, np.full(12, 0.2), 6, draw.normal(0, 0.01, (12, 6))) for _ in range(3))
    base = tuple(Curve(cost, learned(cost, 4.0).rates + draw.normal(0, 0.01, (12, 6))) for _ in range(3))
    found = saving([Pair(base, flat)])
    assert found.value < 0.3 and found.high < 1 and found.low <= found.value
    assert found.value >= 1 / WIDEST - 1e-9


def test_runs_without_any_spread_give_no_certainty():
    cost = np.linspace(0, 10, 12)
    fast, slow = learned(cost, 2.0), learned(cost, 4.0)
    found = saving([Pair((slow, slow), (fast, fast))])
    assert found.value == pytest.approx(2, rel=0.05)
    assert math.isinf(found.high) or found.high >= found.value
