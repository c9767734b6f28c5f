"""Whole jobs that go wrong: told in the log, the record, the store and the summary, stopped where a run asks for it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import mlflow
import pytest
from rich.console import Console

from repro.errors import UserError
from repro.launch.health import print_health
from repro.models.model_spec import ModelSpec
from repro.spec.schema import Cell, EvaluateSpec
from repro.study.expand import ExpandedCell
from repro.study.points import Place
from repro.tasks.dataset_spec import DatasetSpec
from repro.tracking import series
from repro.tracking.journal import Journal
from repro.training.job import GRPOJob, run_job
from tests.training.test_health import TRAIN, with_train
from tests.training.test_job import cell, store  # noqa: F401 - a fixture

EVALUATE = EvaluateSpec(every=2, samples=4, pool_samples=2, base_temperatures=())


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the warm start is cached for all tests of this file."""
    return tmp_path_factory.mktemp("shared")


def shipped(**changes: Any) -> Cell:
    """The policy that ships with the package, which answers one question in five."""
    train = {"steps": 6, "questions_per_step": 4, "max_completion_tokens": 48} | changes
    data = DatasetSpec.model_validate({"arithmetic": {}, "limits": {"train": 32, "test": 32}})
    return with_train(**train).model_copy(
        update={"model": ModelSpec.model_validate("tiny"), "dataset": data, "evaluate": EVALUATE}
    )


def health_json(run_dir: Path) -> Any:
    return json.loads((run_dir / "health.json").read_text())


def deterministic(run_dir: Path) -> list[Any]:
    """The rows of a run without times."""
    rows = []
    for name in ("metrics.jsonl", "evaluations.jsonl", "steps.jsonl"):
        for row in Journal(run_dir).read_jsonl(name):
            row.pop("time")
            metrics = row.get("metrics", {})
            row["metrics"] = {key: value for key, value in metrics.items() if "seconds" not in key}
            rows.append(row)
    return rows


