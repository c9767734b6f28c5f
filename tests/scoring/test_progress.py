"""Progress: pace and time left, and the lines that say them."""

from __future__ import annotations

import pytest

from repro.scoring import progress
from repro.scoring.progress import Pace, duration, in_lines


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
    lines: list[str] = []
    with in_lines(lines.append)("scoring", total=10, before=4, work=6.0) as shown:
        for _ in range(3):
            shown(2, 200, 2.0)
    assert lines[0] == "scoring: 6 of 10 questions (60%)"
    assert lines[1].startswith("scoring: 8 of 10 questions (80%), ") and " tokens/s, about " in lines[1]
    assert lines[2].startswith("scoring: 10 of 10 questions (100%), ") and lines[2].endswith("tokens/s")


def test_a_short_pass_writes_nothing_in_a_log() -> None:
    lines: list[str] = []
    with in_lines(lines.append)("scoring", total=2, before=0, work=2.0) as shown:
        shown(2, 50, 2.0)
    assert lines == []


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (59.6, "1 min 00 s"), (125, "2 min 05 s"), (7260, "2 h 01 min")],
)
def test_durations_read_as_people_say_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text
