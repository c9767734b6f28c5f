"""The processes behind the pool: the fork server's number and end, and how processes are killed and seen to be gone."""

from __future__ import annotations

import atexit
import contextlib
import functools
import multiprocessing
import os
import signal
import time
from multiprocessing import forkserver
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess

import psutil


def server_pid(context: BaseContext) -> int | None:
    """The process id of the fork server, None where there is none."""
    if context.get_start_method() != "forkserver":
        return None
    # No public name tells it; where it is missing, the end of the server counts as the failure of its jobs.
    pid: int | None = getattr(forkserver._forkserver, "_forkserver_pid", None)
    return pid


@functools.cache
def end_server_with_this_process() -> None:
    """By itself the server takes a second or two to end, with all that it has imported."""
    atexit.register(kill_server, multiprocessing.get_context("forkserver"))


def kill_server(context: BaseContext) -> None:
    """Kill the fork server, if there is one; its jobs are to have ended."""
    server = server_pid(context)
    if server is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(server, signal.SIGKILL)


def gone(pid: int, seconds: float) -> bool:
    """Whether a process has ended, or does so within `seconds`; only its parent may take note of that."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)


def kill(process: BaseProcess) -> None:
    """Kill a job and everything in its group."""
    kill_group(process.pid)
    with contextlib.suppress(ProcessLookupError, ValueError):
        process.kill()  # its group may not exist yet


def kill_group(pid: int | None) -> None:
    """Kill what is left of the group that a job led."""
    if pid is not None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
