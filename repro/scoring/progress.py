"""How far scoring is: questions done, tokens per second and the time left, as plain lines or for a bar."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

LINE_EVERY = 10.0  # seconds between two lines of a log


class Shown(Protocol):
    """`shown(questions, tokens, work)`: so many more are done; the time left is estimated from `work`."""

    def __call__(self, questions: int, tokens: int, work: float) -> None: ...


class Showing(Protocol):
    """`showing(what, total, before, work)`: a block during which progress is shown, with the function to call.

    `total` and `before` (done by earlier calls) count questions; `work` is that of the questions still to be done.
    """

    def __call__(self, what: str, total: int, before: int, work: float) -> AbstractContextManager[Shown]: ...


class Pace:
    """Questions and tokens done of a total, and the speed and time left that follow.

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
        """So many more are done."""
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
def unseen(what: str, total: int, before: int, work: float) -> Iterator[Shown]:
    """A `Showing` that shows nothing."""
    yield lambda questions, tokens, work: None


def in_lines(say: Callable[[str], None]) -> Showing:
    """A `Showing` that says a line every `LINE_EVERY` seconds."""

    @contextmanager
    def showing(what: str, total: int, before: int, work: float) -> Iterator[Shown]:
        pace = Pace(total, before, work)
        last = pace.clock()

        def write(questions: int, tokens: int, work: float) -> None:
            nonlocal last
            pace.add(questions, tokens, work)
            if pace.clock() - last >= LINE_EVERY:
                last = pace.clock()
                share = f"{what}: {pace.done:,} of {pace.total:,} questions ({pace.done / pace.total:.0%})"
                say(", ".join(filter(None, [share, pace.text()])))

        yield write

    return showing


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