def test_a_rate_that_ends_all_accuracy_is_told_in_log_record_store_and_summary(
    tmp_path: Path, shared: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without `stop_on` the run goes to its end."""
    wild = shipped(learning_rate=0.3, steps=4)
    run_job(wild, "wild", tmp_path / "runs/wild", shared)
    found = health_json(tmp_path / "runs/wild")
    collapse = next(one for one in found["warnings"] if one["kind"] == "collapse")
    assert collapse["step"] == 2
    assert collapse["likely"] == "train.learning_rate 0.3 (too high)"
    assert found["stopped"] is None
    assert f"warning: step 2: {collapse['what'].partition(';')[0]}" in capsys.readouterr().err
    assert Journal(tmp_path / "runs/wild").read_json("progress.json")["message"].startswith("warning: ")
    client = mlflow.MlflowClient()
    (run,) = client.search_runs(["1"], "tags.`repro.identity` = 'wild'")
    assert collapse["text"] in run.data.tags["repro.warnings"]
    assert run.data.metrics[series.WARNINGS] == len(found["warnings"])
    console = Console(record=True, width=400)
    place = Place("tiny", "arithmetic", "arm", {}, 0)
    print_health([ExpandedCell(wild, "wild", (place,))], tmp_path / "runs", console)
    assert f"arm seed 0: {collapse['text']}" in console.export_text()


def test_a_collapse_stops_a_run_that_asks_for_it_and_the_run_is_finished(tmp_path: Path, shared: Path) -> None:
    wild = shipped(learning_rate=0.3, stop_on=("nan", "collapse"))
    run_job(wild, "stopped", tmp_path / "runs/stopped", shared)
    journal = Journal(tmp_path / "runs/stopped")
    summary = journal.read_json("done.json")["summary"]
    assert (summary["steps"], summary["stopped"]) == (2, "collapse at step 2")
    assert series.GREEDY in summary, "a last evaluation measures what only the last one does"
    rows = [(row["step"], row["set"]) for row in journal.read_jsonl("evaluations.jsonl")]
    assert len(rows) == len(set(rows)), "one record of each set and step"
    assert health_json(tmp_path / "runs/stopped")["stopped"] == {"kind": "collapse", "step": 2}
    console = Console(record=True, width=400)
    print_health([ExpandedCell(wild, "stopped", ())], tmp_path / "runs", console)
    assert "1 finished early, stopped by train.stop_on: arm seed 0 at step 2 (collapse)" in console.export_text()
    # Killed between the checkpoint of step 2 and the marker: the same end, and not another step.
    before = deterministic(tmp_path / "runs/stopped")
    (tmp_path / "runs/stopped/done.json").unlink()
    (tmp_path / "runs/stopped/health.json").unlink()
    run_job(wild, "stopped", tmp_path / "runs/stopped", shared)
    assert deterministic(tmp_path / "runs/stopped") == before
    assert journal.read_json("done.json")["summary"]["stopped"] == "collapse at step 2"
    assert health_json(tmp_path / "runs/stopped")["stopped"] == {"kind": "collapse", "step": 2}


def test_steps_without_a_signal_stop_a_run_at_once_and_a_resumed_one_at_the_same_step(
    tmp_path: Path, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    idle = cell(
        train=TRAIN.model_copy(
            update={"steps": 14, "max_completion_tokens": 1, "stop_on": ("nan", "no_signal"), "minibatches": 1}
        ),
        evaluate=EvaluateSpec(every=4, samples=1, pool_samples=1, base_temperatures=()),
    )
    run_job(idle, "whole", tmp_path / "runs/whole", shared)
    summary = Journal(tmp_path / "runs/whole").read_json("done.json")["summary"]
    assert (summary["steps"], summary["stopped"]) == (10, "no_signal at step 10")
    on_step = GRPOJob._on_step

    def killed(job: GRPOJob, record: Any) -> None:
        if record.step == 6:
            raise KeyboardInterrupt
        on_step(job, record)

    monkeypatch.setattr(GRPOJob, "_on_step", killed)
    with pytest.raises(KeyboardInterrupt):
        run_job(idle, "cut", tmp_path / "runs/cut", shared)
    monkeypatch.setattr(GRPOJob, "_on_step", on_step)
    run_job(idle, "cut", tmp_path / "runs/cut", shared)
    assert deterministic(tmp_path / "runs/cut") == deterministic(tmp_path / "runs/whole")
    assert health_json(tmp_path / "runs/cut") == health_json(tmp_path / "runs/whole")
    assert health_json(tmp_path / "runs/cut")["stopped"] == {"kind": "no_signal", "step": 10}


def test_probabilities_that_are_no_numbers_name_the_rate_and_are_not_trained_again(
    tmp_path: Path, shared: Path
) -> None:
    """A decay of 10 at a rate of 1 makes every weight nine times as large in each update."""
    broken = with_train(learning_rate=1.0, weight_decay=10.0, steps=40, minibatches=16, max_completion_tokens=4)
    broken = broken.model_copy(update={"evaluate": EVALUATE.model_copy(update={"every": 20, "samples": 1})})
    with pytest.raises(UserError, match=r"training ended at step \d: .*most likely train\.learning_rate 1 "):
        run_job(broken, "broken", tmp_path / "runs/broken", shared)
    assert health_json(tmp_path / "runs/broken")["stopped"]["kind"] == "nan"
    rows = deterministic(tmp_path / "runs/broken")
    with pytest.raises(UserError, match="It is not tried again, because the same fields give the same steps"):
        run_job(broken, "broken", tmp_path / "runs/broken", shared)
    assert deterministic(tmp_path / "runs/broken") == rows


def test_another_error_of_torch_is_left_as_it_is(tmp_path: Path, shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(job: GRPOJob, record: Any) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(GRPOJob, "_on_step", fails)
    with pytest.raises(RuntimeError, match="out of memory"):
        run_job(cell(), "other", tmp_path / "runs/other", shared)


def test_a_healthy_run_leaves_no_word(tmp_path: Path, shared: Path) -> None:
    run_job(shipped(steps=2, learning_rate=2e-4), "fine", tmp_path / "runs/fine", shared)
    assert not (tmp_path / "runs/fine/health.json").exists()
    journal = Journal(tmp_path / "runs/fine")
    assert journal.read_json("progress.json")["message"] == ""
    assert not any(series.WARNINGS in row["metrics"] for row in journal.read_jsonl("metrics.jsonl"))
    console = Console(record=True)
    print_health([ExpandedCell(shipped(), "fine", ())], tmp_path / "runs", console)
    assert console.export_text() == ""
