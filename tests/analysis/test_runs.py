"""Which stored runs belong to a study, and where."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from repro.analysis.study import load_study
from repro.errors import UserError
from tests.analysis.behaviour import Behaviour
from tests.analysis.conftest import measure
from tests.analysis.synthetic import Store, make_study

FULL = Behaviour((0.4, 0.5, 0.6, 0.6))
Make = Callable[..., Store]


def test_failed_and_missing_cells_are_listed_and_in_no_number(study: Make):
    arms = {
        "full": ({}, FULL),
        "random": ({"selection": {"method": "random", "fraction": 0.25}}, Behaviour(FULL.curve, status="failed")),
        "dots": ({"selection": {"method": "difficulty", "references": 4}}, Behaviour(FULL.curve, status="todo")),
        "ufo": ({"selection": {"method": "confidence", "fraction": 0.25}}, Behaviour(FULL.curve, status="killed")),
    }
    store = study(arms, seeds=2)
    found = load_study(store.loaded.spec, store.uri)
    assert [(place.arm, place.seed, status) for place, status in found.missing] == [
        ("random", 0, "failed"),
        ("random", 1, "failed"),
        ("dots", 0, "not run"),
        ("dots", 1, "not run"),
        ("ufo", 0, "killed"),
        ("ufo", 1, "killed"),
    ]
    assert [series.label for series in found.panels[0].series] == ["full"]


def test_runs_of_an_older_version_of_the_spec_are_left_out(store_uri: str, tmp_path):
    make_study(tmp_path, store_uri, {"full": ({}, FULL)}, name="versions", seeds=2, steps=8)
    newer = make_study(tmp_path, store_uri, {"full": ({}, FULL)}, name="versions", seeds=2, steps=6, every=2)
    found = load_study(newer.loaded.spec, store_uri)
    assert {run.json("cell.json")["cell"]["train"]["steps"] for run in found.runs} == {6}
    assert len(found.runs) == 2


def test_one_training_that_serves_two_arms_is_found_under_both(quick_study: Make):
    arms = {"full": ({}, FULL), "same": ({"selection": {"method": "uniform"}}, FULL)}
    store = quick_study(arms, seeds=2)
    panel = store.read().panels[0]
    full, same = panel.series
    assert [run.identity for run in full.runs] == [run.identity for run in same.runs]
    assert panel.baseline_of(same) == full


def test_axis_points_become_series_of_their_own_with_the_baseline_that_fits(quick_study: Make):
    random = {"selection": {"method": "random", "fraction": 0.25}}
    fields = {"axes": {"selection.fraction": [0.25, 0.5], "train.learning_rate": [1e-4, 2e-4]}}
    store = quick_study({"full": ({}, FULL), "random": (random, FULL)}, seeds=1, fields=fields)
    panel = store.read().panels[0]
    labels = [series.label for series in panel.series]
    assert labels[:2] == ["full, learning_rate 0.0001", "full, learning_rate 0.0002"]
    assert "random, fraction 0.5, learning_rate 0.0002" in labels and len(labels) == 6
    series = panel.get("random, fraction 0.5, learning_rate 0.0002")
    baseline = panel.baseline_of(series)
    assert baseline is not None and baseline.label == "full, learning_rate 0.0002"


def test_models_are_panels_of_their_own(quick_study: Make):
    models = [{"tiny": {}}, {"tiny": {"width": 48}}]
    store = quick_study({"full": ({}, FULL)}, seeds=2, fields={"model": models})
    panels = store.read().panels
    assert [panel.title for panel in panels] == ["tiny-96x2 on arithmetic", "tiny-48x2 on arithmetic"]
    assert [len(panel.series[0].runs) for panel in panels] == [2, 2]


def test_nothing_finished_is_an_error_that_says_what_to_do(study: Make):
    store = study({"full": ({}, Behaviour(FULL.curve, status="failed"))}, seeds=1)
    with pytest.raises(UserError, match=r"none of the 1 cells .*python -m repro run"):
        load_study(store.loaded.spec, store.uri)


def test_cost_before_the_first_step_counts_as_spent_at_step_zero(quickstart: Store):
    measures = measure(quickstart)
    run = measures.panel.get("ufo").runs[0]
    assert run.cost_at("cost/seconds", 0) == pytest.approx(0.3)  # the single pass
    assert run.cost_at("cost/seconds", 1) == pytest.approx(0.8)
    assert run.cost_at("cost/nothing", 5) == 0.0
