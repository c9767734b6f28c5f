"""One clock a report, by one rule."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from repro.analysis.page.result_tables import cost_table, phase_table
from repro.analysis.page.time_tables import time_table
from tests.analysis.behaviour import Behaviour
from tests.analysis.conftest import measure
from tests.analysis.synthetic import Store, edit

CURVE = Behaviour((0.4, 0.5, 0.6, 0.6))


@pytest.mark.parametrize("gpu", [False, True])
def test_a_report_tells_time_by_one_clock_and_its_data_have_both(quick_study: Callable[..., Store], gpu: bool):
    store = quick_study({"full": ({}, CURVE), "other": ({"selection": {"method": "random", "fraction": 0.5}}, CURVE)})
    for path in list(store.runs_dir.glob("*/environment.json"))[: int(gpu)]:
        edit(path, json.dumps(json.loads(path.read_text()) | {"accelerator": "a card"}))
    if gpu and not list(store.runs_dir.glob("*/environment.json")):
        run = next(store.runs_dir.iterdir())
        (run / "environment.json").write_text(json.dumps({"accelerator": "a card"}))
        edit(run / "cell.json", (run / "cell.json").read_text())
    measures = measure(store)
    told = ("seconds", "CPU seconds") if gpu else ("CPU seconds", "seconds")
    assert {series.clock for series in measures.panel.series} == {"seconds" if gpu else "cpu_seconds"}
    for table in (cost_table(measures), phase_table(measures), time_table(measures)):
        clocks = {name.split(" to it")[0] for name in table.header}
        assert any(name.endswith(told[0]) for name in clocks), table.name
        assert told[1] not in clocks, table.name
    assert {"seconds", "cpu_seconds"} <= set(cost_table(measures).data.columns)
