"""What all launchers have in common: tasks, how they end, who watches them, and how Ctrl-C is counted."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Literal, Protocol

from repro.files import file_content, last_lines, read_object
from repro.launch import worker
from repro.launch.supervisor import GRACE
from repro.system_errors import explain
from repro.tracking.failure import is_mistake, reason_of
from repro.tracking.journal import Journal

__all__ = ["GRACE", "End", "Launcher", "Outcome", "Signals", "Task", "Watcher", "failed", "outcome_of"]

End = Literal["finished", "failed", "stopped", "not run", "submitted"]


@dataclass(frozen=True)
class Task:
    """One cell to train and where."""

    cell: Any
    identity: str
    run_dir: Path


@dataclass(frozen=True)
class Outcome:
    """How a task ended. `error` is the file with the traceback (None: it could not be written), `reason` its last line.

    `lasting`: the same command would fail the same way, until somebody changes what the reason names. `again`: the
    attempt before failed for the same reason. "submitted": it was handed to a cluster that works on without us.
    """

    task: Task
    end: End
    seconds: float = 0.0
    error: Path | None = None
    reason: str = ""
    lasting: bool = False
    again: bool = False


class Watcher(Protocol):
    """Is called when something happens to a task, always from the thread that runs the launcher."""

    def started(self, task: Task) -> None: ...
    def waiting(self, task: Task) -> None: ...
    def retried(self, task: Task, why: str) -> None:
        """An attempt was lost or sent back to the queue; `started` follows when the next one begins."""

    def ended(self, outcome: Outcome) -> None: ...
    def stopping(self) -> None: ...
    def tick(self) -> None: ...


class Launcher(Protocol):
    """Runs one set of tasks somewhere; see `repro.launch.where.Where.launcher`."""

    jobs: int  # at most so many run at a time; very large where a cluster decides

    @property
    def interrupted(self) -> int | None:
        """The signal that asked it to stop."""

    def run(self, tasks: Sequence[Task], watcher: Watcher) -> list[Outcome]:
        """Train what is not finished yet; outcomes in the order of the tasks."""


class Signals:
    """Counts Ctrl-C, SIGTERM and SIGHUP instead of being interrupted by them at any line."""

    def __init__(self) -> None:
        self.count = 0
        self.last: int | None = None

    @contextlib.contextmanager
    def counted(self) -> Iterator[None]:
        """Count from here to the end of the block; elsewhere than in the main thread nothing can be counted."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def count(signum: int, frame: FrameType | None) -> None:
            self.count += 1
            self.last = signum

        counted = [signal.SIGINT, signal.SIGTERM]
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # as under nohup
            counted.append(signal.SIGHUP)
        before = {number: signal.signal(number, count) for number in counted}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def outcome_of(task: Task, code: int | None, seconds: float, asked_to_stop: bool) -> Outcome | None:
    """What the end of a job's process means, None where another command turned out to train the cell.

    Args:
        code: its exit code, negative for a signal; None where it is unknown.
        seconds: how long it ran.
        asked_to_stop: whether the launcher had asked it to.
    """
    run_dir = task.run_dir
    if (run_dir / "done.json").exists():
        return Outcome(task, "finished", seconds)
    if code == worker.EXIT_BUSY:
        return None
    if asked_to_stop and code in (worker.EXIT_STOPPED, -signal.SIGKILL, -signal.SIGTERM):
        return Outcome(task, "stopped", seconds)
    if code in (worker.EXIT_STOPPED, -signal.SIGTERM):
        return Outcome(task, "stopped", seconds, reason="another program asked it to stop (SIGTERM)")
    if code != worker.EXIT_FAILED or not (run_dir / "error.txt").exists():
        return failed(task, seconds, _obituary(code, run_dir, seconds))
    return failed(task, seconds)


def failed(task: Task, seconds: float, why: str | None = None, lasting: bool = False) -> Outcome:
    """The outcome of a task whose failure is in its error.txt, or for the reason `why`, which is then written there."""
    error = task.run_dir / "error.txt"
    try:
        if why is not None:
            Journal(task.run_dir).fail(f"{why}\n")
        text = file_content(error).decode(errors="replace")
        return Outcome(task, "failed", seconds, error, reason_of(text), lasting or is_mistake(text))
    except OSError as refused:  # a full disk
        told = explain(refused, [task.run_dir]) or str(refused)
        return Outcome(task, "failed", seconds, None, f"{reason_of(why)} ({told})" if why else told)


def _obituary(code: int | None, run_dir: Path, seconds: float) -> str:
    """The text of error.txt for a process that ended without writing one."""
    phase = read_object(run_dir / "progress.json").get("phase", "start")
    if code is not None and code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = "unknown"
        cause = f"killed by signal {-code} ({name})"
        if -code == signal.SIGKILL:
            cause += ", which is often the system's answer when memory runs out"
    elif code == worker.EXIT_UNTOLD:
        cause = f"failed, and could not write why to {run_dir}: the disk was full or forbids it"
    else:
        cause = f"ended with exit code {code} without an exception"
    log = "\n".join(f"    {line}" for line in last_lines(run_dir / "job.log")) or "    (nothing)"
    return f"Last lines of {run_dir / 'job.log'}:\n{log}\nIn phase {phase!r} after {seconds:.0f} s: {cause}\n"
