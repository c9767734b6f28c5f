"""The figures of a sweep from trials in a real store."""

from __future__ import annotations

import json
import math
import textwrap
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from repro.analysis.page.report import write_report
from repro.analysis.sweep.best import best_of_each
from repro.analysis.sweep.pictures import pictures
from repro.analysis.sweep.search import load_searches
from repro.spec.schema import Spec
from repro.study.load import load_spec
from repro.study.trial_cells import base_cell, experiment_name, study_name
from repro.tracking.client import open_client
from repro.tracking.labels import Labels
from repro.tracking.study_run import record_report
from repro.tracking.trials import TrialRecord, record_trials
from tests.analysis.behaviour import Behaviour
from tests.analysis.drawing import check
from tests.analysis.synthetic import make_study

SPACE = {
    "train.learning_rate": {"float": [1e-5, 0.1], "log": True},
    "train.loss": {"choice": ["grpo", "dapo"]},
    "train.clip": {"float": [0.1, 0.3]},
}
BOTH = [{"validation_accuracy": "maximize"}, {"generated_tokens": "minimize"}]


def spec_of(folder: Path, metric: Any = BOTH, space: Any = SPACE) -> Spec:
    sweep = json.dumps({"arm": "half", "metric": metric, "space": space})
    text = f"""
        name: search
        model: tiny
        dataset: arithmetic
        arms: {{half: {{selection: {{method: random, fraction: 0.5}}}}}}
        seeds: [0]
        sweep: {sweep}
    """
    (folder / "search.yaml").write_text(textwrap.dedent(text))
    return load_spec(folder / "search.yaml").spec


