"""Delivery to a real MLflow server: while it is down training goes on, when it is up everything arrives."""

from __future__ import annotations

import math
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import requests

from repro.tracking import series
from repro.tracking.aggregate import aggregate
from repro.tracking.client import open_client
from repro.tracking.journal import Journal
from repro.tracking.labels import Labels
from repro.tracking.read import read_runs
from repro.tracking.store import deliver
from repro.tracking.study_run import record_report
from repro.training.job import run_job
from tests.tracking.helpers import log_steps, make_cell, make_run
from tests.tracking.test_mlflow_views import CELL, one_run
from tests.tracking.test_study_run import content, write_report


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def server(folder: Path, port: int, store: str) -> Iterator[None]:
    command = [sys.executable, "-m", "mlflow", "server", "--workers", "1", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--backend-store-uri", store, "--artifacts-destination", str(folder / "artifacts")]
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (folder / "server.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, cwd=folder)
    try:
        for _ in range(900):  # a busy machine takes its time
            try:
                if requests.get(f"http://127.0.0.1:{port}/health", timeout=1).ok:
                    break
            except requests.RequestException:
                time.sleep(0.2)
            assert process.poll() is None, (folder / "server.log").read_text()
        else:
            pytest.fail(f"the server does not come up: {(folder / 'server.log').read_text()}")
        yield
    finally:
        for child in psutil.Process(process.pid).children(recursive=True):
            child.kill()
        process.kill()
        process.wait()


def run_of(address: str) -> str:
    """The id of the only run of a seed on a server."""
    (run,) = open_client(address).search_runs(["1"], "tags.`repro.kind` = 'cell'")
    return str(run.info.run_id)


def test_a_server_that_comes_up_late_gets_everything(
    tmp_path: Path, uri: str, caplog: pytest.LogCaptureFixture
) -> None:
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    run_dir, labels = make_run(tmp_path / "runs", make_cell(), steps=3, finish=False)
    journal = Journal(run_dir)
    started = time.perf_counter()
    assert not deliver(run_dir, labels, address)
    log_steps(journal, range(3, 5))
    assert not deliver(run_dir, labels, address)
    assert time.perf_counter() - started < 20, "a dead server does not stall training (imports included)"
    assert [record.levelname for record in caplog.records].count("WARNING") == 1

    journal.log(5, {"train/m0": math.nan, "train/m1": math.inf})
    for step in range(150):
        ids = [f"problem-{i}" for i in range(600)]
        journal.record_step(step, chosen=ids, fresh=ids, pass_rate=[0.5] * 600)
    with server(tmp_path, port, uri):
        assert deliver(run_dir, labels, address)
        journal.fail("out of luck")
        assert deliver(run_dir, labels, address, final=True)
        assert "error.txt" in {item.path for item in open_client(address).list_artifacts(run_of(address))}
        journal.finish({"accuracy": 0.54})
        assert deliver(run_dir, labels, address, final=True)
        second, second_labels = make_run(tmp_path / "runs", make_cell(seed=1), steps=5)
        assert deliver(second, second_labels, address, final=True)
        assert aggregate("study", address)

        first, other = read_runs("study", address, cache_dir=tmp_path / "cache")
        assert (first.seed, other.seed) == (0, 1)
        assert (first.status, other.status) == ("finished", "finished")
        assert first.metrics["eval/accuracy"].values == pytest.approx([0.5, 0.51, 0.52, 0.53, 0.54], abs=0)
        assert first.metrics["train/m0"].steps == [0, 1, 2, 3, 4, 5]
        assert math.isnan(first.metrics["train/m0"].values[-1])
        assert first.metrics["train/m1"].values[-1] == math.inf
        assert first.artifacts and (first.artifacts / "steps.jsonl.gz").exists()
        assert not (first.artifacts / "error.txt").exists() and not first.altered()
        assert len(first.jsonl("steps.jsonl")) == 150
        copied = (first.artifacts / "done.json").stat().st_mtime_ns
        again = read_runs("study", address, cache_dir=tmp_path / "cache")[0]
        assert again.artifacts and (again.artifacts / "done.json").stat().st_mtime_ns == copied, "files are copied once"

        parent = open_client(address).get_run(str(first.parent_id))
        assert parent.data.metrics["seeds/n"] == 2
        assert parent.data.metrics["seeds/accuracy_mean"] == pytest.approx(0.54)
        assert parent.data.tags["repro.children"] == "2"


@pytest.mark.slow
def test_a_server_shows_datasets_models_completions_and_the_report_of_a_study(
    tmp_path: Path, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)  # away while the job runs
    run_job(CELL, "v0-0", Path("runs/v0-0"), Path("runs"))
    report = write_report(tmp_path / "report", report_html="page", tables__cost_csv="1,2")
    with server(tmp_path, port, uri):
        for _ in range(2):  # the second adds nothing
            assert deliver(Path("runs/v0-0"), Labels.of(CELL), address, final=True)
            assert aggregate("study", address)
            assert record_report("study", report, address)
        client, run = open_client(address), one_run(address)
        datasets = {one.tags[0].value: one.dataset for one in run.inputs.dataset_inputs}
        names = {context: one.name for context, one in datasets.items()}
        assert names == {"training": "arithmetic train", "evaluation": "arithmetic test, first 12"}
        (output,) = run.outputs.model_outputs
        model = client.get_logged_model(output.model_id)
        assert (str(model.status), model.source_run_id) == ("READY", run.info.run_id)
        assert model.params["policy"] == "runs/v0-0/policy"
        evaluated = [(one.value, one.dataset_name) for one in model.metrics if one.key == series.ACCURACY]
        assert evaluated == [(run.data.metrics[series.ACCURACY], "arithmetic test, first 12")]
        assert any(name.startswith("system/") for name in run.data.metrics)
        table = client.load_table("1", "completions.json", run_ids=[run.info.run_id])
        assert set(table.step) == {1, 2} and len(table) == 2 * 4 * CELL.evaluate.samples
        (record,) = read_runs("study", address, cache_dir=tmp_path / "cache")
        assert record.status == "finished" and not record.altered()
        study = one_run(address, "study")
        assert content(address, study) == {"report.html": "page", "tables/cost.csv": "1,2"}
        (report / "tables" / "cost.csv").unlink()
        assert record_report("study", write_report(report, report_html="page 2"), address)
        assert content(address, one_run(address, "study")) == {"report.html": "page 2"}, "nothing of the one before"
