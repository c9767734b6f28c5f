"""SLURM's launcher on submitit's executor for one machine: every end of a job, preemption, time limits, real cells."""

from __future__ import annotations

import itertools
import os
import signal
from pathlib import Path

import psutil
import pytest

from repro.files import read_json, read_jsonl
from repro.launch import supervisor
from repro.launch.launchers.slurm import Slurm
from repro.launch.launchers.slurm.job import SlurmJob
from repro.launch.protocol import Outcome, Task
from tests.launch import jobs
from tests.launch.test_pool import Notes, tasks_of


def run(tasks: list[Task], notes: Notes | None = None, **slurm: int) -> list[Outcome]:
    where = Slurm(jobs=2, slurm={"executor": "local", **slurm})
    return where.launcher(tasks[0].run_dir.parent, target=jobs.job).run(tasks, notes or Notes())


def test_jobs_end_as_in_the_pool_two_at_a_time_and_what_is_mended_goes_on(tmp_path: Path) -> None:
    tasks = tasks_of(tmp_path, "slow", "slow", "raises", "oom")
    notes = Notes()
    outcomes = run(tasks, notes)
    assert [outcome.end for outcome in outcomes] == ["finished", "finished", "failed", "failed"]
    assert outcomes[2].reason == "dataset.path: no such file"
    assert "SIGKILL" in outcomes[3].reason and "memory" in outcomes[3].reason
    assert sorted(notes.lines) == sorted(
        [f"started {task.identity}" for task in tasks] + [f"{o.end} {o.task.identity}" for o in outcomes]
    )
    at_work = itertools.accumulate(1 if line.startswith("started") else -1 for line in notes.lines)
    assert max(at_work) == 2

    (tmp_path / "healed").touch()
    assert [outcome.end for outcome in run(tasks)] == ["finished"] * 4
    for task in tasks:
        assert [row["step"] for row in read_jsonl(task.run_dir / "metrics.jsonl")] == list(range(jobs.STEPS))
    assert "from step 4" in (tasks[3].run_dir / "job.log").read_text()


def test_a_preempted_job_is_requeued_and_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    (task,) = tasks_of(tmp_path, "hangs")
    preempted = []

    def preempt() -> None:
        if preempted or not list(tmp_path.glob("child-*")):
            return
        (tmp_path / "healed").touch()
        controller = psutil.Process(int(read_json(task.run_dir / "order.json")["name"]))
        (submitted,) = controller.children()
        preempted.append(submitted.pid)
        for process in (submitted, *submitted.children()):  # as SLURM does: every process of the job is told
            os.kill(process.pid, signal.SIGUSR2)

    notes = Notes(preempt)
    (outcome,) = run([task], notes)
    assert outcome.end == "finished"
    assert notes.lines == [
        "started hangs-0",
        "retried hangs-0: sent back to the queue",
        "started hangs-0",
        "finished hangs-0",
    ]
    assert read_json(task.run_dir / "launch.json")["attempts"] == 2
    assert [row["step"] for row in read_jsonl(task.run_dir / "metrics.jsonl")] == list(range(jobs.STEPS))
    log = (task.run_dir / "job.log").read_text()
    assert "from step 0" in log and "from step 4" in log
    child = int(next(tmp_path.glob("child-*")).name.split("-")[1])
    assert jobs.gone(child)


def test_a_job_whose_time_runs_out_too_often_says_which_limit_to_raise(tmp_path: Path) -> None:
    (task,) = tasks_of(tmp_path, "hangs")
    (outcome,) = run([task], time=1, signal_delay=55, timeouts=0)  # told after five seconds
    assert outcome.end == "failed"
    assert "raise --slurm time or --slurm timeouts" in outcome.reason


def test_a_job_that_cannot_see_the_runs_of_the_launcher_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "VISIBLE", 0.2)
    order = {"run_dir": str(tmp_path / "elsewhere"), "ticket": "1", "cwd": str(tmp_path)}
    assert SlurmJob(order)() == supervisor.EXIT_NOT_SHARED
    assert not (tmp_path / "elsewhere").exists()
