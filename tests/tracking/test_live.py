"""A store that hangs, refuses or is locked costs a job and a command a few seconds in all."""

from __future__ import annotations

import io
import json
import os
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from repro.launch import delivery as delivery_module
from repro.launch.delivery import MetricsDelivery
from repro.launch.launchers.local import Local
from repro.launch.launchers.local import pool as pool_module
from repro.launch.run import run_study
from repro.study.load import load_spec
from repro.tracking import client as client_module
from repro.tracking.client import away_errors, open_client
from repro.tracking.journal import Journal
from repro.tracking.labels import Labels
from repro.tracking.live import LiveDelivery
from repro.tracking.read import read_runs
from tests.launch import jobs
from tests.tracking.helpers import log_steps, make_cell, make_run

SPEC = "name: trial\nmodel: tiny\ndataset: arithmetic\ntrain: {steps: 8}\narms: {full: {}}\nseeds: [0, 1]\n"


@pytest.fixture
def hanging() -> Iterator[str]:
    """The address of a server that accepts connections and never answers."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(100)
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture(autouse=True)
def imported() -> None:
    """Importing MLflow takes longer than what is measured here."""
    away_errors()
    from mlflow import MlflowClient  # noqa: F401


def test_a_job_waits_a_few_seconds_in_all_for_a_store_that_hangs(tmp_path: Path, hanging: str) -> None:
    run_dir, labels = make_run(tmp_path / "runs", make_cell(), steps=1, finish=False)
    delivery, began = LiveDelivery(run_dir, labels, hanging), time.monotonic()
    for step in range(1, 6):
        log_steps(Journal(run_dir), range(step, step + 1))
        delivery.send()
    delivery.send(final=True)
    assert 1 < time.monotonic() - began < 5
    began = time.monotonic()
    for _ in range(20):
        delivery.send()
    assert time.monotonic() - began < 1, "it does not wait any more"


def test_a_job_does_not_wait_for_a_store_that_another_program_has_locked(tmp_path: Path, uri: str) -> None:
    open_client(uri)
    run_dir, labels = make_run(tmp_path / "runs", make_cell())
    delivery = LiveDelivery(run_dir, labels, uri)
    connection = sqlite3.connect(tmp_path / "mlflow.db", isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    began = time.monotonic()
    for _ in range(5):
        delivery.send()
    delivery.send(final=True)
    assert 1 < time.monotonic() - began < 5
    connection.execute("ROLLBACK")
    client_module._paused.clear()  # as in the launcher's process, which has met no lock
    left = MetricsDelivery(uri)
    left.send(run_dir, [labels])
    assert left.close(limit=30) == []
    assert read_runs("study", uri)[0].metrics["train/m0"].steps == [0, 1, 2]


def test_a_job_waits_for_a_file_that_takes_data(tmp_path: Path, uri: str) -> None:
    run_dir, labels = make_run(tmp_path / "runs", make_cell(), finish=False)
    delivery = LiveDelivery(run_dir, labels, uri)
    for step in range(3, 6):
        log_steps(Journal(run_dir), range(step, step + 1))
        delivery.send()
        assert read_runs("study", uri)[0].metrics["train/m0"].steps == list(range(step + 1))


def test_a_store_that_takes_many_runs_slowly_is_waited_for_and_one_that_takes_none_is_not(
    tmp_path: Path, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery_module, "IDLE", 2.5)
    monkeypatch.setattr(delivery_module, "TELL", 0.3)
    taken: list[Path] = []

    def slowly(run_dir: Path, *_: object, **__: object) -> bool:
        time.sleep(0.3)
        taken.append(run_dir)
        return run_dir.name != "refused"

    monkeypatch.setattr("repro.tracking.store.deliver", slowly)
    monkeypatch.setattr("repro.tracking.client.reach", lambda _: time.sleep(1.2))  # as if it were made
    monkeypatch.setattr(delivery_module, "STUCK", 1.0)
    lines: list[str] = []
    delivery, labels = MetricsDelivery(uri, lines.append), Labels.of(make_cell())
    runs = [tmp_path / str(number) for number in range(10)]
    for run_dir in runs:
        delivery.send(run_dir, [labels])
    assert delivery.close() == [] and taken == runs
    assert lines[0].startswith("delivering to the MLflow store: ") and lines[0].endswith(" to go")
    delivery = MetricsDelivery(uri)
    for _ in range(6):
        delivery.send(tmp_path / "refused", [labels])
    assert len(delivery.close()) == 6


def test_a_command_is_over_soon_and_says_what_is_not_delivered(
    tmp_path: Path, uri: str, hanging: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_module, "TICK", 0.05)
    (tmp_path / "trial.yaml").write_text(SPEC)
    loaded, place = load_spec(tmp_path / "trial.yaml"), Local(jobs=2, preload=jobs.PRELOAD)

    def run(store: str) -> tuple[int, str, float]:
        out, began = io.StringIO(), time.monotonic()
        code = run_study(
            loaded, tmp_path / "runs", place, store_uri=store, target=jobs.job, console=Console(file=out, width=100)
        )
        return code, " ".join(out.getvalue().split()), time.monotonic() - began

    code, text, _ = run(hanging)
    assert code == 1
    assert f"2 runs are finished but their metrics are not in the MLflow store {hanging}: v3-" in text
    assert text.endswith("; the same command delivers them") and text.count("no answer in 3 s") == 1
    code, _, seconds = run(hanging)
    assert code == 1 and seconds < 3 + 5, "nothing to train, one attempt"
    code, text, _ = run(uri)
    assert code == 0 and "mlflow ui" in text
    assert [record.status for record in read_runs("trial", uri)] == ["finished", "finished"]


def test_the_pause_after_a_refusal_grows_while_a_store_hangs(hanging: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "ANSWER_SECONDS", 0.6)
    pauses = []
    for _ in range(3):
        client_module.reach(hanging)
        _, pause = client_module._paused[hanging]
        began = time.monotonic()
        client_module.reach(hanging)
        assert time.monotonic() - began < 0.3, "during the pause nothing is tried"
        pauses.append(pause)
        client_module._paused[hanging] = (0.0, pause)
    assert pauses == [10, 20, 40]


@pytest.mark.slow
def test_a_real_cell_is_delivered_after_its_store_hung_and_again_after_a_move(tmp_path: Path, hanging: str) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "spec.yaml").write_text(
        "name: trial\nmodel: tiny\ndataset: {arithmetic: {}, limits: {train: 32, test: 8}}\nseeds: [0]\n"
        "train: {steps: 2, questions_per_step: 4, group_size: 4}\nevaluate: {every: 1, samples: 1}\n"
        "arms: {full: {}}\n"
    )

    def run(folder: Path, store: str = "") -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "repro", "run", "spec.yaml", "--report"]
        environment = {**os.environ, "MLFLOW_TRACKING_URI": store, "PYTHONPATH": str(Path(__file__).parents[2])}
        return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=280)

    project = tmp_path / "project"
    done = run(project, hanging)
    assert done.returncode == 1, done.stderr
    assert "1 run is finished but its metrics are not in the MLflow store" in done.stdout
    assert "no report: " in done.stdout and "Traceback" not in done.stdout + done.stderr
    done = run(project)
    assert done.returncode == 0 and "report: reports/trial" in done.stdout
    assert json.loads(next((project / "mlartifacts").rglob("done.json")).read_text())["summary"]

    project.rename(tmp_path / "moved")
    done = run(tmp_path / "moved")
    assert done.returncode == 0 and "report: reports/trial" in done.stdout, done.stderr
    assert not project.exists(), "nothing is written where the project was"
