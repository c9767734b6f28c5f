"""The console of a command that trains: a lasting output, warnings above a live table, tables of any width."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterator
from typing import TextIO

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from repro.masking import mask


class _Lasting:
    """A text stream whose failing writes (a reader that left, a closed terminal, a full disk) are dropped."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.encoding = stream.encoding

    def write(self, text: str) -> int:
        """Write the text; it counts as written where the stream takes nothing."""
        with contextlib.suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush the stream as far as it can."""
        with contextlib.suppress(OSError):
            self._stream.flush()

    def isatty(self) -> bool:
        """Whether the stream is a terminal."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """The descriptor of the stream."""
        return self._stream.fileno()


def make_console() -> Console:
    """A console on stdout whose output may fail without a word: the jobs go on, and their runs are on disk."""
    return Console(file=_Lasting(sys.stdout))  # type: ignore[arg-type]


@contextlib.contextmanager
def warnings_on(console: Console) -> Iterator[None]:
    """Show warnings of the tracking room above the live table instead of through it."""

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            console.print(
                escape(mask(f"warning: {record.getMessage()}")), style="yellow", highlight=False, soft_wrap=True
            )

    logger, handler = logging.getLogger("repro.tracking"), Handler(logging.WARNING)
    before, logger.propagate = logger.propagate, False
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.propagate = before


def print_table(table: Table, console: Console) -> None:
    """Print a table. Without a terminal, as in a log, none of its cells is cut, however long its lines become."""
    if not console.is_terminal:
        needed = console.measure(table, options=console.options.update(width=10_000)).maximum
        console.width = max(console.width, needed)
    console.print(table)
