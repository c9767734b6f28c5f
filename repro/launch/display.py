"""Shows a study at work: a live table in a terminal, plain lines in a log; both read progress.json only."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from repro.files import read_object
from repro.launch.protocol import Outcome, Task, Watcher
from repro.tracking.labels import short

SLOW_PHASE = 5.0  # seconds after which a log gets a line for a phase before training
TRAINING = "training"
WARNINGS = 3
"""Cells whose latest warning the live table shows; the summary at the end shows the others."""

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


class _Board(Watcher):
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


class LiveTable(_Board):
    """A table in the terminal, redrawn in place; as many rows as fit, those at work first."""

    def __init__(self, tasks: Sequence[Task], jobs: int, console: Console, clock: Clock = time.monotonic) -> None:
        super().__init__(tasks, jobs, clock)
        self.console, self.note = console, ""
        self.live = Live(console=console, auto_refresh=False, transient=False)

    def __enter__(self) -> LiveTable:
        self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.tick()
        self.live.stop()

    def tick(self) -> None:
        super().tick()
        self.live.update(self.render(), refresh=True)

    def stopping(self) -> None:
        self.note = "stopping: jobs end at their last checkpoint; press Ctrl-C again to kill them"

    def render(self) -> Group:
        """What is on the screen now."""
        now = self.clock()
        states = "running", "waiting", "queued again", "failed", "stopped", "finished", "to do", "submitted", "not run"
        order = {state: position for position, state in enumerate(states)}
        room = max(3, self.console.height - 5 - WARNINGS * any(track.warning for track in self.tracks.values()))
        chosen = sorted(self.tracks.values(), key=lambda track: order[track.state])[:room]
        shown = [track for track in self.tracks.values() if track in chosen]
        table = Table(box=None, padding=(0, 1), pad_edge=False, show_edge=False)
        table.add_column("cell", overflow="ellipsis", no_wrap=True, ratio=3)
        table.add_column("phase", overflow="ellipsis", no_wrap=True, max_width=25)
        table.add_column("progress", width=14, no_wrap=True)
        table.add_column("step", justify="right", no_wrap=True)
        table.add_column("accuracy", justify="right", no_wrap=True)
        table.add_column("time", justify="right", no_wrap=True)
        table.add_column("left", justify="right", no_wrap=True)
        for track in shown:
            table.add_row(*self._row(track, now))
        hidden = len(self.tracks) - len(shown)
        parts = [f"{self.count('finished')} of {len(self.tracks)} finished"]
        parts += [f"{n} {state}" for state in ("running", "failed", "stopped") if (n := self.count(state))]
        left = self.left()
        if left is not None and self.count("running", "to do", "waiting", "queued again"):
            parts.append(f"about {duration(left)} left")
        if hidden:
            parts.append(f"{hidden} more not shown")
        lines = [Text(", ".join(parts), style="bold")]
        warned = [track for track in shown if track.warning]
        lines += [Text(f"{track.name}: {track.warning}", style="yellow") for track in warned[:WARNINGS]]
        if self.note:
            lines.append(Text(self.note, style="yellow"))
        return Group(table, *lines)

    @staticmethod
    def _row(track: Track, now: float) -> list[Any]:
        styles = {"finished": "green", "failed": "red"}
        styles |= dict.fromkeys(("stopped", "waiting", "queued again"), "yellow")
        name = Text(track.name)
        accuracy = "" if track.accuracy is None else f"{track.accuracy:.3f}"
        if track.state == "running":
            bar: Any = ProgressBar(total=track.steps, completed=track.step, width=14) if track.steps else ""
            steps = f"{track.step}/{track.steps}" if track.phase == TRAINING and track.steps else ""
            left = track.left(now)
            rest = duration(left) if left is not None else ""
            return [name, Text(track.phase, "cyan"), bar, steps, accuracy, duration(now - track.since), rest]
        words = "another command trains it" if track.state == "waiting" else track.state
        taken = duration(track.seconds) if track.seconds else ""
        return [name, Text(words, styles.get(track.state, "dim")), "", "", accuracy, taken, ""]


class PlainLines(_Board):
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


def make_display(tasks: Sequence[Task], jobs: int, console: Console) -> LiveTable | PlainLines:
    """The live table where the console is a terminal, else plain lines."""
    if console.is_terminal and not console.is_dumb_terminal:
        return LiveTable(tasks, jobs, console)
    return PlainLines(tasks, jobs, lambda line: console.print(escape(line), highlight=False, soft_wrap=True))


def print_table(table: Table, console: Console) -> None:
    """Print a table. Without a terminal, as in a log, none of its cells is cut, however long its lines become."""
    if not console.is_terminal:
        needed = console.measure(table, options=console.options.update(width=10_000)).maximum
        console.width = max(console.width, needed)
    console.print(table)


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


def _accuracy(track: Track) -> str:
    return "" if track.accuracy is None else f", accuracy {track.accuracy:.3f}"
