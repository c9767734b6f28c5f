"""The pool: every way a job can end, and what is left behind (nothing)."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from repro.files import read_json, read_jsonl
from repro.launch.launchers.local import pool as pool_module
from repro.launch.launchers.local.pool import Pool
from repro.launch.protocol import Outcome, Task
from repro.launch.worker import Target
from repro.tracking.run_status import run_lock, run_status
from tests.launch import jobs
from tests.tracking.helpers import make_cell


class Notes:
    """A watcher that writes down what it is told."""

    def __init__(self, on_tick: Callable[[], None] = lambda: None) -> None:
        self.lines: list[str] = []
        self.on_tick = on_tick

    def started(self, task: Task) -> None:
        self.lines.append(f"started {task.identity}")

    def waiting(self, task: Task) -> None:
        self.lines.append(f"waiting {task.identity}")

    def retried(self, task: Task, why: str) -> None:
        self.lines.append(f"retried {task.identity}: {why}")

    def ended(self, outcome: Outcome) -> None:
        self.lines.append(f"{outcome.end} {outcome.task.identity}")

    def stopping(self) -> None:
        self.lines.append("stopping")

    def tick(self) -> None:
        self.on_tick()


def tasks_of(runs: Path, *arms: str) -> list[Task]:
    cells = [make_cell(seed, arm) for seed, arm in enumerate(arms)]
    return [Task(cell, f"{cell.arm}-{cell.seed}", runs / f"{cell.arm}-{cell.seed}") for cell in cells]


def run(
    tasks: list[Task], jobs_at_once: int = 2, target: Target = jobs.job, notes: Notes | None = None, **options: bool
) -> list[Outcome]:
    runs = tasks[0].run_dir.parent
    return Pool(target, runs, jobs_at_once, preload=jobs.PRELOAD, **options).run(tasks, notes or Notes())


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "TICK", 0.05)
    monkeypatch.setattr(pool_module, "RETRY", 0.1)


def test_every_cell_is_trained_once_and_a_second_call_trains_nothing(tmp_path: Path) -> None:
    tasks = tasks_of(tmp_path, "a", "b", "c")
    assert [outcome.end for outcome in run(tasks)] == ["finished"] * 3
    before = {task.identity: (task.run_dir / "metrics.jsonl").read_bytes() for task in tasks}
    notes = Notes()
    assert [outcome.end for outcome in run(tasks, notes=notes)] == ["finished"] * 3
    assert not any(line.startswith("started") for line in notes.lines)
    assert before == {task.identity: (task.run_dir / "metrics.jsonl").read_bytes() for task in tasks}


def test_jobs_run_side_by_side_but_never_more_than_asked_for(tmp_path: Path) -> None:
    tasks = tasks_of(tmp_path, "slow", "slow", "slow", "slow")
    run(tasks, jobs_at_once=2)
    spans = []
    for task in tasks:
        times = [row["metrics"]["time"] for row in read_jsonl(task.run_dir / "metrics.jsonl")]
        spans.append((times[0], times[-1]))
    together = [sum(start <= moment <= end for start, end in spans) for moment, _ in spans]
    assert max(together) == 2


def test_failures_of_every_kind_are_explained_and_the_others_go_on(tmp_path: Path) -> None:
    tasks = tasks_of(tmp_path, "raises", "crashes", "oom", "exits", "fine")
    outcomes = run(tasks)
    assert [outcome.end for outcome in outcomes] == ["failed"] * 4 + ["finished"]
    raises, crashes, oom, exits, _ = outcomes
    assert raises.reason == "dataset.path: no such file"
    assert raises.error and "Traceback" in raises.error.read_text()
    assert "SIGSEGV" in crashes.reason
    assert crashes.error and "misbehave" in crashes.error.read_text(), "where it crashed, from the job's log"
    assert "SIGKILL" in oom.reason and "memory" in oom.reason
    assert "exit code 3" in exits.reason
    assert exits.error and "working on exits-3 from step 0" in exits.error.read_text()
    assert all(run_status(outcome.task.run_dir) == "failed" for outcome in outcomes[:4])

    (tmp_path / "healed").touch()
    assert [outcome.end for outcome in run(tasks)] == ["finished"] * 5
    for task in tasks:
        rows = read_jsonl(task.run_dir / "metrics.jsonl")
        assert [row["step"] for row in rows] == list(range(jobs.STEPS)), "goes on where it ended"
        assert not (task.run_dir / "error.txt").exists()
    assert "from step 4" in (tasks[2].run_dir / "job.log").read_text()


def test_a_cell_that_the_system_refuses_fails_with_one_line_that_names_the_place(tmp_path: Path) -> None:
    tasks = tasks_of(tmp_path, "disk full", "no room", "fine", "a file")
    tasks[3].run_dir.write_text("in the way")
    full, untold, fine, blocked = run(tasks)
    assert [one.end for one in (full, untold, fine, blocked)] == ["failed", "failed", "finished", "failed"]
    assert full.reason.startswith(f"{full.task.run_dir}: no space is left on the disk; free some space")
    assert "Traceback" in (full.task.run_dir / "job.log").read_text()
    assert f"could not write why to {untold.task.run_dir}" in untold.reason
    assert untold.error is not None and untold.error.exists()
    assert blocked.reason.startswith(f"{blocked.task.run_dir}: something is there already") and blocked.error is None
    assert tasks[3].run_dir.read_text() == "in the way"

    (tmp_path / "healed").touch()
    tasks[3].run_dir.unlink()
    assert [one.end for one in run(tasks)] == ["finished"] * 4


def test_a_job_that_returns_without_finishing_has_failed(tmp_path: Path) -> None:
    (outcome,) = run(tasks_of(tmp_path, "a"), target=jobs.lazy)
    assert outcome.end == "failed"
    assert "without having finished" in outcome.reason


def test_fail_fast_stops_the_others_and_starts_no_more(tmp_path: Path) -> None:
    tasks = tasks_of(tmp_path, "raises", "hangs", "c", "d")
    notes = Notes()
    outcomes = run(tasks, notes=notes, fail_fast=True)
    assert [outcome.end for outcome in outcomes] == ["failed", "stopped", "not run", "not run"]
    assert "stopping" in notes.lines
    assert run_status(tasks[1].run_dir) == "killed"
    assert run_status(tasks[3].run_dir) == "todo"


def test_nothing_that_a_job_started_outlives_it(tmp_path: Path) -> None:
    tasks = tasks_of(tmp_path, "raises", "hangs")
    run(tasks, fail_fast=True)
    children = [int(path.name.split("-")[1]) for path in tmp_path.glob("child-*")]
    deadline = time.monotonic() + 5
    while any(psutil.pid_exists(pid) for pid in children) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(psutil.pid_exists(pid) for pid in children)


def test_a_job_that_does_not_listen_is_killed_after_the_grace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "GRACE", 0.5)
    tasks = tasks_of(tmp_path, "deaf", "follows")  # the second fails once the first has stopped listening
    outcomes = run(tasks, fail_fast=True)
    assert [outcome.end for outcome in outcomes] == ["stopped", "failed"]


def test_a_cell_that_another_command_trains_is_waited_for_not_trained_twice(tmp_path: Path) -> None:
    tasks = tasks_of(tmp_path, "a", "b")
    lock = run_lock(tasks[0].run_dir)
    lock.acquire()
    (tasks[0].run_dir / "cell.json").write_text("{}")
    notes = Notes(lambda: lock.release() if "finished b-1" in notes.lines and lock.is_locked else None)
    outcomes = run(tasks, notes=notes)
    assert [outcome.end for outcome in outcomes] == ["finished"] * 2
    assert notes.lines.count("waiting a-0") == 1
    assert notes.lines.index("finished b-1") < notes.lines.index("started a-0")


def test_a_lock_taken_at_the_last_moment_sends_the_cell_back_to_the_queue(tmp_path: Path) -> None:
    """The status is free when the pool looks, but another trainer is faster."""
    (task,) = tasks_of(tmp_path, "a")
    lock = run_lock(task.run_dir)
    lock.acquire()  # no cell.json yet: the directory looks untouched
    notes = Notes(lambda: lock.release() if "waiting a-0" in notes.lines and lock.is_locked else None)
    (outcome,) = run([task], notes=notes)
    assert outcome.end == "finished"
    assert notes.lines == ["started a-0", "waiting a-0", "started a-0", "finished a-0"]


def test_what_a_job_prints_goes_to_its_log_with_all_attempts(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    tasks = tasks_of(tmp_path, "raises")
    run(tasks)
    (tmp_path / "healed").touch()
    run(tasks)
    log = (tasks[0].run_dir / "job.log").read_text()
    assert log.count("---- attempt of") == 2
    assert "UserError: dataset.path" in log
    assert capfd.readouterr() == ("", "")


def test_a_job_has_its_share_of_the_cores_a_group_and_no_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_module, "cores", lambda: 6)
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    (task,) = tasks_of(tmp_path, "a")
    run([task], jobs_at_once=2, target=jobs.report_environment)
    found = read_json(task.run_dir / "found.json")
    assert (found["omp"], found["cores"], found["group_leader"], found["stdin"]) == ("1", "3", True, "/dev/null")
    assert os.environ["OMP_NUM_THREADS"] == "5", "the launcher's own environment is put back"
    assert "printed past Python" in (task.run_dir / "job.log").read_text()


def test_with_cuda_devices_jobs_are_spawned_and_each_gets_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")  # nothing here touches CUDA: only what a job is told
    tasks = tasks_of(tmp_path, "a", "b")
    run(tasks, target=jobs.report_environment)
    found = [read_json(task.run_dir / "found.json") for task in tasks]
    assert sorted(each["gpu"] for each in found) == ["3", "5"]
    assert {each["parent"] for each in found} == {os.getpid()}, "a child of this process, not of a fork server"


def test_the_fork_server_has_imported_everything_and_started_no_thread(tmp_path: Path) -> None:
    """In a process of its own: only the first pool of a process chooses what the server imports."""
    code = f"""
        from pathlib import Path
        from repro.launch.launchers.local.pool import Pool
        from tests.launch import jobs
        from tests.launch.test_pool import Notes, tasks_of
        if __name__ == "__main__":
            tasks = tasks_of(Path({str(tmp_path)!r}), "a", "b")
            ticks = []
            Pool(jobs.report_environment, Path({str(tmp_path)!r}), 1).run(tasks, Notes(lambda: ticks.append(1)))
            assert len(ticks) > 4, "the display goes on while the server imports"
    """
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(code))
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    subprocess.run([sys.executable, str(script)], check=True, env=environment, timeout=120)
    for name in ("a-0", "b-1"):
        found = read_json(tmp_path / name / "found.json")
        assert found["preloaded"] == ["torch", "trl", "mlflow", "repro.training.job"]
        assert found["server_threads"] == 1, "a fork copies no thread: a pool made before it would never answer"
        assert found["torch_threads"] == 1, "whatever the number of cores"
