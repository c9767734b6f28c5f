"""Shows `repro score` at work: a bar in a terminal, plain lines in a log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn

from repro.scoring.progress import Pace, Showing, Shown, in_lines


def showing_on(console: Console) -> Showing:
    """How progress is shown on a console."""
    if console.is_terminal and not console.is_dumb_terminal:
        return partial(_bar, console)
    return in_lines(partial(say, console))


@contextmanager
def _bar(console: Console, what: str, total: int, before: int, work: float) -> Iterator[Shown]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f} of {task.total:,.0f} questions"),
        TextColumn("{task.fields[pace]}", style="cyan"),
    )
    pace = Pace(total, before, work)
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(what, total=total, completed=before, pace="")

        def redraw(questions: int, tokens: int, work: float) -> None:
            pace.add(questions, tokens, work)
            bar.update(task, advance=questions, pace=pace.text())

        yield redraw


def say(console: Console, line: str) -> None:
    """One line, neither wrapped nor coloured."""
    console.print(escape(line), highlight=False, soft_wrap=True)
