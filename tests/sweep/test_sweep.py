"""Sweeps with a known objective: their trials, what stops them, and what they find."""

from __future__ import annotations

import json
import re
from pathlib import Path

import optuna
import pytest

from repro.files import DamagedError
from repro.sweep.objective import objective
from repro.tracking.client import open_client
from repro.tracking.journal import Journal
from repro.tracking.read import read_runs
from tests.sweep import jobs
from tests.sweep.search import AWAY, result, sweep, sweep_spec


def test_trials_are_runs_of_mlflow_and_the_best_and_the_importance_are_shown(tmp_path: Path, uri: str) -> None:
    runs = tmp_path / "runs"
    code, text = sweep(sweep_spec(tmp_path), runs, uri)
    assert code == 0
    found = result(runs)
    assert [trial["number"] for trial in found["trials"]] == list(range(8))
    finished = [trial for trial in found["trials"] if trial["state"] == "complete"]
    for trial in finished:
        rate = trial["params"]["train.learning_rate"]
        assert trial["seeds"] == pytest.approx({str(s): jobs.known(rate, s) for s in (1000, 1001)})
        assert trial["value"] == pytest.approx(sum(trial["seeds"].values()) / 2), "the mean over seeds"
    best = max(finished, key=lambda trial: trial["value"])
    assert found["best"]["trial"] == best["number"]
    assert f"best: trial-{best['number']:03d}, validation_accuracy {best['value']:.4f} over 2 seeds" in text
    assert f"-S arms.half.train.learning_rate={best['params']['train.learning_rate']}" in text.replace("\n", "")
    if len(finished) >= 8:
        assert "importance" in text

    experiment = open_client(uri).get_experiment_by_name("search.sweep")
    parents = open_client(uri).search_runs([experiment.experiment_id], "tags.`repro.kind` = 'trial'")
    shown = {int(run.data.tags["repro.trial"]): run for run in parents}
    assert sorted(shown) == list(range(8))
    for trial in finished:
        run = shown[trial["number"]]
        assert run.data.metrics["sweep/value"] == pytest.approx(trial["value"])
        assert float(run.data.params["train.learning_rate"]) == trial["params"]["train.learning_rate"]
        assert run.data.tags["repro.trial_state"] == "complete"
    children = read_runs("search.sweep", uri)
    assert {child.parent_id for child in children} == {run.info.run_id for run in parents}
    assert {child.seed for child in children} == {1000, 1001}

    code, text = sweep(sweep_spec(tmp_path), runs, uri)
    assert code == 0 and "8 of 8 trials done" in text and "started" not in text
    assert result(runs) == found


