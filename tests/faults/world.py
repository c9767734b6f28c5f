"""A study's folder before its commands, the state that they end in undisturbed, and the checks of one disturbed run."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tests.faults import commands
from tests.faults.commands import Running
from tests.faults.points import Point
from tests.faults.shim import Call, Control, calls
from tests.faults.state import differences, state_of
from tests.faults.studies import Study

PATIENCE = 20.0  # seconds in which the processes that a killed command left have to end
DONE, FAILED, MISTAKE = 0, 1, 2
STOPPED = (128 + signal.SIGINT, 128 + signal.SIGTERM)


class Undisturbed(Exception):
    """A command failed though nothing disturbed it."""


class World:
    """Makes the folders of one study. `folder` is empty and belongs to it alone."""

    def __init__(self, study: Study, folder: Path, control: Control, empty_store: Path) -> None:
        self.study, self.folder, self.control = study, folder, control
        self.template = folder / "template"
        self.work = folder / "work"
        self.out = folder / "out.txt"
        self.template.mkdir(parents=True)
        for name, text in study.files.items():
            (self.template / name).write_text(text)
        if study.store:
            shutil.copyfile(empty_store, self.template / "mlflow.db")
        for words in study.before:
            self._undisturbed(words, self.template)
        self.expected, self.calls, self.seconds = self._reference()

    # ------------------------------------------------------------ undisturbed

    def _reference(self) -> tuple[dict[str, Any], list[Call], float]:
        """The state that the commands end in, the calls they make, and the seconds they take."""
        self.fresh()
        log, since = self.folder / "calls.log", time.monotonic()
        self.control.record(self.work, log)
        for words in self.study.commands:
            self._undisturbed(words, self.work)
        self.control.off()
        seconds = time.monotonic() - since
        return self.state(), calls(log), seconds

    def _undisturbed(self, words: Sequence[str], folder: Path) -> None:
        ended = commands.forked(words, folder, self.out, self.study.environment).wait()
        if ended.code != DONE:
            raise Undisturbed(f"{' '.join(words)}: exit code {ended.code}\n{ended.output}")

    def fresh(self) -> None:
        """The folder as it is before the commands."""
        shutil.rmtree(self.work, ignore_errors=True)
        shutil.copytree(self.template, self.work)

    def state(self) -> dict[str, Any]:
        """The state of the folder now, read in a process of its own: a reader of a store keeps it open."""
        place = self.folder / "state.json"

        def body() -> int:
            place.write_text(json.dumps(state_of(self.work, self.study.trained_anew)))
            return 0

        ended = commands.fork(body, self.folder, self.folder / "state.txt").wait()
        if ended.code != 0:
            return {"the state can be read": ended.output[-600:]}
        return dict(json.loads(place.read_text()))

    # ------------------------------------------------------------ disturbed

    def start(self, words: Sequence[str], *, whole: bool = False) -> Running:
        """Start one command in the folder, in a forked process or as a user does."""
        return (commands.whole if whole else commands.forked)(words, self.work, self.out, self.study.environment)

    def at(self, point: Point, *, whole: bool = False) -> list[str] | None:
        """Run the commands with one call going wrong, then once more without; what is wrong with it all.

        None where all is well and the call was not made this time: how often some are made depends on the time.
        """
        self.fresh()
        faults: list[str] = []
        self.control.act(self.work, point.action, point.operation, point.pattern, point.count)
        for words in self.study.commands:
            ended = self.start(words, whole=whole).wait()
            allowed = (DONE, FAILED, MISTAKE, *((-signal.SIGKILL,) if point.dies else ()))
            faults += [f"disturbed: {fault}" for fault in ended.faults(allowed)]
            if ended.code != DONE:
                break
        pids = self.control.pids
        fired = self.control.off()
        if not fired:
            return [*faults, *self.differences()] or None
        faults += self._left_behind(pids)
        if ended.code == DONE and not faults:
            faults += [f"after exit code 0: {line}" for line in self.differences()]
        return faults + self.finish(whole=whole)

    def finish(self, *, whole: bool = False) -> list[str]:
        """Run the commands undisturbed; what is wrong with their end and with the final state."""
        faults: list[str] = []
        for words in self.study.commands:
            ended = self.start(words, whole=whole).wait()
            faults += [f"next {words[0]}: {fault}" for fault in ended.faults((DONE,))]
        return faults + self.differences()

    def differences(self) -> list[str]:
        """How the state differs from that of undisturbed commands, at most eight lines and how many more."""
        lines = differences(self.expected, self.state())
        return lines if len(lines) <= 8 else [*lines[:8], f"and {len(lines) - 8} more"]

    def _left_behind(self, pids: Sequence[int]) -> list[str]:
        """Wait until the processes of a command that ended are gone, and end those that stay."""
        deadline = time.monotonic() + PATIENCE
        alive = [pid for pid in pids if _alive(pid)]
        while alive and time.monotonic() < deadline:
            time.sleep(0.02)
            alive = [pid for pid in alive if _alive(pid)]
        for pid in alive:
            os.kill(pid, signal.SIGKILL)
        return [f"{len(alive)} processes were left behind"] if alive else []

    def killed(self, seed: int, *, whole: bool = False) -> list[str]:
        """Run the commands with up to three signals at random times, then once more without; what is wrong."""
        generator = np.random.default_rng(seed)
        self.fresh()
        faults: list[str] = []
        for _ in range(int(generator.integers(1, 4))):
            number = int(generator.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGINT]))
            whom, share = str(generator.choice(["group", "parent", "child"])), float(generator.random())
            faults += self._run_and_signal(number, whom, share, whole)
        return faults + self.finish(whole=whole)

    def _run_and_signal(self, number: int, whom: str, share: float, whole: bool) -> list[str]:
        """Run the commands and send one signal after a share of the time that they take."""
        deadline = time.monotonic() + share * (self.seconds + (7.0 if whole else 0.0))
        sent, faults = False, []
        self.control.watch(self.work)
        for words in self.study.commands:
            running = self.start(words, whole=whole)
            while running.poll() is None and time.monotonic() < deadline:
                time.sleep(0.005)
            if running.poll() is None and not sent:
                sent = True
                _send(running, number, whom, self.control.pids)
            ended = running.wait()
            allowed = (DONE, FAILED, MISTAKE, *STOPPED, -signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT)
            faults += [f"{signal.Signals(number).name} to {whom}: {fault}" for fault in ended.faults(allowed)]
            if ended.code != DONE:
                break
        pids = self.control.pids
        self.control.off()
        return faults + self._left_behind(pids)


def _send(running: Running, number: int, whom: str, pids: Sequence[int]) -> None:
    children = [pid for pid in pids if pid != running.pid and _alive(pid)]
    with contextlib.suppress(ProcessLookupError):  # it has just ended by itself
        if whom == "group":
            os.killpg(running.pid, number)
        elif whom == "child" and children:
            os.kill(children[-1], number)
        else:
            os.kill(running.pid, number)


def _alive(pid: int) -> bool:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return text.rsplit(")", 1)[1].split()[0] != "Z"
