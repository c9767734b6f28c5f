"""Runs cells on this machine, each in a process of its own, so that a crash or a memory kill costs one cell."""

from __future__ import annotations

import multiprocessing
import signal
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing import resource_tracker
from multiprocessing.connection import wait
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from pathlib import Path

from repro import arithmetic
from repro.launch import worker
from repro.launch.devices import cores, gpus, gpus_of
from repro.launch.launchers.local.processes import (
    end_server_with_this_process,
    gone,
    kill,
    kill_group,
    kill_server,
    server_pid,
)
from repro.launch.protocol import GRACE, Outcome, Signals, Task, Watcher, failed, outcome_of
from repro.system_errors import explain
from repro.tracking.run_status import run_status

TICK = 0.5  # seconds between looks at the jobs' progress
RETRY = 2.0  # seconds between looks at a cell that another command trains
LOSSES = 3  # how often a cell goes on after the end of the fork server
DYING = 5.0  # seconds that a killed process is given to be gone
SERVER_ENDED = 255  # what multiprocessing gives for the exit code of a job whose fork server has ended


@dataclass
class _Running:
    task: Task
    process: BaseProcess
    slot: int
    server: int | None  # process id of the fork server; None where there is none
    since: float = field(default_factory=time.monotonic)


class Pool:
    """Runs tasks, `jobs` at a time.

    Jobs are forked from a server that has imported the heavy libraries (spawned where there is a CUDA device). They
    end when this process ends. The first Ctrl-C, SIGTERM or SIGHUP asks them to stop and waits up to `GRACE` seconds,
    the second kills them; what they have done is kept, and running the tasks again goes on from there. Where the
    server ends, as when memory runs out, a new one is started and its jobs go on from their checkpoints.

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
        self._losses: dict[str, int] = {}

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
                        if self._signals.count:
                            break
                        status = run_status(task.run_dir)
                        if status == "finished":
                            pending.remove(task)
                            end(Outcome(task, "finished"))
                        elif status == "running":
                            self._hold(task, not_before, watcher)
                        else:
                            pending.remove(task)
                            watcher.started(task)
                            job, outcome = self._start(context, task, running, watcher)
                            if job is not None:
                                running.append(job)
                            elif outcome is not None:
                                end(outcome)
                            else:
                                pending.insert(0, task)
                    if running:
                        wait([job.process.sentinel for job in running], timeout=TICK)
                    elif pending:
                        time.sleep(TICK)
                    for job in [job for job in running if not job.process.is_alive()]:
                        running.remove(job)
                        lost = self._server_ended(job)
                        outcome = self._lost(job.task, watcher, job.since) if lost else self._reap(job)
                        if outcome is None:
                            pending.insert(0, job.task)
                            if not lost:
                                self._hold(job.task, not_before, watcher)
                            continue
                        end(outcome)
                        if outcome.end == "failed" and self.fail_fast and not self._stopping:
                            self._ask_to_stop(running, watcher)
                    self._follow_signals(running, watcher)
                    watcher.tick()
            finally:
                for job in running:  # only after an exception here: leave no job behind
                    kill(job.process)
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

    def _start(
        self, context: BaseContext, task: Task, running: list[_Running], watcher: Watcher
    ) -> tuple[_Running | None, Outcome | None]:
        """The job, or how it ended before it began; (None, None) where it is to be tried again."""
        since = time.monotonic()
        try:
            task.run_dir.mkdir(parents=True, exist_ok=True)
            # What the last attempt showed must not be taken for this one's.
            (task.run_dir / "progress.json").unlink(missing_ok=True)
        except OSError as error:
            return None, failed(task, 0.0, explain(error, [task.run_dir]) or str(error))
        slot = next(slot for slot in range(self.jobs) if slot not in {job.slot for job in running})
        settings = {"cores": self.cores, "gpus": gpus_of(slot, self.processes), "lock_seconds": 1.0}
        process: BaseProcess = context.Process(  # type: ignore[attr-defined]
            target=worker.main,
            args=(self.target, task.cell, task.identity, task.run_dir, self.runs_dir, settings),
            name=task.identity,
            daemon=False,  # a job starts processes of its own, e.g. to verify answers
        )
        # The first start waits until the fork server has imported everything: the display must not stand still.
        errors: list[Exception] = []
        starter = threading.Thread(target=self._start_quietly, args=(process, errors))
        starter.start()
        while starter.is_alive():
            starter.join(TICK)
            watcher.tick()
            if self._signals.count and not running:  # do not wait until the server has imported everything
                kill_server(context)
        if self._signals.count and errors:
            return None, None
        if not errors:
            return _Running(task, process, slot, server_pid(context)), None
        if isinstance(errors[0], ConnectionError | EOFError):  # the server ended meanwhile
            return None, self._lost(task, watcher, since)
        if isinstance(errors[0], OSError):
            return None, failed(
                task, 0.0, f"the job could not be started: {explain(errors[0], [self.runs_dir]) or errors[0]}"
            )
        raise errors[0]

    def _start_quietly(self, process: BaseProcess, errors: list[Exception]) -> None:
        """Start a process (or the server that forks it) in which signals are blocked until it has its own group.

        The server keeps them blocked: a signal to the group of the launcher is the launcher's to follow.
        """
        signal.pthread_sigmask(signal.SIG_BLOCK, worker.LATER)  # of this thread; inherited
        resource_tracker.ensure_running()  # multiprocessing would start it now, and unblock signals with it
        signal.pthread_sigmask(signal.SIG_BLOCK, worker.LATER)
        with arithmetic.settled():  # some libraries make their thread pool, or choose their kernels, when imported
            try:
                process.start()
            except Exception as error:
                errors.append(error)

    @staticmethod
    def _server_ended(job: _Running) -> bool:
        """Whether a job counts as ended only because its fork server has ended; then it is killed for certain."""
        if job.server is None or job.process.exitcode != SERVER_ENDED or not gone(job.server, TICK):
            return False
        kill_group(job.process.pid)  # it may still train
        if job.process.pid is not None:
            gone(job.process.pid, DYING)
        job.process.close()
        return True

    def _lost(self, task: Task, watcher: Watcher, since: float) -> Outcome | None:
        """What becomes of a task whose fork server has ended: None where it is to be started again."""
        seconds = time.monotonic() - since
        if (task.run_dir / "done.json").exists():
            return Outcome(task, "finished", seconds)
        if self._stopping or self._signals.count:
            return Outcome(task, "stopped", seconds)
        lost = self._losses[task.identity] = self._losses.get(task.identity, 0) + 1
        what = "the process that starts the jobs was killed, which is often the system's answer when memory runs out"
        if lost > LOSSES:
            return failed(task, seconds, f"{what}, {lost} times")
        watcher.retried(task, f"{what}; the cell goes on from its last checkpoint")
        return None

    def _reap(self, job: _Running) -> Outcome | None:
        """The outcome of a process that has ended, None where another command turned out to train the cell."""
        job.process.join()
        code = job.process.exitcode
        kill_group(job.process.pid)  # what it left behind
        job.process.close()
        return outcome_of(job.task, code, time.monotonic() - job.since, self._stopping)

    # ------------------------------------------------------------ stopping

    def _follow_signals(self, running: list[_Running], watcher: Watcher) -> None:
        if self._signals.count and not self._stopping:
            self._ask_to_stop(running, watcher)
        if self._signals.count > 1 or time.monotonic() > self._kill_at:
            for job in running:
                kill(job.process)

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
        end_server_with_this_process()
        return context
