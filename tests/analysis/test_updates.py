"""Captions about FLOPs and time say whether groups without an advantage were trained on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from analysis.dots_rr.figures import curves
from analysis.dots_rr.savings import table_1
from analysis.measures import Measures
from analysis.page import figures, result_tables, time_tables
from analysis.updates import updates_said, with_updates
from tests.analysis.conftest import measure
from tests.analysis.synthetic import Behaviour, Store

Make = Callable[..., Store]

DENSE: dict[str, Any] = {"train": {"skip_zero_advantage": False}}
DOTS: dict[str, Any] = {"selection": {"method": "difficulty", "references": 4}}
REPLAY: dict[str, Any] = {"replay": {"fresh": 0.5, "capacity": 8}}
PLAIN = Behaviour((0.4, 0.5, 0.6, 0.6))


def measured(quick_study: Make, first: dict[str, Any], second: dict[str, Any]) -> Measures:
    return measure(quick_study({"plain": (first, PLAIN), "both": (DOTS | REPLAY | second, PLAIN)}, seeds=2))


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [({}, {}, "Updates leave out"), (DENSE, DENSE, "Updates are dense: "), ({}, DENSE, "Updates are dense in `both`;")],
)
def test_the_sentence_follows_the_runs(quick_study: Make, first: dict[str, Any], second: dict[str, Any], said: str):
    assert updates_said([measured(quick_study, first, second)]).startswith(said)


def test_captions_about_flops_and_time_have_it_and_others_do_not(quick_study: Make):
    measures = measured(quick_study, DENSE, DENSE)
    about_cost = [
        result_tables.cost_table(measures),
        result_tables.phase_table(measures),
        time_tables.time_table(measures),
        figures.cost_bars(measures),
        figures.accuracy_curves(measures),
        *table_1([measures]),
    ]
    others = [result_tables.accuracy_table(measures), result_tables.groups_table(measures), *curves([measures])]
    assert all("Updates are dense" in one.caption for one in with_updates(about_cost, [measures]))
    assert not any("Updates are dense" in one.caption for one in with_updates(others, [measures]))
