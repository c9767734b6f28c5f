"""Shows a study at work in a log: plain lines without control codes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from repro.launch.board import TRAINING, Board, Clock, Track, duration
from repro.launch.protocol import Outcome, Task

SLOW_PHASE = 5.0  # seconds after which a log gets a line for a phase before training


class PlainLines(Board):
    """One line when a cell starts, at every quarter of its training and when it ends; no control codes."""

    def __init__(
        self, tasks: Sequence[Task], jobs: int, write: Callable[[str], None], clock: Clock = time.monotonic
    ) -> None:
        super().__init__(tasks, jobs, clock)
        self.write = write
        self._quarters: dict[str, int] = {}
        self._phases: dict[str, str] = {}
        self._warnings: dict[str, str] = {}

    def __enter__(self) -> PlainLines:
        return self

    def __exit__(self, *_: object) -> None: ...

    def _say(self, track: Track, text: str) -> None:
        width = len(str(len(self.tracks)))
        done = self.count("finished", "failed")
        self.write(f"[{done:{width}d}/{len(self.tracks)}] {track.name}: {text}")

    def _warn(self, track: Track) -> None:
        if track.warning and track.warning != self._warnings.get(track.task.identity):
            self._warnings[track.task.identity] = track.warning
            self._say(track, track.warning)

    def started(self, task: Task) -> None:
        super().started(task)
        self._quarters[task.identity] = 0
        self._phases[task.identity] = ""
        self._say(self.tracks[task.identity], "started")

    def waiting(self, task: Task) -> None:
        super().waiting(task)
        self._say(self.tracks[task.identity], "another command trains it, waiting")

    def retried(self, task: Task, why: str) -> None:
        super().retried(task, why)
        self._say(self.tracks[task.identity], why)

    def stopping(self) -> None:
        self.write("stopping: jobs end at their last checkpoint; press Ctrl-C again to kill them")

    def tick(self) -> None:
        super().tick()
        now = self.clock()
        for identity, track in self.tracks.items():
            if track.state != "running" or not track.progress or track.first is None:
                continue
            self._warn(track)
            if track.phase == TRAINING:
                quarter = 4 * track.step // track.steps if track.steps else 0
                if self._quarters[identity] < quarter < 4:
                    self._quarters[identity] = quarter
                    left = track.left(now)
                    rest = f", about {duration(left)} left" if left is not None else ""
                    self._say(track, f"step {track.step} of {track.steps}{_accuracy(track)}{rest}")
            elif now - track.first[2] > SLOW_PHASE and self._phases[identity] != track.phase:
                if track.phase not in ("evaluating", "finished"):
                    self._say(track, track.phase)
                self._phases[identity] = track.phase

    def ended(self, outcome: Outcome) -> None:
        super().ended(outcome)
        track = self.tracks[outcome.task.identity]
        if outcome.end == "finished":
            how = f"finished in {duration(outcome.seconds)}" if outcome.seconds else "finished by another command"
            self._say(track, f"{how}{_accuracy(track)}")
        elif outcome.end == "failed":
            where = f" ({outcome.error})" if outcome.error else ""
            self._say(track, f"FAILED after {duration(outcome.seconds)}: {outcome.reason}{where}")
        elif outcome.end == "stopped":
            why = f": {outcome.reason}" if outcome.reason else ""
            self._say(track, f"stopped after {duration(outcome.seconds)}{why}")


def _accuracy(track: Track) -> str:
    return "" if track.accuracy is None else f", accuracy {track.accuracy:.3f}"
