"""Where the tasks of a launcher stand, as its calls and their progress.json tell; displays show it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from repro.files import read_object
from repro.launch.protocol import Outcome, Task, Watcher
from repro.tracking.labels import short

TRAINING = "training"

Clock = Callable[[], float]


@dataclass
class Track:
    """The state of one task, as far as its launcher and its progress.json show it."""

    task: Task
    name: str
    state: str = "to do"  # to do, waiting, queued again, running, finished, failed, stopped, submitted, not run
    since: float = 0.0
    seconds: float = 0.0
    progress: dict[str, Any] = field(default_factory=dict)
    first: tuple[str, int, float] | None = None  # phase, step and time of the first look at this phase
    outcome: Outcome | None = None

    def look(self, now: float) -> None:
        """Read where the job is."""
        self.progress = read_object(self.task.run_dir / "progress.json")
        if self.progress and (self.first is None or self.first[0] != self.phase):
            self.first = (self.phase, self.step, now)

    @property
    def phase(self) -> str:
        return str(self.progress.get("phase", "starting"))

    @property
    def step(self) -> int:
        return int(self.progress.get("step", 0))

    @property
    def steps(self) -> int:
        return int(self.progress.get("steps", 0))

    @property
    def accuracy(self) -> float | None:
        return self.progress.get("accuracy")

    @property
    def warning(self) -> str:
        """What the job has found wrong with its training, empty where nothing."""
        return str(self.progress.get("message", ""))

    def left(self, now: float) -> float | None:
        """Seconds to the end of the phase at the pace seen so far; None before two steps were seen."""
        if self.first is None or self.steps == 0 or self.step <= self.first[1]:
            return None
        pace = (now - self.first[2]) / (self.step - self.first[1])
        return max(0.0, pace * (self.steps - self.step))


class Board(Watcher):
    """Keeps the state of every task up to date; subclasses show it."""

    def __init__(self, tasks: Sequence[Task], jobs: int, clock: Clock = time.monotonic) -> None:
        names = task_names(tasks)
        self.tracks = {task.identity: Track(task, name) for task, name in zip(tasks, names, strict=True)}
        self.jobs, self.clock = jobs, clock

    def started(self, task: Task) -> None:
        track = self.tracks[task.identity]
        track.state, track.since, track.first = "running", self.clock(), None

    def waiting(self, task: Task) -> None:
        self.tracks[task.identity].state = "waiting"

    def retried(self, task: Task, why: str) -> None:
        self.tracks[task.identity].state = "queued again"

    def ended(self, outcome: Outcome) -> None:
        track = self.tracks[outcome.task.identity]
        track.look(self.clock())
        track.state, track.seconds, track.outcome = outcome.end, outcome.seconds, outcome

    def stopping(self) -> None: ...

    def tick(self) -> None:
        now = self.clock()
        for track in self.tracks.values():
            if track.state == "running":
                track.look(now)

    def count(self, *states: str) -> int:
        return sum(track.state in states for track in self.tracks.values())

    def left(self) -> float | None:
        """Seconds to the end of everything, from the cells that have ended and the pace of those that run."""
        now = self.clock()
        running = [track for track in self.tracks.values() if track.state == "running"]
        rests = [track.left(now) for track in running if track.phase == TRAINING]
        estimated = [rest for rest in rests if rest is not None]
        lengths = [track.seconds for track in self.tracks.values() if track.state == "finished" and track.seconds]
        lengths += [now - t.since + rest for t in running if t.phase == TRAINING and (rest := t.left(now)) is not None]
        if not lengths:
            return None
        mean = sum(lengths) / len(lengths)
        still = self.count("to do", "waiting", "queued again")
        work = sum(estimated) + mean * (len(running) - len(estimated)) + mean * still
        return max([work / max(1, min(self.jobs, len(self.tracks))), *estimated])


def task_names(tasks: Sequence[Task]) -> list[str]:
    """`arm axis=value seed 0`, with model and dataset where the study has several."""
    cells = [task.cell for task in tasks]
    several = [
        (lambda cell: cell.model.label, len({cell.model.label for cell in cells}) > 1),
        (lambda cell: cell.dataset.label, len({cell.dataset.label for cell in cells}) > 1),
    ]
    names = []
    for cell in cells:
        place = [part(cell) for part, needed in several if needed]
        axes = [f"{path.rsplit('.', 1)[-1]}={short(value)}" for path, value in sorted(cell.axis_point.items())]
        names.append(" ".join([*place, cell.arm, *axes, f"seed {cell.seed}"]))
    return names


def duration(seconds: float) -> str:
    """`42 s`, `3 min 05 s` or `2 h 10 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
