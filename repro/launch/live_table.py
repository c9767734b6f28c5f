"""Shows a study at work in a terminal: a table that is redrawn in place."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from repro.launch.board import TRAINING, Board, Clock, Track, duration
from repro.launch.protocol import Task

WARNINGS = 3
"""Cells whose latest warning the live table shows; the summary at the end shows the others."""


class LiveTable(Board):
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
