"""Marks for means with their intervals, and for single runs."""

from __future__ import annotations

import math

import pytest
from matplotlib.collections import LineCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from repro.analysis.marks import interval_marks, single_dots
from repro.analysis.statistics import Interval
from repro.analysis.style import styled
from tests.analysis.drawing import marks

FOUND = [Interval(0.05, 0.01, 0.09, 3), Interval(0.03, math.nan, math.nan, 1), Interval(-0.02, -0.06, 0.02, 3)]
COLOURS = ["#d55e00", "#0072b2", "#009e73"]


@pytest.mark.parametrize("upright", (False, True))
def test_a_mean_with_an_interval_is_filled_and_one_without_is_hollow(upright: bool):
    with styled():
        axis = Figure().subplots()
        interval_marks(axis, [0, 1, 2], FOUND, COLOURS, upright=upright)
        interval_marks(axis, [], [], [], upright=upright)
    hollow, filled = sorted(marks(axis), key=lambda one: len(one.get_offsets()))
    turn = slice(None) if upright else slice(None, None, -1)
    assert [list(place[turn]) for place in filled.get_offsets()] == [[0, 0.05], [2, -0.02]]
    assert [list(place[turn]) for place in hollow.get_offsets()] == [[1, 0.03]]
    assert all(face[3] == 1 for face in filled.get_facecolors()) and hollow.get_facecolors()[0][3] == 0
    assert [to_hex(edge) for edge in filled.get_edgecolors()] == COLOURS[::2]
    lines = [path for one in axis.collections if isinstance(one, LineCollection) for path in one.get_segments()]
    assert [sorted(end[turn][1] for end in line) for line in lines] == [[0.01, 0.09], [-0.06, 0.02]]


@pytest.mark.parametrize("upright", (False, True))
def test_single_runs_stand_at_their_place_in_one_faint_colour(upright: bool):
    with styled():
        axis = Figure().subplots()
        single_dots(axis, [1.5, 3], [[0.4, 0.5], [0.7]], "#d55e00", upright)
        single_dots(axis, [], [], "#d55e00", upright)
    turn = slice(None) if upright else slice(None, None, -1)
    places = sorted(tuple(place[turn]) for one in axis.collections for place in one.get_offsets())
    assert places == [(1.5, 0.4), (1.5, 0.5), (3, 0.7)]
    assert all(one.get_alpha() == 0.6 for one in axis.collections)
