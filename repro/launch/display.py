"""Shows a study at work: a live table in a terminal, plain lines in a log."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape

from repro.launch.live_table import LiveTable
from repro.launch.plain_lines import PlainLines
from repro.launch.protocol import Task


def make_display(tasks: Sequence[Task], jobs: int, console: Console) -> LiveTable | PlainLines:
    """The live table where the console is a terminal, else plain lines."""
    if console.is_terminal and not console.is_dumb_terminal:
        return LiveTable(tasks, jobs, console)
    return PlainLines(tasks, jobs, lambda line: console.print(escape(line), highlight=False, soft_wrap=True))
