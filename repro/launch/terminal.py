"""The console of a command that trains: output that nobody takes ends no training."""

from __future__ import annotations

import contextlib
import sys
from typing import TextIO

from rich.console import Console


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
