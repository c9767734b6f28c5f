"""Is a completion's final answer mathematically equal to the gold answer?"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path

from repro.errors import UserError
from repro.tasks.answers import extract_answer, quick_equal, tidy

WORKER = Path(__file__).with_name("math_worker.py")
START_SECONDS = 120.0  # importing sympy on a busy machine
LONGEST_ALGEBRA = 1000  # characters; beyond, only equality of text counts
CACHED = 100_000  # verdicts kept, the oldest dropped first


class MathVerifier:
    """Verdicts by text and exact numbers where they can tell, else by math-verify in a process that can be killed.

    Running out of time counts as wrong. The limit is in CPU seconds of the worker, so a busy machine changes no
    reward; only a wall time ten times as long ends a worker that does not compute. Verdicts are cached by
    (gold, answer). The worker starts with the first answer that needs it and ends with this object or its process.
    Calls may come from any thread; a fork of the process gets a worker of its own.
    """

    def __init__(self, seconds: float = 5.0) -> None:
        if seconds <= 0:
            raise ValueError(f"seconds is {seconds}, expected a positive number")
        self.seconds = seconds
        self.timeouts = 0
        """Comparisons that ended with the worker: out of time or memory, or a crash in a library."""
        self._verdicts: dict[tuple[str, str], bool] = {}
        self._lock = threading.Lock()
        self._worker: subprocess.Popen[bytes] | None = None
        self._ending: weakref.finalize | None = None
        myself = weakref.ref(self)
        os.register_at_fork(after_in_child=lambda: forget_worker(myself()))

    def __call__(self, completion: str, answer: str) -> bool:
        """Does the final answer found in `completion` equal the gold `answer`? False where none is found."""
        given = extract_answer(completion)
        gold = tidy(answer)
        verdict = quick_equal(gold, given)
        if verdict is not None:
            return verdict
        if max(len(gold), len(given)) > LONGEST_ALGEBRA:
            return False
        with self._lock:
            key = (gold, given)
            if key not in self._verdicts:
                if len(self._verdicts) >= CACHED:
                    del self._verdicts[next(iter(self._verdicts))]
                self._verdicts[key] = self._ask(gold, given)
            return self._verdicts[key]

    def close(self) -> None:
        """End the worker; the next answer that needs one starts another."""
        self._worker = None
        if self._ending is not None:
            self._ending()

    def _ask(self, gold: str, given: str) -> bool:
        for last_attempt in (False, True):
            worker = self._worker or self._start()
            try:
                assert worker.stdin is not None
                worker.stdin.write(json.dumps([gold, given]).encode() + b"\n")
                reply = read_line(worker, 10 * self.seconds)
            except BrokenPipeError:  # it was killed while idle, which says nothing about this answer
                self.close()
                if last_attempt:
                    raise
                continue
            except BaseException:  # interrupted: the reply to this question must not answer the next
                self.close()
                raise
            if reply is None:
                self.timeouts += 1
                self.close()
                return False
            return bool(json.loads(reply))
        raise AssertionError("the last attempt returns or raises")

    def _start(self) -> subprocess.Popen[bytes]:
        # -P: the worker's folder is not put before the libraries, whose names it shares
        command = [sys.executable, "-P", str(WORKER), str(self.seconds), str(20 * self.seconds)]
        pipe = subprocess.PIPE
        worker = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0)
        if read_line(worker, START_SECONDS) is None:
            worker.kill()
            said = worker.communicate()[1].decode(errors="replace").strip().splitlines()
            raise UserError(
                f"the math-verify worker did not start: {said[-1] if said else f'no word in {START_SECONDS:g} s'}\n"
                "  expected: math-verify in this environment; to install it: pip install math-verify==0.9.0"
            )
        self._worker = worker
        self._ending = weakref.finalize(self, end_worker, worker, os.getpid())
        return worker


def end_worker(worker: subprocess.Popen[bytes], owner: int) -> None:
    """Kill a worker at once and free its pipes, if this is the process `owner` that started it."""
    if os.getpid() == owner:
        worker.kill()
        worker.communicate()


def forget_worker(verifier: MathVerifier | None) -> None:
    """In a forked process: let go of the parent's worker and of a lock that a thread of the parent may hold."""
    if verifier is None:
        return
    verifier._lock = threading.Lock()
    worker, verifier._worker, verifier._ending = verifier._worker, None, None
    if worker is not None:
        worker.returncode = 0  # not our child, so there is nothing to wait for
        for stream in (worker.stdin, worker.stdout, worker.stderr):
            if stream is not None:
                stream.close()


def read_line(worker: subprocess.Popen[bytes], seconds: float) -> bytes | None:
    """The worker's next line, or None if it ends or says nothing for so long."""
    assert worker.stdout is not None
    poll = select.poll()
    poll.register(worker.stdout, select.POLLIN | select.POLLHUP)
    deadline = time.monotonic() + seconds
    line = b""
    while not line.endswith(b"\n"):
        if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            return None
        chunk = os.read(worker.stdout.fileno(), 4096)
        if not chunk:
            return None
        line += chunk
    return line
