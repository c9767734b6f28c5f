"""Supervises one job on the machine that a cluster chose: starts its process, waits, and ends it when asked.

Standard library only: Ray and submitit carry this module's functions to a machine on which nothing of the suite has
been imported. The job itself is a process of its own (`repro.launch.remote_job`), which reads its order from a pipe
and dies with the supervisor. Launcher and supervisor communicate through the run directory, which lies on a file system
that all machines share: the launcher writes `order.json`, the supervisor `launch.json`.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

POLL = 0.1  # seconds between looks at the job
GRACE = 10.0  # seconds a job has to stop when asked, before it is killed
VISIBLE = 60.0  # seconds after which a file written on one machine is seen on the others
EXIT_STOPPED = 128 + signal.SIGTERM
EXIT_NOT_SHARED = 74  # the runs folder of this machine is not the launcher's (EX_IOERR)
EXIT_NO_FOLDER = 72  # the working directory of the command does not exist here (EX_OSFILE)


def supervise(order: dict[str, Any], started: Callable[[subprocess.Popen[bytes]], None] = lambda process: None) -> int:
    """Run the job of an order (see `RemoteLauncher._order`) and return its exit code.

    A KeyboardInterrupt asks the job to stop, as Ctrl-C does in the pool, and returns its code as well.

    Args:
        started: called with the job's process.
    """
    run_dir = Path(order["run_dir"])
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # as under nohup; then Ray's request would be lost
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if not _sees(run_dir, order["ticket"]):
        return EXIT_NOT_SHARED
    if not Path(order["cwd"]).is_dir():
        return EXIT_NO_FOLDER
    for name in ("progress.json", "error.txt"):  # of the last attempt: they must not be taken for this one's
        (run_dir / name).unlink(missing_ok=True)
    with (run_dir / "job.log").open("ab") as log:  # of the interpreter; the job itself goes on with the same file
        process = subprocess.Popen(
            [sys.executable, "-m", "repro.launch.remote_job"],
            stdin=subprocess.PIPE, stdout=log, stderr=log, cwd=order["cwd"],
            env={**os.environ, **order["environment"]},
        )  # fmt: skip
    try:
        write_state(run_dir, order["ticket"], "started", process.pid)
        started(process)
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it could not even start: its exit code and the log say why
            process.stdin.write(json.dumps(order).encode() + b"\n")
            process.stdin.flush()
        while process.poll() is None:  # not `wait`: Ray interrupts between two lines of Python only
            time.sleep(POLL)
    except KeyboardInterrupt:
        stop(process)
    finally:
        end(process)
        write_state(run_dir, order["ticket"], "ended")
    return process.returncode


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ask a job to end at its last checkpoint, and wait up to `GRACE` seconds."""
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired, KeyboardInterrupt):  # a second request: do not wait
        process.wait(GRACE)


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill a job and every process that it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)  # its group has its number as soon as the job has begun
    if process.poll() is None:
        process.kill()
    process.wait()


def write_state(run_dir: Path, ticket: str, state: str, pid: int | None = None) -> None:
    """Write the state of an attempt to `launch.json`: `started`, `ended`, or `requeued` (back in the queue).

    Atomically, but without waiting for the disk: it means nothing once this machine has gone down.
    """
    before = read(run_dir / "launch.json")
    attempts = before["attempts"] if before.get("ticket") == ticket else 0
    about = {
        "ticket": ticket,
        "state": state,
        "attempts": attempts + (state == "started"),
        "host": socket.gethostname(),
        "pid": before.get("pid") if pid is None else pid,  # of the job, and of its group
        "time": time.time(),
    }
    work = run_dir / f".launch.{os.getpid()}.tmp"
    for _ in range(3):  # the job removes temporary files of attempts before it
        work.write_text(json.dumps(about) + "\n")
        with contextlib.suppress(FileNotFoundError):
            work.replace(run_dir / "launch.json")
            return


def read(path: Path) -> dict[str, Any]:
    """The content of a JSON file, {} where it is not there or not whole."""
    try:
        found: dict[str, Any] = json.loads(path.read_text())
        return found
    except (OSError, ValueError):
        return {}


def _sees(run_dir: Path, ticket: str) -> bool:
    """Whether this machine sees the order that the launcher wrote, after waiting up to `VISIBLE` seconds."""
    deadline = time.monotonic() + VISIBLE
    while read(run_dir / "order.json").get("ticket") != ticket:
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL)
    return True
