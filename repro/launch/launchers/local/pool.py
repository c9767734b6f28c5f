"""Runs cells on this machine, each in a process of its own, so that a crash or a memory kill costs one cell."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from pathlib import Path

from repro import arithmetic
from repro.launch import worker
from repro.launch.devices import cores, gpus, gpus_of
from repro.launch.protocol import GRACE, Outcome, Signals, Task, Watcher, outcome_of
from repro.tracking.journal import run_status

TICK = 0.5  # seconds between looks at the jobs' progress
RETRY = 2.0  # seconds between looks at a cell that another command trains


@dataclass
class _Running:
    task: Task
    process: BaseProcess
    slot: int
    since: float = field(default_factory=time.monotonic)


class Pool:
    """Runs tasks, `jobs` at a time.

    Jobs are forked from a server that has imported the heavy libraries (spawned where there is a CUDA device). They
    end when this process ends. The first Ctrl-C or SIGTERM asks them to stop and waits up to `GRACE` seconds, the
    second kills them; what they have done is kept, and running the tasks again goes on from there.

    Args:
        target: called in the job's process with (cell, identity, run_dir, runs_dir); must be importable by name.
        fail_fast: after a failure ask the other jobs to stop and start no more.
        processes: how many the target starts in a job; each gets its own GPU and its share of the cores.
        preload: modules that the fork server imports; only the first pool of a process can choose them.
    """

    def __init__(
        self,
        target: worker.Target,
        runs_dir: Path,
        jobs: int,
        *,
        fail_fast: bool = False,
        processes: int = 1,
        preload: Sequence[str] = ("repro.launch.launchers.local.preload",),
    ) -> None:
        if jobs < 1:
            raise ValueError(f"jobs must be at least 1, not {jobs}")
        self.target, self.runs_dir, self.jobs, self.fail_fast = target, runs_dir, jobs, fail_fast
        self.processes = processes
        self.cores = max(1, cores() // (jobs * processes))
        self.preload = list(preload)
        self._signals = Signals()
        self._stopping = False
        self._kill_at = float("inf")

    @property
    def interrupted(self) -> int | None:
        """The signal that asked the pool to stop."""
        return self._signals.last

    # ------------------------------------------------------------ running

    def run(self, tasks: Sequence[Task], watcher: Watcher) -> list[Outcome]:
        """Train what is not finished yet; outcomes in the order of the tasks."""
        outcomes: dict[str, Outcome] = {}
        pending = list(tasks)
        running: list[_Running] = []
        not_before: dict[str, float] = {}
        context = self._context()

        def end(outcome: Outcome) -> None:
            outcomes[outcome.task.identity] = outcome
            watcher.ended(outcome)

        with self._signals.counted():
            try:
                while running or (pending and not self._stopping):
                    for task in self._due(pending, not_before, self.jobs - len(running)):
                        status = run_status(task.run_dir)
                        if status == "finished":
                            pending.remove(task)
                            end(Outcome(task, "finished"))
                        elif status == "running":
                            self._hold(task, not_before, watcher)
                        else:
                            pending.remove(task)
                            watcher.started(task)
                            running.append(self._start(context, task, running, watcher))
                    if running:
                        wait([job.process.sentinel for job in running], timeout=TICK)
                    elif pending:
                        time.sleep(TICK)
                    for job in [job for job in running if not job.process.is_alive()]:
                        running.remove(job)
                        outcome = self._reap(job)
                        if outcome is None:
                            pending.insert(0, job.task)
                            self._hold(job.task, not_before, watcher)
                            continue
                        end(outcome)
                        if outcome.end == "failed" and self.fail_fast and not self._stopping:
                            self._ask_to_stop(running, watcher)
                    self._follow_signals(running, watcher)
                    watcher.tick()
            finally:
                for job in running:  # only after an exception here: leave no job behind
                    _kill(job.process)
        for task in tasks:
            if task.identity not in outcomes:
                end(Outcome(task, "not run"))
        return [outcomes[task.identity] for task in tasks]

    def _due(self, pending: list[Task], not_before: dict[str, float], free: int) -> list[Task]:
        if self._stopping:
            return []
        now = time.monotonic()
        return [task for task in pending if not_before.get(task.identity, 0.0) <= now][: max(0, free)]

    @staticmethod
    def _hold(task: Task, not_before: dict[str, float], watcher: Watcher) -> None:
        if task.identity not in not_before:
            watcher.waiting(task)
        not_before[task.identity] = time.monotonic() + RETRY

    def _start(self, context: BaseContext, task: Task, running: list[_Running], watcher: Watcher) -> _Running:
        task.run_dir.mkdir(parents=True, exist_ok=True)
        # What the last attempt showed must not be taken for this one's.
        (task.run_dir / "progress.json").unlink(missing_ok=True)
        slot = next(slot for slot in range(self.jobs) if slot not in {job.slot for job in running})
        settings = {"cores": self.cores, "gpus": gpus_of(slot, self.processes), "lock_seconds": 1.0}
        process: BaseProcess = context.Process(  # type: ignore[attr-defined]
            target=worker.main,
            args=(self.target, task.cell, task.identity, task.run_dir, self.runs_dir, settings),
            name=task.identity,
            daemon=False,  # a job starts processes of its own, e.g. to verify answers
        )
        # The first start waits until the fork server has imported everything: the display must not stand still.
        starter = threading.Thread(target=self._start_quietly, args=(process,))
        starter.start()
        while starter.is_alive():
            starter.join(TICK)
            watcher.tick()
        return _Running(task, process, slot)

    def _start_quietly(self, process: BaseProcess) -> None:
        """Start a process (or the server that forks it) in which Ctrl-C is blocked until it has its own group."""
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # of this thread; inherited
        with arithmetic.settled():  # some libraries make their thread pool, or choose their kernels, when imported
            process.start()

    def _reap(self, job: _Running) -> Outcome | None:
        """The outcome of a process that has ended, None where another command turned out to train the cell."""
        job.process.join()
        code = job.process.exitcode
        _kill_group(job.process.pid)  # what it left behind
        job.process.close()
        return outcome_of(job.task, code, time.monotonic() - job.since, self._stopping)

    # ------------------------------------------------------------ stopping

    def _follow_signals(self, running: list[_Running], watcher: Watcher) -> None:
        if self._signals.count and not self._stopping:
            self._ask_to_stop(running, watcher)
        if self._signals.count > 1 or time.monotonic() > self._kill_at:
            for job in running:
                _kill(job.process)

    def _ask_to_stop(self, running: list[_Running], watcher: Watcher) -> None:
        self._stopping = True
        self._kill_at = time.monotonic() + GRACE
        for job in running:
            job.process.terminate()
        watcher.stopping()

    # ------------------------------------------------------------ processes

    def _context(self) -> BaseContext:
        if gpus():  # CUDA must not be forked
            return multiprocessing.get_context("spawn")
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(self.preload)
        return context


def _kill(process: BaseProcess) -> None:
    _kill_group(process.pid)
    with contextlib.suppress(ProcessLookupError, ValueError):
        process.kill()  # its group may not exist yet


def _kill_group(pid: int | None) -> None:
    if pid is not None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
