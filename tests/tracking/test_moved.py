"""A project that was copied or moved reads and writes its own store and files, never those it came from."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from repro.tracking.aggregate import aggregate
from repro.tracking.artifacts import run_place
from repro.tracking.client import open_client
from repro.tracking.journal import Journal
from repro.tracking.labels import Labels
from repro.tracking.read import read_runs
from repro.tracking.store import deliver
from tests.tracking.helpers import log_steps, make_cell, make_run


def content(folder: Path) -> dict[str, bytes]:
    """Every file below a folder; locks have no content that matters."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture
def project(tmp_path: Path, empty_store: Path) -> Path:
    """A project with a finished run, delivered, and one that goes on."""
    folder = tmp_path / "project"
    folder.mkdir()
    shutil.copyfile(empty_store, folder / "mlflow.db")
    for seed, finish in ((0, True), (1, False)):
        run_dir, labels = make_run(folder / "runs", make_cell(seed), finish=finish)
        assert deliver(run_dir, labels, f"sqlite:///{folder}/mlflow.db", final=True)
    return folder


@pytest.mark.parametrize("how", ["copied", "moved"])
def test_a_copy_reads_and_writes_only_itself(project: Path, tmp_path: Path, how: str) -> None:
    copy = tmp_path / "a copy, 100% mine"
    if how == "copied":
        shutil.copytree(project, copy)
    else:
        project.rename(copy)
    before = content(project)
    uri = f"sqlite:///{copy}/mlflow.db"
    records = read_runs("study", uri)
    assert [record.json("cell.json")["identity"] for record in records] == ["full-0", "full-1"]
    for record in records:
        assert record.artifacts and record.artifacts.is_relative_to(copy)
        assert record.path("metrics.jsonl") == record.artifacts / "metrics.jsonl"
    journal = Journal(copy / "runs" / "full-1")
    log_steps(journal, range(3, 5))
    journal.finish({})
    for seed in (0, 1):
        assert deliver(copy / "runs" / f"full-{seed}", Labels.of(make_cell(seed)), uri, final=True)
    new, labels = make_run(copy / "runs", make_cell(2))
    assert deliver(new, labels, uri, final=True)
    assert aggregate("study", uri)
    records = read_runs("study", uri)
    assert [(record.seed, record.status) for record in records] == [(0, "finished"), (1, "finished"), (2, "finished")]
    assert len(records[1].jsonl("metrics.jsonl")) == 5
    assert len({record.parent_id for record in records}) == 1, "the copy goes on with the runs it has"
    assert content(project) == before and (how == "copied") == project.exists()

    client = open_client(uri)
    for record in records:  # what MLflow's own pages show
        assert {item.path for item in client.list_artifacts(record.run_id)} >= {"cell.json", "metrics.jsonl"}
    text = "\n".join(sqlite3.connect(copy / "mlflow.db").iterdump())
    assert f"{project.as_uri()}/mlartifacts" not in text


def test_files_that_were_left_behind_are_delivered_again(project: Path) -> None:
    uri, run_dir = f"sqlite:///{project}/mlflow.db", project / "runs" / "full-1"
    shutil.rmtree(project / "mlartifacts")
    assert all(record.path("cell.json") is None for record in read_runs("study", uri))
    Journal(run_dir).finish({})
    assert deliver(run_dir, Labels.of(make_cell(1)), uri, final=True)
    assert read_runs("study", uri)[1].json("done.json") is not None


def test_where_a_runs_files_are_depends_on_who_chose_the_place(tmp_path: Path) -> None:
    store = tmp_path / "mlflow.db"
    here = tmp_path / "mlartifacts" / "study" / "abc" / "artifacts"
    assert run_place(store, "file:///old/place/mlartifacts/study/abc/artifacts") == here
    assert run_place(store, "/old/place/mlartifacts/study/abc/artifacts") == here
    assert run_place(store, "file:///data/chosen%20place/abc/artifacts") == Path("/data/chosen place/abc/artifacts")
    of_mlflow = "file:///old/mlruns/1/abc/artifacts"
    assert run_place(store, of_mlflow) == Path("/old/mlruns/1/abc/artifacts")
    (tmp_path / "mlruns" / "1" / "abc" / "artifacts").mkdir(parents=True)
    assert run_place(store, of_mlflow) == tmp_path / "mlruns" / "1" / "abc" / "artifacts"
    assert run_place(store, "s3://bucket/mlartifacts/study/abc/artifacts") is None
    assert run_place(None, "mlflow-artifacts:/1/abc/artifacts") is None
