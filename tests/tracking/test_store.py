"""Delivery to a real MLflow sqlite store: complete, idempotent, safe among processes, never fatal."""

from __future__ import annotations

import math
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from repro.errors import UserError
from repro.tracking.address import public_address, resolve_store
from repro.tracking.client import open_client
from repro.tracking.histories import Series
from repro.tracking.journal import Journal
from repro.tracking.labels import Labels
from repro.tracking.read import read_runs
from repro.tracking.store import deliver
from tests.tracking.helpers import log_steps, make_cell, make_run
from tests.tracking.queries import only, query


def test_a_finished_run_arrives_whole(tmp_path: Path, uri: str) -> None:
    cell = make_cell(seed=2, arm="dots", axis_point={"train.steps": 5}, train={"steps": 5})
    run_dir, labels = make_run(tmp_path / "runs", cell, steps=5)
    assert deliver(run_dir, labels, uri, final=True)
    record = only(read_runs("study", uri))
    assert (record.identity, record.arm, record.model, record.dataset) == ("dots-2", "dots", "tiny-96x2", "arithmetic")
    assert (record.seed, record.axis_point, record.status) == (2, {"train.steps": 5}, "finished")
    assert record.params["train.steps"] == "5"
    assert record.params["model.tiny.width"] == "96"
    assert record.params["seed"] == "2"
    assert not any(name in record.params for name in ("arm", "spec", "replay", "dataset.hub"))
    assert record.metrics["train/m1"] == Series([0, 1, 2, 3, 4], [s + 0.01 for s in range(5)])
    assert record.metrics["eval/accuracy"].values[-1] == 0.54
    assert [row["step"] for row in record.jsonl("metrics.jsonl")] == [0, 1, 2, 3, 4]
    assert record.json("done.json")["summary"] == {"steps": 5}
    assert record.json("nothing.json") is None
    assert record.ended is not None and 0 <= record.ended - record.started < 60


def test_runs_are_nested_under_a_parent_per_arm_that_holds_what_its_seeds_share(tmp_path: Path, uri: str) -> None:
    for arm, seed in (("full", 0), ("full", 1), ("random", 0)):
        selection = {"method": "random"} if arm == "random" else {"method": "uniform"}
        run_dir, labels = make_run(tmp_path / "runs", make_cell(seed, arm, selection=selection))
        assert deliver(run_dir, labels, uri, final=True)
    runs = open_client(uri).search_runs(["1"])
    parents = {run.info.run_id: run for run in runs if run.data.tags["repro.kind"] == "arm"}
    children = [run for run in runs if run.data.tags["repro.kind"] == "cell"]
    assert sorted(run.info.run_name for run in parents.values()) == ["full", "random"]
    assert sorted(run.info.run_name for run in children) == ["full seed 0", "full seed 1", "random seed 0"]
    for run in children:
        parent = parents[run.data.tags["mlflow.parentRunId"]]
        assert parent.data.tags["repro.arm"] == run.data.tags["repro.arm"]
        assert {k: v for k, v in run.data.params.items() if k != "seed"} == parent.data.params


def test_delivering_again_adds_nothing_and_delivering_in_between_loses_nothing(tmp_path: Path, uri: str) -> None:
    run_dir, labels = make_run(tmp_path / "runs", make_cell(), steps=0, finish=False)
    journal = Journal(run_dir)
    for step in range(6):
        log_steps(journal, range(step, step + 1))
        if step % 2:
            assert deliver(run_dir, labels, uri)
            assert only(read_runs("study", uri)).status == "running"
    journal.finish({})
    for _ in range(3):
        assert deliver(run_dir, labels, uri, final=True)
    assert only(read_runs("study", uri)).status == "finished"
    assert query(uri, "SELECT count(*) FROM metrics") == [(6 * 4,)]
    assert query(uri, "SELECT count(*) FROM runs") == [(2,)]


def test_a_lost_cursor_duplicates_neither_runs_nor_metrics(tmp_path: Path, uri: str) -> None:
    """As after a kill between the store's commit and the cursor's write."""
    run_dir, labels = make_run(tmp_path / "runs", make_cell(), steps=4)
    assert deliver(run_dir, labels, uri, final=True)
    for cursor in (run_dir / "delivery").iterdir():
        cursor.unlink()
    assert deliver(run_dir, labels, uri, final=True)
    assert query(uri, "SELECT count(*) FROM metrics") == [(4 * 4,)]
    assert query(uri, "SELECT count(*) FROM runs") == [(2,)]


