"""Progress: what is told of pace and time left, in a terminal and in a log."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from repro.scoring import progress
from repro.scoring.progress import Pace, duration, say, showing


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_time_left_follows_the_work_and_not_the_questions() -> None:
    clock = Clock()
    pace = Pace(total=100, before=20, work=1000, clock=clock)
    clock.now += 500  # tokenizing
    pace.add(questions=1, tokens=20_000, work=200)
    assert pace.text() == ""
    clock.now += 20
    pace.add(questions=4, tokens=40_000, work=400)  # a few long questions first
    assert pace.text() == "2,000 tokens/s, about 20 s left"
    clock.now += 20
    pace.add(questions=75, tokens=40_000, work=400)
    assert pace.text() == "2,000 tokens/s"


def test_a_log_gets_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "LINE_EVERY", 0.0)
    written = io.StringIO()
    with showing(Console(file=written, width=40), "scoring", total=10, before=4, work=6.0) as shown:
        for _ in range(3):
            shown(2, 200, 2.0)
    lines = written.getvalue().splitlines()
    assert lines[0] == "scoring: 6 of 10 questions (60%)"
    assert lines[1].startswith("scoring: 8 of 10 questions (80%), ") and " tokens/s, about " in lines[1]
    assert lines[2].startswith("scoring: 10 of 10 questions (100%), ") and lines[2].endswith("tokens/s")
    assert "\x1b" not in written.getvalue()


def test_a_short_pass_writes_nothing_in_a_log() -> None:
    written = io.StringIO()
    with showing(Console(file=written), "scoring", total=2, before=0, work=2.0) as shown:
        shown(2, 50, 2.0)
    assert written.getvalue() == ""


def test_a_terminal_gets_a_bar_with_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    written = io.StringIO()
    console = Console(file=written, force_terminal=True, width=120)
    with showing(console, "scoring", total=10, before=4, work=6.0) as shown:
        shown(3, 300, 3.0)
        shown(3, 300, 3.0)
    assert "10 of 10 questions" in written.getvalue()
    assert "tokens/s" in written.getvalue()


def test_lines_are_neither_wrapped_nor_read_as_markup() -> None:
    written = io.StringIO()
    say(Console(file=written, width=20), "a [bold] path/that/is/longer/than/twenty/columns 1,234")
    assert written.getvalue() == "a [bold] path/that/is/longer/than/twenty/columns 1,234\n"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (59.6, "1 min 00 s"), (125, "2 min 05 s"), (7260, "2 h 01 min")],
)
def test_durations_read_as_people_say_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text
