"""What `repro score` writes on a terminal and in a log."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from repro.commands.score.screen import say, showing_on
from repro.scoring import progress


def test_a_log_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "LINE_EVERY", 0.0)
    written = io.StringIO()
    with showing_on(Console(file=written, width=40))("scoring", total=10, before=4, work=6.0) as shown:
        shown(2, 200, 2.0)
        shown(2, 200, 2.0)
    first, second = written.getvalue().splitlines()
    assert first == "scoring: 6 of 10 questions (60%)"
    assert second.startswith("scoring: 8 of 10 questions (80%), ") and len(second) > 40
    assert "\x1b" not in written.getvalue()


def test_a_terminal_gets_a_bar_with_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    written = io.StringIO()
    console = Console(file=written, force_terminal=True, width=120)
    with showing_on(console)("scoring", total=10, before=4, work=6.0) as shown:
        shown(3, 300, 3.0)
        shown(3, 300, 3.0)
    assert "10 of 10 questions" in written.getvalue()
    assert "tokens/s" in written.getvalue()


def test_lines_are_neither_wrapped_nor_read_as_markup() -> None:
    written = io.StringIO()
    say(Console(file=written, width=20), "a [bold] path/that/is/longer/than/twenty/columns 1,234")
    assert written.getvalue() == "a [bold] path/that/is/longer/than/twenty/columns 1,234\n"