def stored(spec: Spec, folder: Path, uri: str, count: int = 12) -> list[TrialRecord]:
    """Trials in the store: higher rates cost more tokens, and 1e-3 is the best of them."""
    assert spec.sweep is not None
    search = study_name(spec, base_cell(spec, spec.model[0], spec.dataset[0]))
    trials = []
    for number in range(count):
        rate = 10 ** (-5 + 4 * ((7 * number) % 12) / 11)
        drawn = {
            "train.learning_rate": rate,
            "train.loss": ("grpo", "dapo")[number % 2],
            "train.clip": 0.1 + number / 60,
        }
        params = {path: drawn[path] for path in spec.sweep.space}
        values = {
            "validation_accuracy": 0.6 - 0.1 * math.log10(rate / 1e-3) ** 2,
            "generated_tokens": 1e5 * (6 + math.log10(rate)) + 1000 * (number % 3),
        }
        trials.append(
            TrialRecord(
                number=number,
                state="pruned" if number == 5 else "complete",
                labels=Labels(experiment_name(spec), f"trial-{number:03d}", "tiny", "arithmetic", 0, params),
                params=params,
                values={} if number == 5 else {name: values[name] for name, _ in spec.sweep.objectives},
                search=search,
                times=(1e9 + 60 * (number // 2), 1e9 + 60 * (number // 2) + 50),
            )
        )
    assert record_trials(trials, folder, uri)
    return trials


def test_the_trials_come_back_from_the_store_as_they_were_recorded(tmp_path: Path, uri: str) -> None:
    spec = spec_of(tmp_path)
    assert load_searches(spec, uri) == ()
    trials = stored(spec, tmp_path, uri)
    (search,) = load_searches(spec, uri)
    for ours, theirs in zip(search.trials, trials, strict=True):
        assert (ours.number, ours.state, ours.params, ours.values, ours.times) == (
            theirs.number, theirs.state, theirs.params, theirs.values, theirs.times,
        )  # fmt: skip
    assert load_searches(spec_of(tmp_path, "validation_accuracy"), uri) == (), "another search has other trials"


def test_with_two_metrics_each_figure_is_drawn_with_its_numbers(tmp_path: Path, uri: str) -> None:
    trials = [trial for trial in stored(spec_of(tmp_path), tmp_path, uri) if trial.values]
    searches = load_searches(spec_of(tmp_path), uri)
    made = {picture.name.removeprefix("sweep."): picture for picture in pictures(searches)}
    assert list(made) == ["history", "slice", "importance", "contour", "pareto", "timeline"]
    for picture in made.values():
        for narrow in (False, True):
            check(picture, narrow)
        assert picture.alt and picture.caption
    assert plt.get_fignums() == []

    points = {t.number: (t.values["validation_accuracy"], -t.values["generated_tokens"]) for t in trials}
    front = {n for n, p in points.items() if not any(o != p and o[0] >= p[0] and o[1] >= p[1] for o in points.values())}
    data = made["pareto"].data
    assert set(data.loc[data["front"], "trial"]) == front and 1 < len(front) < len(trials)
    history = made["history"].data.set_index("trial")
    assert history.loc[11, "best_validation_accuracy"] == max(value for value, _ in points.values())
    assert history.loc[11, "best_generated_tokens"] == min(-tokens for _, tokens in points.values())
    assert pd.isna(history.loc[5, "validation_accuracy"]) and history.loc[5, "state"] == "pruned"
    assert "best validation accuracy 59.7 %, best generated tokens 100 k tokens" in made["history"].alt
    shares = made["importance"].data
    assert shares.groupby("metric")["share"].sum().to_list() == pytest.approx([1, 1])
    for metric in ("validation_accuracy", "generated_tokens"):
        of = shares[shares["metric"] == metric].set_index("field")["share"]
        assert of.idxmax() == "train.learning_rate"
    assert len(made["timeline"].data) == 12 and made["timeline"].data["ended"].max() == 350


def test_one_metric_one_field_and_few_trials_leave_out_what_they_cannot_show(tmp_path: Path, uri: str) -> None:
    space = {"train.learning_rate": SPACE["train.learning_rate"]}
    spec = spec_of(tmp_path, "validation_accuracy", space)
    stored(spec, tmp_path, uri, count=1)
    made = pictures(load_searches(spec, uri))
    assert [picture.name for picture in made] == ["sweep.history", "sweep.slice", "sweep.timeline"]
    for picture in made:
        check(picture, True)
    (table,) = best_of_each(load_searches(spec, uri))
    assert table.rows[0][0] == "`half`" and table.rows[0][5:7] == ["–", "–"], "what an older record does not tell"


def test_a_report_shows_the_sweep_of_its_spec_and_mlflow_has_all_of_it(tmp_path: Path, uri: str) -> None:
    sweep = {"arm": "full", "metric": BOTH, "space": SPACE}
    arms = {"full": ({}, Behaviour((0.4, 0.5), (0.0,)))}
    study = make_study(tmp_path / "study", uri, arms, seeds=1, steps=2, fields={"sweep": sweep})
    stored(study.loaded.spec, tmp_path, uri)
    page = write_report(study.loaded, study.runs_dir, tmp_path / "report", uri)
    assert ">Sweep<" in page.read_text()
    shown = page.with_name("sweep.html").read_text()
    names = {f"sweep.{name}" for name in ("history", "slice", "importance", "contour", "pareto", "timeline")}
    assert all(f'src="figures/{name}.png"' in shown for name in names) and 'id="table-sweep.best"' in shown

    assert record_report("study", page.parent, uri)
    client = open_client(uri)
    experiment = client.get_experiment_by_name("study")
    (run,) = client.search_runs([experiment.experiment_id], "tags.`repro.kind` = 'study'")
    kept = {place: {Path(one.path).name for one in client.list_artifacts(run.info.run_id, place)}
            for place in ("figures", "tables")}  # fmt: skip
    assert {f"{name}.{ending}" for name in names for ending in ("png", "pdf", "csv")} <= kept["figures"]
    assert {"answer.csv", "cost.csv", "sweep.best.csv", "sweep.best.tex"} <= kept["tables"]
