"""The report of a study as artifacts of a run of its own, read back through MLflow's client."""

from __future__ import annotations

import hashlib
import json
import logging
import sqlite3
from pathlib import Path

import pytest
from mlflow.entities import Run

from repro.tracking.aggregate import aggregate
from repro.tracking.client import open_client
from repro.tracking.read import read_runs
from repro.tracking.store import deliver
from repro.tracking.study_run import record_report
from tests.tracking.helpers import make_cell, make_run


def write_report(folder: Path, **files: str) -> Path:
    """A folder as a report writes it, with its manifest."""
    listed = {}
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        listed[path.relative_to(folder).as_posix()] = hashlib.sha256(text.encode()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps({"files": listed}))
    return folder


@pytest.fixture
def study(tmp_path: Path, uri: str) -> Path:
    """The folder of a report on a study that the store has."""
    run_dir, labels = make_run(tmp_path / "runs", make_cell())
    assert deliver(run_dir, labels, uri, final=True)
    return write_report(tmp_path / "report", report_html="page", tables__cost_csv="1,2", figures__cost_png="picture")


def study_runs(uri: str) -> list[Run]:
    return list(open_client(uri).search_runs(["1"], "tags.`repro.kind` = 'study'"))


def content(uri: str, run: Run) -> dict[str, str]:
    folder = Path(open_client(uri).download_artifacts(run.info.run_id, ""))
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_a_study_has_one_run_with_the_files_of_its_latest_report(study: Path, uri: str) -> None:
    assert record_report("study", study, uri)
    (run,) = study_runs(uri)
    assert run.info.status == "FINISHED" and run.info.run_name == "report of study"
    assert content(uri, run) == {"report.html": "page", "tables/cost.csv": "1,2", "figures/cost.png": "picture"}
    (study / "tables" / "cost.csv").unlink()
    write_report(study, report_html="page 2", figures__cost_png="picture")
    assert record_report("study", study, uri)
    (run,) = study_runs(uri)
    assert content(uri, run) == {"report.html": "page 2", "figures/cost.png": "picture"}, "nothing of the one before"


def test_the_same_report_again_writes_nothing_and_one_that_was_cut_short_is_mended(study: Path, uri: str) -> None:
    assert record_report("study", study, uri)
    path = Path(uri.removeprefix("sqlite:///"))
    before = path.read_bytes()
    assert record_report("study", study, uri)
    assert path.read_bytes() == before
    (run,) = study_runs(uri)
    with sqlite3.connect(path) as connection:  # killed after the run was made, before it was filled
        connection.execute("DELETE FROM tags WHERE key = 'repro.files'")
        connection.execute("UPDATE runs SET status = 'RUNNING' WHERE run_uuid = ?", (run.info.run_id,))
    (path.parent / "mlartifacts" / "study" / run.info.run_id / "artifacts" / "tables" / "cost.csv").unlink()
    assert record_report("study", study, uri)
    (run,) = study_runs(uri)
    assert run.info.status == "FINISHED" and "tables/cost.csv" in content(uri, run)


def test_the_run_of_a_study_is_no_arm_and_no_cell(study: Path, uri: str) -> None:
    assert record_report("study", study, uri)
    assert aggregate("study", uri)
    (run,) = study_runs(uri)
    assert run.data.metrics == {} and "repro.children" not in run.data.tags
    assert len(read_runs("study", uri)) == 1


def test_a_store_that_takes_no_data_is_a_warning(
    study: Path, uri: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError("read-only")

    monkeypatch.setattr("repro.tracking.client.open_client", refuse)
    with caplog.at_level(logging.WARNING):
        assert not record_report("study", study, uri)
    assert "the report is not in MLflow" in caplog.text and "read-only" in caplog.text
    monkeypatch.undo()
    assert record_report("study", study, uri)
    assert len(study_runs(uri)) == 1
