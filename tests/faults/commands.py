"""Runs commands of the suite below one folder: in a forked process of a harness that has imported all, or whole."""

from __future__ import annotations

import contextlib
import multiprocessing.connection
import multiprocessing.forkserver
import multiprocessing.resource_tracker
import os
import signal
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).parents[2]
LIMIT = 120.0
"""Seconds after which a command waits for something that never comes."""
SCREEN = 60
"""Lines of a command's output that are one screen, its table and progress included."""


@dataclass(frozen=True)
class Ended:
    """How a command ended. `code` is negative for a signal, None where it had to be ended after `LIMIT` seconds."""

    code: int | None
    output: str
    seconds: float

    def faults(self, codes: Sequence[int]) -> list[str]:
        """What is wrong with the end of a command: another exit code, a traceback, more than a screen."""
        found = []
        if self.code is None:
            return [f"did not end within {LIMIT:.0f} s: {self.output[-300:]}"]
        if self.code not in codes:
            found.append(f"exit code {self.code}, expected one of {sorted(codes)}")
        if "Traceback (most recent call last)" in self.output:
            found.append("a traceback on the terminal")
        if len(self.output.splitlines()) > SCREEN:
            found.append(f"{len(self.output.splitlines())} lines on the terminal")
        if found:
            found.append("it said: " + self.output[-1200:])
        return found


class Running:
    """A command that runs in a session of its own."""

    def __init__(self, pid: int, out: Path) -> None:
        self.pid, self.out, self.since = pid, out, time.monotonic()
        self._code: int | None = None

    def poll(self) -> int | None:
        """The exit code once it has ended."""
        if self._code is None:
            with contextlib.suppress(ChildProcessError):
                pid, status = os.waitpid(self.pid, os.WNOHANG)
                if pid:
                    self._code = os.waitstatus_to_exitcode(status)
        return self._code

    def wait(self, limit: float = LIMIT) -> Ended:
        """Wait for its end, and end it where it takes too long."""
        while self.poll() is None and time.monotonic() - self.since < limit:
            time.sleep(0.01)
        code = self.poll()
        if code is None:
            self.kill()
        return Ended(code, self.out.read_text(errors="replace"), time.monotonic() - self.since)

    def kill(self) -> None:
        """End the command and the processes of its group."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        while self.poll() is None:
            time.sleep(0.01)


def serve_jobs() -> None:
    """Start the server from which the jobs of all forked commands come, in place of one server for each.

    It is forked from here, so that what was imported is imported once.
    """
    import tests.faults.preload  # noqa: F401

    address = multiprocessing.connection.arbitrary_address("AF_UNIX")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen()
    ends, alive = os.pipe()
    multiprocessing.resource_tracker.ensure_running()
    if not os.fork():
        os.close(alive)  # the server ends when nobody holds this side any more
        with contextlib.suppress(SystemExit):
            multiprocessing.forkserver.main(listener.fileno(), ends, [])
        os._exit(0)
    listener.close()
    os.close(ends)
    server: Any = multiprocessing.forkserver._forkserver  # type: ignore[attr-defined]
    server._forkserver_address, server._forkserver_alive_fd = address, alive
    server.ensure_running = lambda: None  # and no process id: no command may end what all share


def forked(words: Sequence[str], folder: Path, out: Path, environment: dict[str, str] | None = None) -> Running:
    """Start a command in a forked process with the folder as working directory, its output in a file."""
    from repro.cli import main

    def body() -> int:
        os.environ.update(environment or {})
        sys.modules["__main__"] = ModuleType("__main__")  # else each job would import the harness again
        return main(list(words))

    return fork(body, folder, out)


def fork(body: Callable[[], int], folder: Path, out: Path) -> Running:
    """Start a function in a forked process with a session of its own; its exit code is what it returns."""
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return Running(pid, out)
    code = 1
    try:
        os.setsid()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL if number == signal.SIGTERM else signal.default_int_handler)
        descriptor = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for source, goal in ((nothing, 0), (descriptor, 1), (descriptor, 2)):
            os.dup2(source, goal)
        for name, goal in (("stdout", 1), ("stderr", 2)):
            setattr(sys, name, os.fdopen(goal, "w", buffering=1, encoding="utf-8", closefd=False))
        os.chdir(folder)
        code = body()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def whole(words: Sequence[str], folder: Path, out: Path, environment: dict[str, str] | None = None) -> Running:
    """Start `python -m repro` as a user does."""
    variables = {**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})}
    with out.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "repro", *words], cwd=folder, env=variables, stdin=subprocess.DEVNULL,
            stdout=file, stderr=subprocess.STDOUT, start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )  # fmt: skip
    process.returncode = 0  # `Running` waits for it
    return Running(process.pid, out)
