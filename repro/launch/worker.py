"""What a job's process does around the training: its log, its lock, its environment, and a clean end."""

from __future__ import annotations

import contextlib
import faulthandler
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import psutil
from filelock import Timeout

from repro import arithmetic
from repro.launch.supervisor import EXIT_STOPPED
from repro.masking import mask_streams
from repro.system_errors import told_to_the_user
from repro.tracking.journal import Journal
from repro.tracking.run_status import run_lock

Target = Callable[[Any, str, Path, Path], None]  # (cell, identity, run_dir, runs_dir)

EXIT_FAILED = 1
EXIT_UNTOLD = 73  # failed, and nothing could be written to the run's folder to say why (EX_CANTCREAT)
EXIT_BUSY = 75  # another process trains this cell (EX_TEMPFAIL)
LATER = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
"""Signals that the launcher blocks while it starts a job or the process that forks them: until a job has a group of
its own, what is meant for the launcher's group reaches it too."""


def main(
    target: Target,
    cell: Any,
    identity: str,
    run_dir: Path,
    runs_dir: Path,
    settings: dict[str, Any],
    launcher_ends: Callable[[], object] | None = None,
) -> NoReturn:
    """Run `target` in this process and end the process.

    Args:
        settings: how many `cores` each of its processes may keep busy, e.g. with grading; indices of its `gpus` ([]: as
            they are); `lock_seconds` to wait for another trainer of the cell.
        launcher_ends: returns when whoever started this process has died (default: the parent of `multiprocessing`).
    """
    os.setsid()  # a process group of its own: Ctrl-C reaches the launcher only, and the group can be ended whole
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # a job has no terminal; its launcher decides
    signal.signal(signal.SIGTERM, _stop)
    code = EXIT_FAILED
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, LATER)  # of what has come meanwhile, SIGTERM ends us here
        _redirect(run_dir / "job.log")
        ends = launcher_ends or _parent_ends
        threading.Thread(target=_end_with_launcher, args=(ends,), name="launcher-watch", daemon=True).start()
        with run_lock(run_dir).acquire(timeout=settings["lock_seconds"]):
            code = _attempt(target, cell, identity, run_dir, runs_dir, settings)
    except Timeout:
        code = EXIT_BUSY
    except SystemExit:  # asked to stop before or after the training
        code = EXIT_STOPPED
    except BaseException as error:
        code = _write_down(Journal(run_dir), error)
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        _end_left_behind()
        # Not sys.exit: that waits for whatever processes and threads the job may have left behind.
        os._exit(code)


def _end_left_behind() -> None:
    """Kill what the job started and did not end: its launcher, which does the same, may itself be ending."""
    own = os.getpid()
    for pid in psutil.pids():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if pid != own and os.getpgid(pid) == own:
                os.kill(pid, signal.SIGKILL)


def _attempt(target: Target, cell: Any, identity: str, run_dir: Path, runs_dir: Path, settings: dict[str, Any]) -> int:
    journal = Journal(run_dir)
    if journal.finished:  # by another command, while this one waited for the lock
        return 0
    try:
        _set_environment(settings["cores"], settings["gpus"])
        with told_to_the_user(run_dir):
            target(cell, identity, run_dir, runs_dir)
        if not journal.finished:
            raise RuntimeError("the job returned without having finished its run")
        return 0
    except SystemExit as stop:
        if stop.code != EXIT_STOPPED:
            return _write_down(journal, stop)
        with contextlib.suppress(OSError):
            sys.stderr.write("stopped; the next run goes on from the last checkpoint\n")
        return EXIT_STOPPED
    except BaseException as error:
        return _write_down(journal, error)


def _write_down(journal: Journal, error: BaseException) -> int:
    """Write why the attempt failed to error.txt and the log; the exit code says whether that was possible."""
    text = "".join(traceback.format_exception(error))
    with contextlib.suppress(OSError):
        sys.stderr.write(text)
    try:
        journal.fail(text)
    except OSError:
        return EXIT_UNTOLD
    return EXIT_FAILED


def _stop(signum: int, frame: FrameType | None) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second request must not interrupt the clean-up of the first
    raise SystemExit(EXIT_STOPPED)


def _redirect(log: Path) -> None:
    """Send everything that this process and its children print to the log, C libraries and crashes included."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for goal in (0, 1, 2):  # in any case: where the log cannot be written, nothing of us reaches the terminal
        os.dup2(nothing, goal)
    os.close(nothing)
    log.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for goal in (1, 2):
        os.dup2(descriptor, goal)
    os.close(descriptor)
    for stream, goal in (("stdout", 1), ("stderr", 2)):
        setattr(sys, stream, os.fdopen(goal, "w", buffering=1, encoding="utf-8", errors="replace", closefd=False))
    mask_streams()
    faulthandler.enable(file=sys.stderr)
    sys.stdout.write(f"---- attempt of {time.strftime('%Y-%m-%d %H:%M:%S')} ----\n")


def _set_environment(cores: int, gpus: Sequence[int]) -> None:
    arithmetic.settle()
    from repro.tasks.workers import CORES  # not before: it imports numpy

    os.environ[CORES] = str(cores)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    if gpus:
        visible = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
        names = [visible[gpu % len(visible)] if visible else str(gpu) for gpu in gpus]
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(names)


def _parent_ends() -> None:
    launcher = multiprocessing.parent_process()
    assert launcher is not None
    launcher.join()


def _end_with_launcher(ends: Callable[[], object]) -> None:
    """Die with the launcher, however it dies: a job that nobody watches would hold its lock and its memory."""
    ends()
    os.killpg(0, signal.SIGKILL)
