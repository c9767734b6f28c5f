"""Stores and runs that are damaged, locked, removed or shared, and deliveries that were killed."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from repro.files import DamagedError
from repro.tracking import client as client_module
from repro.tracking import sent_files
from repro.tracking.address import resolve_store
from repro.tracking.client import open_client
from repro.tracking.journal import Journal
from repro.tracking.read import read_runs
from repro.tracking.store import deliver
from tests.tracking.helpers import make_cell, make_run
from tests.tracking.queries import only, query


def in_a_new_process(code: str, *arguments: str) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    command = [sys.executable, "-c", textwrap.dedent(code), *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)


@pytest.mark.parametrize(
    ("name", "change", "problem"),
    [
        ("metrics.jsonl", lambda data: data.replace(b'"step": 1', b'"step": 2', 1), "metrics.jsonl has changed"),
        ("metrics.jsonl", lambda data: data[:-9], "metrics.jsonl has"),
        ("environment.json", lambda data: data.replace(b":", b";", 1), "environment.json has changed"),
        ("cell.json", lambda data: b"[]", "cell.json"),
        ("done.json", lambda data: data[:40], "done.json is not whole"),
    ],
)
def test_a_damaged_run_is_its_own_problem_and_not_the_store_s(
    tmp_path: Path, uri: str, name: str, change: Callable[[bytes], bytes], problem: str
) -> None:
    run_dir, labels = make_run(tmp_path / "runs", make_cell(), steps=3)
    (run_dir / name).write_bytes(change((run_dir / name).read_bytes()))
    with pytest.raises(DamagedError, match=problem) as caught:
        deliver(run_dir, labels, uri, final=True)
    assert str(run_dir) in str(caught.value) and f"remove {run_dir / 'done.json'} and run the study" in str(
        caught.value
    )
    whole, labels = make_run(tmp_path / "runs", make_cell(seed=1), steps=3)
    assert deliver(whole, labels, uri, final=True)


def test_a_run_that_did_not_finish_and_has_a_damaged_row_is_told_to_run_again(tmp_path: Path, uri: str) -> None:
    run_dir, labels = make_run(tmp_path / "runs", make_cell(), steps=3, finish=False)
    path = run_dir / "metrics.jsonl"
    path.write_bytes(b"#" + path.read_bytes())
    with pytest.raises(DamagedError, match=r"metrics\.jsonl:1: not a JSON line") as caught:
        deliver(run_dir, labels, uri, final=True)
    assert "To mend it, run the study again" in str(caught.value)


@pytest.mark.parametrize("zipped", [False, True])
def test_a_damaged_copy_in_the_store_is_named_and_delivered_anew_as_its_message_says(
    tmp_path: Path, uri: str, zipped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sent_files, "ZIP_ABOVE", 0 if zipped else 10**6)
    run_dir, labels = make_run(tmp_path / "runs", make_cell(), steps=3)
    assert deliver(run_dir, labels, uri, final=True)
    record = only(read_runs("study", uri))
    assert record.artifacts is not None
    for name in ("metrics.jsonl", "done.json"):
        copy = record.artifacts / f"{name}{'.gz' if zipped else ''}"
        copy.write_bytes(b"[" + copy.read_bytes()[1:-5])
    for read in (lambda: record.jsonl("metrics.jsonl"), lambda: record.json("done.json")):
        with pytest.raises(DamagedError, match="full-0 is damaged"):
            read()
    shutil.rmtree(run_dir / "delivery")
    assert deliver(run_dir, labels, uri, final=True)
    again = only(read_runs("study", uri))
    assert len(again.jsonl("metrics.jsonl")) == 3 and again.json("done.json")["summary"] == {"steps": 3}


def test_what_a_killed_delivery_left_behind_is_removed_by_the_next(tmp_path: Path, uri: str) -> None:
    run_dir, labels = make_run(tmp_path / "runs", make_cell(), steps=2, finish=False)
    assert deliver(run_dir, labels, uri)
    (cursor,) = (run_dir / "delivery").iterdir()
    (cursor.parent / f".{cursor.name}.abc.tmp").touch()
    assert deliver(run_dir, labels, uri)
    assert list(cursor.parent.iterdir()) == [cursor]


def test_failed_and_killed_runs_say_so_and_recover(tmp_path: Path, uri: str) -> None:
    cell = make_cell()
    run_dir, labels = make_run(tmp_path / "runs", cell, finish=False)
    assert deliver(run_dir, labels, uri, final=True)
    assert only(read_runs("study", uri)).status == "killed"
    Journal(run_dir).fail("Traceback: out of luck")
    assert deliver(run_dir, labels, uri, final=True)
    record = only(read_runs("study", uri))
    assert record.status == "failed"
    assert record.artifacts and "out of luck" in (record.artifacts / "error.txt").read_text()
    Journal(run_dir).start(cell, "full-0")
    assert deliver(run_dir, labels, uri)
    assert only(read_runs("study", uri)).status == "running"
    Journal(run_dir).finish({})
    assert deliver(run_dir, labels, uri, final=True)
    record = only(read_runs("study", uri))
    assert record.status == "finished"
    assert record.artifacts and not (record.artifacts / "error.txt").exists(), "the last attempt did not fail"
    assert not record.altered()
    assert {run.info.status for run in open_client(uri).search_runs(["1"], "tags.`repro.kind` = 'cell'")} == {
        "FINISHED"
    }


def test_a_run_deleted_in_the_ui_is_delivered_again(tmp_path: Path, uri: str) -> None:
    run_dir, labels = make_run(tmp_path / "runs", make_cell())
    assert deliver(run_dir, labels, uri, final=True)
    open_client(uri).delete_run(only(read_runs("study", uri)).run_id)
    assert read_runs("study", uri) == []
    assert deliver(run_dir, labels, uri, final=True)
    assert only(read_runs("study", uri)).metrics["train/m0"].steps == [0, 1, 2]


def test_a_removed_store_is_noticed_at_once_and_made_anew_by_the_next_process(tmp_path: Path, uri: str) -> None:
    run_dir, labels = make_run(tmp_path / "runs", make_cell())
    assert deliver(run_dir, labels, uri, final=True)
    (tmp_path / "mlflow.db").unlink()
    assert not deliver(run_dir, labels, uri, final=True), "writing on would fill a file that nobody can open"
    code = f"""
        from repro.tracking.labels import Labels
        from repro.tracking.read import read_runs
        from repro.tracking.store import deliver
        assert deliver({str(run_dir)!r}, Labels("study", "full", "tiny-96x2", "arithmetic", 0), {uri!r}, final=True)
        assert read_runs("study", {uri!r})[0].metrics["train/m0"].steps == [0, 1, 2]
        import mlflow, threading
        assert mlflow.active_run() is None, "no global run"
        assert [t.name for t in threading.enumerate() if "elemetry" in t.name] == []
    """
    worker = in_a_new_process(code)
    output, _ = worker.communicate(timeout=60)
    assert (worker.returncode, output) == (0, ""), "and nothing is printed while the tables are made"


def test_a_locked_store_is_reported_once_and_filled_later(
    tmp_path: Path, uri: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "LOCK_SECONDS", 0.05)
    run_dir, labels = make_run(tmp_path / "runs", make_cell())
    with caplog.at_level(logging.WARNING), client_module.write_lock(resolve_store(uri), run_dir):
        assert not deliver(run_dir, labels, uri, final=True)
        assert not deliver(run_dir, labels, uri, final=True)
    assert [r.levelname for r in caplog.records] == ["WARNING"]
    assert "delivered later" in caplog.text
    assert deliver(run_dir, labels, uri, final=True)
    assert len(only(read_runs("study", uri)).metrics) == 4


def test_two_processes_at_once_make_one_parent_and_lose_no_metric(tmp_path: Path, uri: str) -> None:
    code = f"""
        import sys
        from pathlib import Path
        from repro.tracking.journal import Journal
        from repro.tracking.labels import Labels
        from repro.tracking.store import deliver
        from tests.tracking.helpers import log_steps, make_cell, make_run
        seed = int(sys.argv[1])
        run_dir, labels = make_run(Path({str(tmp_path / "runs")!r}), make_cell(seed), steps=0, finish=False)
        journal = Journal(run_dir)
        for step in range(8):
            log_steps(journal, range(step, step + 1), metrics=20)
            assert deliver(run_dir, labels, {uri!r})
        journal.finish({{}})
        assert deliver(run_dir, labels, {uri!r}, final=True)
    """
    for worker in [in_a_new_process(code, str(seed)) for seed in (0, 1)]:
        output, _ = worker.communicate(timeout=60)
        assert (worker.returncode, output) == (0, "")
    records = read_runs("study", uri)
    assert len(records) == 2 and len({record.parent_id for record in records}) == 1
    for record in records:
        assert len(record.metrics) == 21
        assert all(series.steps == list(range(8)) for series in record.metrics.values())
    assert query(uri, "SELECT count(*) FROM metrics") == [(2 * 8 * 21,)]
    assert query(uri, "SELECT count(*) FROM runs") == [(3,)]
