"""Processes that compare mathematical answers: as many as the cores allow, ended when they do not answer."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
import weakref
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

from repro.errors import UserError

SCRIPT = Path(__file__).with_name("math_worker.py")
START_SECONDS = 120.0  # importing sympy on a busy machine
WALL, LEAST_WALL = 30, 60.0  # wall seconds per CPU second, and at least, on a machine that others use too
GRACE = 10.0  # wall seconds more, before a process that does not keep its own limit is ended from here
SHARE = 16  # questions that are worth another process: starting one takes about as long as answering them
MOST = 16  # processes of about 150 MB
LONGEST_REPLY = 4096  # bytes
DEATHS = 5  # processes that end in a row, without one answer, before we give up
CORES = "REPRO_CORES"
"""Environment variable in which a launcher says how many cores a process may keep busy."""


class Worker:
    """One process (and the one it forks to compute), and the question it is working on."""

    def __init__(self, seconds: float, memory: int) -> None:
        # -P: the worker's folder is not put before the libraries, whose names it shares. A fixed hash seed: the order
        # of a set of symbols must not decide how sympy simplifies.
        limits = [str(seconds), str(wall_limit(seconds)), str(memory)]
        command = [sys.executable, "-P", str(SCRIPT), *limits, str(os.getpid())]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            command,
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            bufsize=0,
            process_group=0,
            env={**os.environ, "PYTHONHASHSEED": "0"},
        )
        assert self.process.stdout is not None
        self.replies = self.process.stdout.fileno()
        self.question: int | None = None
        """Index of the question under way."""
        self.number = -1
        """What the question is called in messages, so that no reply is taken for one to another question."""
        self.started = False
        self.deadline = time.monotonic() + START_SECONDS
        self._unread = b""
        self.end = weakref.finalize(self, end_process, self.process, os.getpid())

    @property
    def idle(self) -> bool:
        """Is it waiting for a question?"""
        return self.started and self.question is None

    def put(self, number: int, question: int, pair: tuple[str, str], seconds: float) -> None:
        """Ask; the answer is due within so many seconds. Raises BrokenPipeError where the process has ended."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps([number, *pair]).encode() + b"\n")
        self.number, self.question, self.deadline = number, question, time.monotonic() + seconds

    def read(self) -> list[list[object]] | None:
        """The messages that have arrived; None where the process has ended or talks nonsense."""
        news = os.read(self.replies, LONGEST_REPLY)
        *lines, self._unread = (self._unread + news).split(b"\n")
        if not news or len(self._unread) > LONGEST_REPLY:
            return None
        return [json.loads(line) for line in lines]

    def last_words(self) -> str:
        """End the process and return the last line it wrote to stderr, which only a failed start has."""
        kill_group(self.process)
        assert self.process.stderr is not None
        os.set_blocking(self.process.stderr.fileno(), False)
        lines = (self.process.stderr.read() or b"").decode(errors="replace").strip().splitlines()
        self.end()
        return lines[-1] if lines else f"no word in {START_SECONDS:g} s"