@pytest.mark.parametrize("sent", [0, 1], ids=["of the parent", "of the run"])
def test_params_that_a_kill_kept_out_of_a_run_are_sent_by_the_next_delivery(
    tmp_path: Path, uri: str, monkeypatch: pytest.MonkeyPatch, sent: int
) -> None:
    from mlflow import MlflowClient

    run_dir, labels = make_run(tmp_path / "runs", make_cell())
    send, batches = MlflowClient.log_batch, iter(range(9))

    def killed(*args: Any, **fields: Any) -> None:
        if fields.get("params") and next(batches) == sent:
            raise KeyboardInterrupt
        send(*args, **fields)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(MlflowClient, "log_batch", killed)
        deliver(run_dir, labels, uri, final=True)
    assert deliver(run_dir, labels, uri, final=True)
    runs = {run.data.tags["repro.kind"]: run.data.params for run in open_client(uri).search_runs(["1"])}
    assert runs["cell"]["seed"] == "0" and runs["cell"]["train.steps"]
    assert {name: value for name, value in runs["cell"].items() if name != "seed"} == runs["arm"]


def test_after_a_resume_the_redone_steps_replace_the_delivered_ones(tmp_path: Path, uri: str) -> None:
    run_dir, labels = make_run(tmp_path / "runs", make_cell(), steps=4, finish=False)
    assert deliver(run_dir, labels, uri)
    journal = Journal(run_dir)
    journal.truncate(1)
    time.sleep(0.002)  # timestamps in the store are whole milliseconds
    for step in range(2, 6):
        journal.log(step, {"train/m0": 100 + step})
    assert deliver(run_dir, labels, uri)
    history = only(read_runs("study", uri)).metrics["train/m0"]
    assert history == Series([0, 1, 2, 3, 4, 5], [0, 1, 102, 103, 104, 105])


def test_large_files_are_zipped_and_many_metrics_are_sent_in_batches(tmp_path: Path, uri: str) -> None:
    run_dir, labels = make_run(tmp_path / "runs", make_cell(), steps=3, metrics=1200, finish=False)
    journal = Journal(run_dir)
    for step in range(400):
        ids = [f"problem-{i}" for i in range(200)]
        journal.record_step(step, chosen=ids, fresh=ids, pass_rate=[0.5] * 200)
    journal.finish({})
    assert (run_dir / "steps.jsonl").stat().st_size > 1_000_000
    assert deliver(run_dir, labels, uri, final=True)
    record = only(read_runs("study", uri))
    assert record.artifacts and (record.artifacts / "steps.jsonl.gz").stat().st_size < 200_000
    assert len(record.jsonl("steps.jsonl")) == 400
    assert len(record.metrics) == 1201
    assert record.metrics["train/m1199"].steps == [0, 1, 2]


def test_nan_and_infinity_survive_the_store(tmp_path: Path, uri: str) -> None:
    run_dir, labels = make_run(tmp_path / "runs", make_cell(), steps=0, finish=False)
    Journal(run_dir).log(0, {"a": math.nan, "b": math.inf, "c": -math.inf})
    assert deliver(run_dir, labels, uri)
    metrics = only(read_runs("study", uri)).metrics
    assert math.isnan(metrics["a"].values[0])
    assert (metrics["b"].values, metrics["c"].values) == ([math.inf], [-math.inf])


def test_one_training_is_told_to_two_studies_and_to_two_stores(tmp_path: Path, uri: str) -> None:
    run_dir, labels = make_run(tmp_path / "runs", make_cell())
    other = Labels("other", "baseline", labels.model, labels.dataset, labels.seed)
    second = f"sqlite:///{tmp_path}/second.db"
    assert deliver(run_dir, labels, uri, final=True)
    assert deliver(run_dir, other, uri, final=True)
    assert deliver(run_dir, labels, second, final=True)
    assert only(read_runs("study", uri)).identity == only(read_runs("other", uri)).identity
    assert only(read_runs("other", uri)).arm == "baseline"
    assert only(read_runs("study", second)).metrics == only(read_runs("study", uri)).metrics