def test_a_bad_trial_is_stopped_after_its_first_seed_once_there_is_a_median(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    sweep(sweep_spec(tmp_path, trials=12), runs, AWAY)
    trials = result(runs)["trials"]
    assert all(trial["state"] == "complete" for trial in trials[:5]), "nothing is stopped before there is a median"
    pruned = [trial for trial in trials if trial["state"] == "pruned"]
    assert pruned, "twelve random-like trials have some below the median"
    for trial in pruned:
        assert list(trial["seeds"]) == ["1000"] and "below the median" in trial["reason"]
    trained = len(list(runs.glob("*/trained")))
    assert trained == 2 * (12 - len(pruned)) + len(pruned), "the second seed of a stopped trial is never trained"


def test_without_a_pruner_every_trial_is_trained_on_every_seed(tmp_path: Path) -> None:
    sweep(sweep_spec(tmp_path, trials=12, pruner="none"), tmp_path / "runs", AWAY)
    trials = result(tmp_path / "runs")["trials"]
    assert [trial["state"] for trial in trials] == ["complete"] * 12
    assert all(list(trial["seeds"]) == ["1000", "1001"] for trial in trials)


def test_the_journal_that_the_readme_shows_in_a_dashboard_has_the_trials(tmp_path: Path) -> None:
    (path,) = re.findall(r"`optuna-dashboard (\S+)`", (Path(__file__).parents[2] / "README.md").read_text())
    sweep(sweep_spec(tmp_path, trials=2, seeds=[1000]), tmp_path / "runs", AWAY)
    backend = optuna.storages.journal.JournalFileBackend(str(tmp_path / path.replace("NAME", "search")))
    study = optuna.load_study(study_name=None, storage=optuna.storages.JournalStorage(backend))
    assert study.metric_names == ["validation_accuracy"] and len(study.trials) == 2
    assert [trial.value for trial in study.trials] == [one["value"] for one in result(tmp_path / "runs")["trials"]]


def test_wilcoxons_test_stops_a_trial_that_is_worse_than_the_best_on_every_seed(tmp_path: Path) -> None:
    space, seeds = "{train.learning_rate: {choice: [1.0e-3, 1.0e-5]}}", [1000, 1001, 1002, 1003, 1004]
    loaded = sweep_spec(tmp_path, space, sampler="grid", pruner="wilcoxon", seeds=seeds, batch=1, trials=9)
    sweep(loaded, tmp_path / "runs", AWAY)
    first, second = result(tmp_path / "runs")["trials"]
    assert first["state"] == "complete" and len(first["seeds"]) == 5
    assert second["state"] == "pruned" and list(second["seeds"]) == ["1000", "1001", "1002", "1003"]
    assert second["reason"].endswith("worse than trial-000 on the same seeds by Wilcoxon's test (p < 0.1)")


def test_two_metrics_give_the_trials_that_no_other_beats_in_both(tmp_path: Path, uri: str) -> None:
    metrics = [{"validation_accuracy": "maximize"}, {"generated_tokens": "minimize"}]
    loaded = sweep_spec(tmp_path, metric=metrics, sampler="random", trials=6, batch=6, seeds=[1000])
    code, text = sweep(loaded, tmp_path / "runs", uri)
    assert code == 0
    found = result(tmp_path / "runs")
    points = {
        t["number"]: (t["values"]["validation_accuracy"], t["values"]["generated_tokens"]) for t in found["trials"]
    }
    for trial in found["trials"]:
        rate = trial["params"]["train.learning_rate"]
        assert points[trial["number"]] == pytest.approx((jobs.known(rate, 1000), 1e6 * rate + 32))
    beaten = {n for n, (a, b) in points.items() for c, d in points.values() if c >= a and d <= b and (c, d) != (a, b)}
    front = [one["trial"] for one in found["front"]]
    assert set(front) == set(points) - beaten and 1 < len(front) < 6
    assert front[0] == found["best"]["trial"] == max(points, key=lambda n: points[n])
    assert f"{len(front)} trials that no other beats in both metrics" in text
    assert f"best by validation_accuracy: trial-{front[0]:03d}" in text
    experiment = open_client(uri).get_experiment_by_name("search.sweep")
    for run in open_client(uri).search_runs([experiment.experiment_id], "tags.`repro.kind` = 'trial'"):
        value, tokens = points[int(run.data.tags["repro.trial"])]
        shown = run.data.metrics
        assert shown["sweep/value"] == shown["sweep/validation_accuracy"] == pytest.approx(value)
        assert shown["sweep/generated_tokens"] == pytest.approx(tokens)


def test_the_outcome_does_not_depend_on_how_many_jobs_run_at_once(tmp_path: Path) -> None:
    loaded = sweep_spec(tmp_path, trials=7, batch=3)
    sweep(loaded, tmp_path / "one", AWAY, jobs_at_once=1)
    sweep(loaded, tmp_path / "three", AWAY, jobs_at_once=3)
    assert result(tmp_path / "one") == result(tmp_path / "three")


def test_a_finished_sweep_delivers_what_its_store_missed(tmp_path: Path, uri: str) -> None:
    loaded, runs = sweep_spec(tmp_path, trials=2, seeds=[1000]), tmp_path / "runs"
    code, text = sweep(loaded, runs, AWAY)
    assert code == 1 and "2 runs are finished but their metrics are not in the MLflow store" in text
    code, text = sweep(loaded, runs, uri)
    assert code == 0 and "2 of 2 trials done" in text and "started" not in text
    assert [record.status for record in read_runs("search.sweep", uri)] == ["finished", "finished"]


def test_a_larger_number_of_trials_goes_on_and_a_changed_search_starts_anew(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    sweep(sweep_spec(tmp_path, trials=2, seeds=[1000]), runs, AWAY)
    first = result(runs)["trials"]
    _, text = sweep(sweep_spec(tmp_path, trials=3, seeds=[1000]), runs, AWAY)
    assert "2 of 3 trials done" in text
    assert result(runs)["trials"][:2] == first
    _, text = sweep(sweep_spec(tmp_path, trials=2, seeds=[1000], sampler_seed=1), runs, AWAY)
    assert "0 of 2 trials done" in text
    assert len(json.loads((runs / "sweeps" / "search.json").read_text())) == 2


def test_the_objective_is_the_last_accuracy_or_the_area_under_the_curve(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for step, value in ((0, 0.2), (10, 0.4), (40, 0.6)):
        journal.log(step, {"eval/validation": value})
        journal.log(step, {"eval/accuracy": 0.9})
    journal.finish({})
    assert objective(tmp_path, "validation_accuracy") == 0.6
    assert objective(tmp_path, "validation_accuracy_auc") == pytest.approx((10 * 0.3 + 30 * 0.5) / 40)
    (tmp_path / "none").mkdir()
    Journal(tmp_path / "none").finish({})
    with pytest.raises(ValueError, match="no eval/validation"):
        objective(tmp_path / "none", "validation_accuracy")
    with pytest.raises(ValueError, match="no cost/generated_tokens"):
        objective(tmp_path, "generated_tokens")


def test_the_objective_of_a_damaged_run_is_its_damage_and_no_number(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.log(0, {"eval/validation": 0.25})
    journal.finish({})
    rows = (tmp_path / "metrics.jsonl").read_bytes()
    (tmp_path / "metrics.jsonl").write_bytes(rows.replace(b"0.25", b"0.75"))
    with pytest.raises(DamagedError, match=r"metrics\.jsonl has changed"):
        objective(tmp_path, "validation_accuracy")