class WorkerPool:
    """Answers `is it equal to gold?` for many pairs at once. The outcomes do not depend on how many processes share.

    Processes start with the first question and stay until `close`, the end of this object or of this process. Not to
    be used by two threads at a time.
    """

    def __init__(self, seconds: float, size: int, memory: int) -> None:
        self.seconds, self.size, self.memory = seconds, size, memory
        self.workers: list[Worker] = []
        self._asked = 0
        self._deaths = 0
        myself = weakref.ref(self)
        os.register_at_fork(after_in_child=lambda: forget_workers(myself()))

    def ask(self, pairs: Sequence[tuple[str, str]]) -> list[str]:
        """Per (gold, answer) pair: `equal`, `unequal`, or why it is not known.

        `time`, `memory` and `crash` are of the pair's making (CPU seconds, address space, a fault in a library);
        `wall` (no answer in wall time) and `killed` (by someone else, twice) may be of the machine's. Raises UserError
        where the processes do not start or end one after the other.
        """
        outcomes = [""] * len(pairs)
        waiting, retried = deque(range(len(pairs))), set[int]()
        wanted = min(self.size, 1 + (len(pairs) - 1) // SHARE)
        try:
            while waiting or any(worker.question is not None for worker in self.workers):
                while waiting and len(self.workers) < wanted:
                    self.workers.append(Worker(self.seconds, self.memory))
                for worker in [worker for worker in self.workers if worker.idle][: len(waiting)]:
                    self._give(worker, waiting, pairs)
                for index, outcome in self._collect():
                    if outcome == "killed" and index not in retried:
                        retried.add(index)
                        waiting.append(index)
                    else:
                        outcomes[index] = outcome
        except BaseException:  # interrupted: nobody will collect the answers under way
            self.close()
            raise
        return outcomes

    def close(self) -> None:
        """End all processes; the next question starts others."""
        workers, self.workers = self.workers, []
        for worker in workers:
            worker.end()

    def _give(self, worker: Worker, waiting: deque[int], pairs: Sequence[tuple[str, str]]) -> None:
        self._asked += 1
        try:
            worker.put(self._asked, waiting[0], pairs[waiting[0]], wall_limit(self.seconds) + GRACE)
        except BrokenPipeError:  # it was killed while idle, which says nothing about this pair
            self._bury(worker)
        else:
            waiting.popleft()

    def _collect(self) -> Iterator[tuple[int, str]]:
        """Wait for news of a process that starts or works, or for its deadline; gives (question, outcome)."""
        active = {worker.replies: worker for worker in self.workers if not worker.idle}
        if not active:
            return
        poll = select.poll()
        for descriptor in active:
            poll.register(descriptor, select.POLLIN)
        soonest = min(worker.deadline for worker in active.values())
        ready = {descriptor for descriptor, _ in poll.poll(max(0.0, soonest - time.monotonic()) * 1000)}
        for descriptor, worker in active.items():
            if descriptor in ready:
                yield from self._listen(worker)
            elif time.monotonic() > worker.deadline:
                question = worker.question
                self._bury(worker)
                if question is not None:
                    yield question, "wall"

    def _listen(self, worker: Worker) -> Iterator[tuple[int, str]]:
        messages = worker.read()
        if messages is None:
            question = worker.question
            self._bury(worker)
            if question is not None:
                yield question, "killed"
            return
        for message in messages:
            if not message:
                worker.started = True
            elif message[0] == worker.number and worker.question is not None:
                question, worker.question = worker.question, None
                self._deaths = 0
                yield question, str(message[1])

    def _bury(self, worker: Worker) -> None:
        self.workers.remove(worker)
        if not worker.started:
            raise UserError(
                f"the math-verify worker did not start: {worker.last_words()}\n"
                "  expected: math-verify in this environment; to install it: pip install math-verify==0.9.0"
            )
        worker.end()
        self._deaths += 1
        if self._deaths >= DEATHS:
            raise UserError(
                f"{DEATHS} math-verify workers in a row were ended from outside or did not answer; expected room for "
                f"{self.size} processes of about 150 MB beside this one: give the job more memory"
            )


def wall_limit(seconds: float) -> float:
    """Wall seconds after which a comparison that may use so many CPU seconds is ended, because it does not compute."""
    return max(LEAST_WALL, WALL * seconds)


def share_of_cores() -> int:
    """How many processes may compute while this one waits: its share of the machine's cores, at most `MOST`.

    A launcher grants it in `CORES`. One of others (`accelerate launch`) says in `LOCAL_WORLD_SIZE` how many processes
    share the machine.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    ranks, granted = os.environ.get("LOCAL_WORLD_SIZE", ""), os.environ.get(CORES, "")
    if granted.isdecimal() and int(granted):
        cores = min(cores, int(granted))
    elif ranks.isdecimal() and int(ranks):
        cores //= int(ranks)
    return max(1, min(cores, MOST))


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill a worker and what it forked, at once; it has not been waited for, so its group's number is still its own."""
    if process.returncode is None:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            process.kill()


def end_process(process: subprocess.Popen[bytes], owner: int) -> None:
    """Kill a worker and free its pipes, if this is the process `owner` that started it."""
    if os.getpid() == owner:
        kill_group(process)
        process.wait()
        close_pipes(process)


def close_pipes(process: subprocess.Popen[bytes]) -> None:
    """Close our ends of a worker's pipes, unread."""
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            stream.close()


def forget_workers(pool: WorkerPool | None) -> None:
    """In a forked process: let go of the parent's workers."""
    if pool is None:
        return
    workers, pool.workers = pool.workers, []
    for worker in workers:
        worker.end.detach()
        worker.process.returncode = 0  # not our child, so there is nothing to wait for
        close_pipes(worker.process)
