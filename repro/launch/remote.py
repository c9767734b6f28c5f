"""What Ray and SLURM have in common: jobs are submitted as orders and followed through their run directories.

All machines see the runs folder under the same path (a shared file system). That is where a job's checkpoints lie, so
that another machine can go on from them, and where the live table reads the progress, as with the local pool.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from repro.files import read_object
from repro.launch import supervisor
from repro.launch.orders import Orders, write_down
from repro.launch.protocol import GRACE, Outcome, Signals, Task, Watcher, failed, outcome_of
from repro.launch.worker import EXIT_BUSY, EXIT_FAILED, Target
from repro.tracking.run_status import run_status

RETRY = 2.0  # seconds between looks at a cell that another command trains, and before a lost one goes out again


@dataclass(frozen=True)
class Result:
    """How an order ended, as far as its cluster reports it.

    One of: `code`, the exit code of the supervisor; `lost`, why it ended without one, where another attempt may succeed
    (its node died); `broken`, why it ended without one, where another attempt would end the same way.
    """

    code: int | None = None
    lost: str = ""
    broken: str = ""


@dataclass
class _Job:
    task: Task
    ticket: str
    handle: Any
    attempts: int = 0  # that have begun
    requeued: int = 0  # attempts after which it was sent back
    since: float = field(default_factory=time.monotonic)
    result: Result | None = None
    seen: float = 0.0  # when the result came
    killed: bool = False


class RemoteLauncher(ABC):
    """Runs tasks on other machines; see `repro.launch.protocol.Launcher`.

    The first Ctrl-C or SIGTERM asks the jobs to stop, the second (or the end of the grace) kills them. A job that is
    lost with its machine goes out again, up to `retries` times, and goes on from its checkpoint; a job that failed does
    not.

    Args:
        target, cores, store_uri: see `repro.launch.orders.Orders`.
        limit: at most so many orders are out at a time; None: all, the cluster has a queue.
    """

    name: str
    tick = 0.5  # seconds between looks at the jobs' progress

    def __init__(
        self,
        target: Target | None,
        runs_dir: Path,
        limit: int | None,
        *,
        cores: int,
        retries: int,
        fail_fast: bool = False,
        detach: bool = False,
        store_uri: str | None = None,
    ) -> None:
        self.orders = Orders(target, runs_dir, cores, store_uri)
        self.runs_dir, self.limit = runs_dir, limit
        self.jobs = limit or 10**6
        self.retries, self.fail_fast, self.detach = retries, fail_fast, detach
        self._signals = Signals()
        self._stopping = False
        self._kill_at = float("inf")
        self._lost: dict[str, int] = {}

    @property
    def interrupted(self) -> int | None:
        """The signal that asked the launcher to stop."""
        return self._signals.last

    # ------------------------------------------------------------ the cluster's part

    @abstractmethod
    def _submit(self, orders: Sequence[dict[str, Any]]) -> list[tuple[Any, str]]:
        """Submit orders; returns a handle and the cluster's name of each."""

    @abstractmethod
    def _result(self, handle: Any, task: Task) -> Result | None:
        """How an order ended, None while it is at work."""

    @abstractmethod
    def _cancel(self, handle: Any, kill: bool) -> None:
        """Ask for an end, or force it."""

    def _adopt(self, name: str) -> Any | None:
        """The handle of an order that an earlier command submitted, None where its job is no longer at work."""
        return None

    def _wait(self, handles: Sequence[Any]) -> None:
        """Let some time pass, at most `tick`."""
        time.sleep(self.tick)

    # ------------------------------------------------------------ running

    def run(self, tasks: Sequence[Task], watcher: Watcher) -> list[Outcome]:
        """Train what is not finished yet; outcomes in the order of the tasks."""
        outcomes: dict[str, Outcome] = {}
        pending, running = list(tasks), list[_Job]()
        not_before: dict[str, float] = {}

        def end(outcome: Outcome) -> None:
            outcomes[outcome.task.identity] = outcome
            watcher.ended(outcome)

        for task in tasks:
            job = self._adopted(task)
            if job is not None:
                pending.remove(task)
                running.append(job)
        with self._signals.counted():
            try:
                while running or (pending and not self._stopping):
                    due = self._due(pending, running, not_before)
                    for task in [task for task in due if run_status(task.run_dir) == "finished"]:
                        due.remove(task)
                        pending.remove(task)
                        end(Outcome(task, "finished"))
                    for task in [task for task in due if run_status(task.run_dir) == "running"]:
                        due.remove(task)
                        self._hold(task, not_before, watcher)
                    if due:
                        running += self._send(due)
                        pending = [task for task in pending if task not in due]
                    if self.detach and not self._stopping:
                        break
                    self._wait([job.handle for job in running])
                    for job in list(running):
                        self._look(job, watcher)
                        if not self._has_ended(job):
                            continue
                        running.remove(job)
                        outcome = self._outcome(job, watcher)
                        if outcome is not None:
                            end(outcome)
                            if outcome.end == "failed" and self.fail_fast and not self._stopping:
                                self._ask_to_stop(running, watcher)
                            continue
                        pending.insert(0, job.task)
                        not_before[job.task.identity] = time.monotonic() + RETRY
                    self._follow_signals(running, watcher)
                    watcher.tick()
            except BaseException:  # leave no job behind
                for job in running:
                    self._cancel(job.handle, kill=True)
                raise
        for job in running:
            end(Outcome(job.task, "submitted"))
        for task in tasks:
            if task.identity not in outcomes:
                end(Outcome(task, "not run"))
        return [outcomes[task.identity] for task in tasks]

    def _due(self, pending: list[Task], running: list[_Job], not_before: dict[str, float]) -> list[Task]:
        if self._stopping:
            return []
        now, free = time.monotonic(), len(pending) if self.limit is None else max(0, self.limit - len(running))
        return [task for task in pending if not_before.get(task.identity, 0.0) <= now][:free]

    @staticmethod
    def _hold(task: Task, not_before: dict[str, float], watcher: Watcher) -> None:
        if task.identity not in not_before:
            watcher.waiting(task)
        not_before[task.identity] = time.monotonic() + RETRY

    def _send(self, tasks: Sequence[Task]) -> list[_Job]:
        orders = []
        for task in tasks:
            order = self.orders.of(task)
            orders.append(order)
            write_down(task, order["ticket"], self.name, None)
        jobs = []
        for task, order, (handle, name) in zip(tasks, orders, self._submit(orders), strict=True):
            write_down(task, order["ticket"], self.name, name)
            jobs.append(_Job(task, order["ticket"], handle))
        return jobs

    def _adopted(self, task: Task) -> _Job | None:
        about = read_object(task.run_dir / "order.json")
        if about.get("launcher") != self.name or not about.get("name") or run_status(task.run_dir) == "finished":
            return None
        handle = self._adopt(about["name"])
        return None if handle is None else _Job(task, about["ticket"], handle)

    # ------------------------------------------------------------ how far a job is

    def _look(self, job: _Job, watcher: Watcher) -> None:
        """Pass on to the watcher what the supervisor wrote since the last look."""
        about = supervisor.read(job.task.run_dir / "launch.json")
        if about.get("ticket") != job.ticket:
            return
        if about["attempts"] > job.attempts:
            if job.attempts and job.requeued < about["attempts"] - 1:
                watcher.retried(job.task, "sent back to the queue")
                job.requeued = about["attempts"] - 1
            job.attempts = about["attempts"]
            job.since = time.monotonic()
            watcher.started(job.task)
        if about["state"] == "requeued" and job.requeued < job.attempts:
            job.requeued = job.attempts
            watcher.retried(job.task, "sent back to the queue")

    def _has_ended(self, job: _Job) -> bool:
        """Whether there is a result, and the file that goes with it has reached this machine."""
        if job.result is None:
            job.result, job.seen = self._result(job.handle, job.task), time.monotonic()
        if job.result is None:
            return False
        promised = {0: "done.json", EXIT_FAILED: "error.txt"}.get(-1 if job.result.code is None else job.result.code)
        late = time.monotonic() > job.seen + supervisor.VISIBLE
        return promised is None or late or (job.task.run_dir / promised).exists()

    def _outcome(self, job: _Job, watcher: Watcher) -> Outcome | None:
        """The outcome that a result means, None where the task has to be submitted again."""
        assert job.result is not None
        task, result, seconds = job.task, job.result, time.monotonic() - job.since
        if (task.run_dir / "done.json").exists():
            return Outcome(task, "finished", seconds)
        if result.broken:
            return failed(task, seconds, result.broken)
        if result.lost:
            if self._stopping:
                return Outcome(task, "stopped", seconds) if job.attempts else Outcome(task, "not run")
            lost = self._lost[task.identity] = self._lost.get(task.identity, 0) + 1
            if lost > self.retries:
                return failed(task, seconds, f"{result.lost}, {lost} times; --retries {self.retries} allows no more")
            watcher.retried(task, f"{result.lost}, retry {lost} of {self.retries}")
            return None
        if result.code == supervisor.EXIT_NOT_SHARED:
            where = "the machine of this job does not see it: --runs must lie on a file system that all machines share"
            return failed(task, seconds, f"{self.runs_dir}: {where}", lasting=True)
        if result.code == supervisor.EXIT_NO_FOLDER:
            text = f"{Path.cwd()}: no such directory on the machine of this job"
            return failed(task, seconds, text, lasting=True)
        outcome = outcome_of(task, result.code, seconds, self._stopping)
        if outcome is None:
            assert result.code == EXIT_BUSY
            watcher.waiting(task)
        return outcome

    # ------------------------------------------------------------ stopping

    def _follow_signals(self, running: list[_Job], watcher: Watcher) -> None:
        if self._signals.count and not self._stopping:
            self._ask_to_stop(running, watcher)
        elif self._stopping and (self._signals.count > 1 or time.monotonic() > self._kill_at):
            for job in running:
                if not job.killed:
                    self._cancel(job.handle, kill=True)
                    job.killed = True
                if time.monotonic() > self._kill_at + GRACE:  # the cluster does not answer: do not wait for ever
                    job.result = Result(lost="did not answer")

    def _ask_to_stop(self, running: list[_Job], watcher: Watcher) -> None:
        self._stopping = True
        self._kill_at = time.monotonic() + 1.5 * GRACE  # the supervisor itself waits for `GRACE`
        for job in running:
            self._cancel(job.handle, kill=False)
        watcher.stopping()