def test_a_changed_arm_gets_a_parent_of_its_own_and_runs_can_be_asked_for_by_identity(tmp_path: Path, uri: str) -> None:
    old, labels = make_run(tmp_path / "runs", make_cell())
    assert deliver(old, labels, uri, final=True)
    journal = Journal(tmp_path / "runs" / "new")
    journal.start(make_cell(train={"steps": 7}), "new")
    log_steps(journal, range(2))
    journal.finish({})
    assert deliver(journal.run_dir, labels, uri, final=True)
    records = read_runs("study", uri)
    assert len({record.parent_id for record in records}) == 2
    assert only(read_runs("study", uri, identities=["new"])).params["train.steps"] == "7"


def test_a_run_that_is_trained_anew_loses_what_its_first_training_left(tmp_path: Path, uri: str) -> None:
    """The folder is removed, as the message of a failure tells, and with it what it knows of the store."""
    cell = make_cell()
    run_dir, labels = make_run(tmp_path / "runs", cell, finish=False)
    warning = {"kind": "nan", "step": 1, "text": "the loss is NaN"}
    Journal(run_dir).write_json("health.json", {"warnings": [warning], "stopped": None})
    Journal(run_dir).fail("UserError: the loss is NaN")
    assert deliver(run_dir, labels, uri, final=True)
    first = only(read_runs("study", uri))
    assert first.artifacts and (first.artifacts / "health.json").exists()
    (first.artifacts / "notes.json").write_text("{}")  # somebody's own
    shutil.rmtree(run_dir)
    make_run(tmp_path / "runs", cell)
    assert deliver(run_dir, labels, uri, final=True)
    again = only(read_runs("study", uri))
    assert again.run_id == first.run_id and again.status == "finished"
    assert again.artifacts and (again.artifacts / "notes.json").exists()
    assert not {"error.txt", "health.json"} & {path.name for path in again.artifacts.iterdir()}
    assert "repro.warnings" not in open_client(uri).get_run(again.run_id).data.tags


def test_reading_runs_of_a_file_asks_nothing_of_mlflow(
    tmp_path: Path, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed in range(3):
        run_dir, labels = make_run(tmp_path / "runs", make_cell(seed), steps=40, metrics=8)
        assert deliver(run_dir, labels, uri, final=True)
    calls: list[str] = []
    mlflow_client = type(open_client(uri))
    for name in ("search_runs", "get_metric_history", "get_run", "get_experiment_by_name"):
        original = getattr(mlflow_client, name)
        monkeypatch.setattr(
            mlflow_client, name, lambda *a, _n=name, _o=original, **k: (calls.append(_n), _o(*a, **k))[1]
        )
    records = read_runs("study", uri)
    assert calls == []
    assert [record.seed for record in records] == list(range(3))
    assert all(len(record.metrics["train/m7"].steps) == 40 for record in records)


def test_where_the_store_is_comes_from_the_argument_then_the_environment_then_the_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert resolve_store() == f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000/")
    assert resolve_store() == "http://127.0.0.1:5000"
    assert resolve_store("sqlite:///a/b.db") == f"sqlite:///{tmp_path}/a/b.db"
    assert public_address("https://me:secret@host:1/x") == "https://host:1/x"


def test_a_password_in_the_address_is_not_written_to_the_run_directory(tmp_path: Path) -> None:
    run_dir, labels = make_run(tmp_path / "runs", make_cell())
    assert not deliver(run_dir, labels, "http://me:hunter2@127.0.0.1:9", final=True)
    text = "".join(path.read_text() for path in run_dir.rglob("*") if path.is_file())
    assert "hunter2" not in text


def test_reading_says_what_is_missing(tmp_path: Path, uri: str) -> None:
    with pytest.raises(UserError, match=r"no MLflow store at .*none\.db.*python -m repro run"):
        read_runs("study", f"sqlite:///{tmp_path}/none.db")
    assert not (tmp_path / "none.db").exists(), "reading creates no store"
    run_dir, labels = make_run(tmp_path / "runs", make_cell())
    assert deliver(run_dir, labels, uri, final=True)
    with pytest.raises(UserError, match="did you mean 'study'"):
        read_runs("studi", uri)


def test_a_run_that_has_not_begun_is_no_error(tmp_path: Path, uri: str) -> None:
    assert deliver(tmp_path / "runs" / "none", Labels("study", "a", "m", "d", 0), uri)
    assert query(uri, "SELECT count(*) FROM runs") == [(0,)]
