"""A finished study is not asked for run by run a second time, and whatever changed since is delivered."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

import pytest

from repro.launch.delivery import MetricsDelivery
from repro.tracking.read import read_runs
from tests.launch.test_run import run, study


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The runs that were offered to the store."""
    found: list[str] = []
    send = MetricsDelivery.send

    def noted(self: object, run_dir: Path, labels: object) -> None:
        found.append(run_dir.name)
        send(self, run_dir, labels)  # type: ignore[arg-type]

    monkeypatch.setattr(MetricsDelivery, "send", noted)
    return found


def test_a_finished_study_is_offered_once_and_again_where_something_changed(
    tmp_path: Path, empty_store: Path, asked: list[str]
) -> None:
    store = tmp_path / "mlflow.db"
    store.write_bytes(empty_store.read_bytes())
    uri, loaded, runs = f"sqlite:///{store}", study(tmp_path, seeds="[0]"), tmp_path / "runs"
    assert run(loaded, runs, uri)[0] == 0
    asked.clear()
    code, text = run(loaded, runs, uri)
    assert (code, asked) == (0, [])
    assert "2 finished before" in text
    assert "0.700" in text

    # A run that was deleted from the store by hand comes back.
    with contextlib.closing(sqlite3.connect(store)) as connection, connection:
        connection.execute("UPDATE runs SET lifecycle_stage = 'deleted' WHERE name = 'random seed 0'")
    assert run(loaded, runs, uri)[0] == 0
    assert len(asked) == 2
    assert len(read_runs("trial", uri)) == 2

    # A run whose files were written anew is looked at again.
    asked.clear()
    os.utime(next(runs.glob("v*-*")) / "metrics.jsonl", (1, 1))
    assert run(loaded, runs, uri)[0] == 0
    assert len(asked) == 2

    # Another store has nothing yet.
    asked.clear()
    other = tmp_path / "other.db"
    other.write_bytes(empty_store.read_bytes())
    assert run(loaded, runs, f"sqlite:///{other}")[0] == 0
    assert len(asked) == 2
    assert len(read_runs("trial", f"sqlite:///{other}")) == 2


@pytest.mark.parametrize(("keep", "left"), [("policy", []), ("checkpoints", ["checkpoint-4", "checkpoint-6"])])
def test_checkpoints_that_a_killed_job_left_are_removed_by_the_next_run(
    tmp_path: Path, empty_store: Path, keep: str, left: list[str]
) -> None:
    (tmp_path / "mlflow.db").write_bytes(empty_store.read_bytes())
    uri, runs = f"sqlite:///{tmp_path / 'mlflow.db'}", tmp_path / "runs"
    loaded = study(tmp_path, {"full": f"{{train: {{keep: {keep}}}}}"}, seeds="[0]")
    assert run(loaded, runs, uri)[0] == 0
    checkpoints = next(runs.glob("v*-*")) / "checkpoints"
    for step in (2, 4, 6):
        (checkpoints / f"checkpoint-{step}").mkdir(parents=True)
        (checkpoints / f"checkpoint-{step}" / "model.safetensors").write_bytes(b"x")
    (runs / "specs" / "trial.delivered.json").unlink()  # the run was killed before it noted that all is delivered
    assert run(loaded, runs, uri)[0] == 0
    assert sorted(path.name for path in checkpoints.iterdir()) == left

    # A spec that shares the run and keeps less takes nothing away.
    (runs / "specs" / "trial.delivered.json").unlink()
    assert run(study(tmp_path, {"full": "{train: {keep: record}}"}, seeds="[0]"), runs, uri)[0] == 0
    assert sorted(path.name for path in checkpoints.iterdir()) == left
