"""What is read off published curves: by hand on made-up curves, then the numbers that stand in reports."""

from __future__ import annotations

import math

import numpy as np
import pytest

from repro.analysis.dots_rr.readings import (
    ERROR,
    Reading,
    mean_gap,
    percent_said,
    points_said,
    readings,
    speedup,
    times_said,
)


def curve(*y: float, every: float = 2.0) -> np.ndarray:
    return np.column_stack([every * np.arange(1, len(y) + 1), y])


def test_a_curve_must_hold_the_others_end_twice_in_a_row():
    plain = curve(0.4, 0.5, 0.55, 0.6)
    assert speedup(curve(0.5, 0.6, 0.61, 0.62), plain) == 8 / 4
    assert speedup(curve(0.6, 0.5, 0.6, 0.62), plain) == 8 / 6, "once is not held"
    assert math.isnan(speedup(curve(0.5, 0.55, 0.59, 0.6), plain)), "the last point confirms nothing"
    assert speedup(curve(0.5, 0.6, 0.61, 0.62, every=1.5), plain) == 8 / 3, "by any cost"


def test_an_error_of_digitising_moves_a_crossing():
    ours, plain = curve(0.5, 0.6001, 0.61, 0.62), curve(0.4, 0.5, 0.55, 0.6)
    assert speedup(ours, plain, 2 * ERROR) == 8 / 6 and speedup(ours, plain, -2 * ERROR) == 8 / 4


def test_mean_gaps_are_taken_where_both_curves_run():
    assert mean_gap(curve(0.2, 0.4), curve(0.1, 0.1)) == pytest.approx(0.2)
    # From 2 to 3 only: there ours is 0.2 and then 0.4 at x = 4, theirs 0.1 throughout.
    assert mean_gap(curve(0.2, 0.4), curve(0.1, 0.1, 0.1, every=1.0)) == pytest.approx(0.25 - 0.1)


def rounded(found: list[Reading]) -> list[float]:
    return [round(one.speedup, 2) for one in found]


def test_dots_alone_reaches_grpos_accuracy_in_fewer_steps():
    assert rounded(readings("figure_5a", "DOTS", "GRPO")) == [1.36, 1.67, 1.36]
    assert rounded(readings("figure_7", "DOTS", "GRPO", "Qwen2.5-3B")) == [1.88]
    assert rounded(readings("figure_7", "DOTS-K128", "GRPO")) == [1.76, 1.67]
    first = readings("figure_5a", "DOTS", "GRPO")[0]
    assert (round(first.between[0], 2), round(first.between[1], 2)) == (1.30, 1.36)


def test_replay_on_top_of_dots_costs_a_little_accuracy_and_saves_time():
    by_step, by_time = readings("figure_5b", "DOTS+RR", "DOTS"), readings("figure_10b", "DOTS+RR", "DOTS")
    assert [round(100 * one.mean, 2) for one in by_step] == [-0.26, -0.07, -0.30]
    assert [round(100 * one.end, 2) for one in by_step] == [-0.23, 0.0, -0.26]
    # 0.142 to 0.158 h for two steps against 0.122 to 0.125; one of these curves stops at step 54.
    assert [round(100 * one.saved, 1) for one in by_time] == [22.8, 22.8, 22.3]


def test_readings_are_told_as_ranges():
    found = readings("figure_5a", "DOTS", "GRPO")
    assert times_said(found) == "1.36 to 1.67×" and times_said(found[:1]) == "1.36×"
    assert points_said([-0.003, 0.0072]) == "−0.3 to +0.7 points" and percent_said([0.224, 0.231]) == "22 to 23 %"


@pytest.mark.parametrize(
    ("figure", "arm", "last"),
    [("figure_5a", "DOTS", 60), ("figure_7", "DOTS", 60), ("figure_7", "DOTS-K128", 60), ("figure_9", "DOTS+RR", 60)],
)
def test_an_error_of_digitising_moves_published_crossings_by_one_point_at_most(figure: str, arm: str, last: int):
    for one in readings(figure, arm, "GRPO"):
        at, early, late = (last / value for value in (one.speedup, one.between[1], one.between[0]))
        assert early <= at <= late and at - early <= 2.001 and late - at <= 2.001, one.place
