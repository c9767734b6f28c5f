"""Shows scoring at work: a bar in a terminal, plain lines in a log; both with tokens per second and the time left."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn

LINE_EVERY = 10.0  # seconds between two lines of a log


class Shown(Protocol):
    """`shown(questions, tokens, work)`: so many more are done; `work` is what the time left is told from."""

    def __call__(self, questions: int, tokens: int, work: float) -> None: ...


class Pace:
    """Questions and tokens done of a total, and what they say of the time left.

    `before` questions were done by an earlier call: they fill the bar and do not enter the pace. `work` is that of
    the others, in any unit that time grows with: questions come by length, so their number tells it badly. The first
    batch does not enter the pace either: before it all texts were tokenized.
    """

    def __init__(self, total: int, before: int, work: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.total, self.done, self.left = total, before, work
        self.tokens, self.worked = 0, 0.0  # since the end of the first batch
        self.clock = clock
        self.since: float | None = None

    def add(self, questions: int, tokens: int, work: float) -> None:
        self.done += questions
        self.left -= work
        if self.since is None:
            self.since = self.clock()
        else:
            self.tokens += tokens
            self.worked += work

    def text(self) -> str:
        """`23,100 tokens/s, about 12 s left`; empty before anything is known."""
        if self.since is None or not self.worked:
            return ""
        spent = max(self.clock() - self.since, 1e-9)
        left = f", about {duration(spent * max(0.0, self.left) / self.worked)} left" if self.done < self.total else ""
        return f"{self.tokens / spent:,.0f} tokens/s{left}"


@contextmanager
def showing(console: Console, what: str, total: int, before: int, work: float) -> Iterator[Shown]:
    """A function to call after every batch, while a bar or lines are shown.

    `total` and `before` count questions; `work` is that of the questions still to be done.
    """
    pace = Pace(total, before, work)
    if console.is_terminal and not console.is_dumb_terminal:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:,.0f} of {task.total:,.0f} questions"),
            TextColumn("{task.fields[pace]}", style="cyan"),
        )
        with Progress(*columns, console=console) as bar:
            task = bar.add_task(what, total=total, completed=before, pace="")

            def redraw(questions: int, tokens: int, work: float) -> None:
                pace.add(questions, tokens, work)
                bar.update(task, advance=questions, pace=pace.text())

            yield redraw
        return
    said = [pace.clock()]

    def write(questions: int, tokens: int, work: float) -> None:
        pace.add(questions, tokens, work)
        if pace.clock() - said[0] >= LINE_EVERY:
            said[0] = pace.clock()
            share = f"{what}: {pace.done:,} of {pace.total:,} questions ({pace.done / pace.total:.0%})"
            say(console, ", ".join(filter(None, [share, pace.text()])))

    yield write


def say(console: Console, line: str) -> None:
    """One line, neither wrapped nor coloured."""
    console.print(escape(line), highlight=False, soft_wrap=True)


def duration(seconds: float) -> str:
    """`0.4 s`, `42 s`, `3 min 05 s` or `2 h 10 min`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
