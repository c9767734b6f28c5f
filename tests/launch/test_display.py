"""Both displays on given progress files and a clock that the test moves."""

from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

from repro.launch.board import duration, task_names
from repro.launch.display import make_display
from repro.launch.live_table import LiveTable
from repro.launch.plain_lines import PlainLines
from repro.launch.protocol import Outcome, Task
from repro.tracking.journal import Journal
from tests.tracking.helpers import make_cell


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def tasks_of(runs: Path, *arms: str) -> list[Task]:
    return [Task(make_cell(seed, arm), f"{arm}-{seed}", runs / f"{arm}-{seed}") for seed, arm in enumerate(arms)]


def at(task: Task, phase: str, step: int, steps: int, accuracy: float | None = None) -> None:
    journal = Journal(task.run_dir)
    if accuracy is not None:
        journal.log(step, {"eval/accuracy": accuracy})
    journal.progress(phase, step, steps)


def screen(table: LiveTable, width: int = 100, height: int = 30) -> str:
    console = Console(file=io.StringIO(), width=width, height=height, force_terminal=True, color_system=None)
    table.console = console
    with console.capture() as capture:
        console.print(table.render())
    return capture.get()


def test_the_table_shows_phase_step_accuracy_and_time_left(tmp_path: Path) -> None:
    clock, tasks = Clock(), tasks_of(tmp_path, "full", "dots", "ufo")
    table = LiveTable(tasks, 2, Console(file=io.StringIO()), clock)
    table.started(tasks[0])
    table.started(tasks[1])
    assert "starting" in screen(table)
    at(tasks[0], "training", 10, 40, accuracy=0.4375)
    at(tasks[1], "warm start", 30, 100)
    table.live.start = table.live.stop = lambda: None  # type: ignore[method-assign]
    super(LiveTable, table).tick()
    clock.now += 20
    at(tasks[0], "training", 20, 40)
    super(LiveTable, table).tick()
    lines = screen(table).splitlines()
    full = next(line for line in lines if line.startswith("full seed 0"))
    assert "training" in full and "20/40" in full and "0.438" in full
    assert "40 s" in full, "20 steps at 2 s each"
    dots = next(line for line in lines if line.startswith("dots seed 1"))
    assert "warm start" in dots
    assert any("to do" in line and line.startswith("ufo") for line in lines)
    # three cells of 20 + 40 s, of which 40 s, 60 s and 60 s are left, two at a time
    assert "0 of 3 finished, 2 running, about 1 min 20 s left" in lines[-1]


def test_the_table_fits_the_terminal_and_shows_what_is_at_work(tmp_path: Path) -> None:
    tasks = tasks_of(tmp_path, *["arm"] * 60)
    table = LiveTable(tasks, 2, Console(file=io.StringIO()), Clock())
    for task in tasks[:40]:
        table.started(task)
        table.ended(Outcome(task, "finished", 3.0))
    table.started(tasks[40])
    table.started(tasks[41])
    text = screen(table, width=80, height=12)
    lines = text.splitlines()
    assert len(lines) <= 12 and all(len(line) <= 80 for line in lines)
    assert "arm seed 40" in text and "arm seed 41" in text
    assert "40 of 60 finished, 2 running" in lines[-1]
    assert "53 more not shown" in lines[-1]


def test_the_table_names_what_ended_badly(tmp_path: Path) -> None:
    tasks = tasks_of(tmp_path, "a", "b")
    table = LiveTable(tasks, 2, Console(file=io.StringIO()), Clock())
    table.started(tasks[0])
    table.ended(Outcome(tasks[0], "failed", 65.0, tmp_path / "error.txt", "boom"))
    table.waiting(tasks[1])
    table.stopping()
    text = screen(table)
    assert "failed" in text and "1 min 05 s" in text and "another command trains it" in text
    assert "press Ctrl-C again" in text


def test_a_log_gets_a_line_at_the_start_at_each_quarter_and_at_the_end_and_no_control_codes(tmp_path: Path) -> None:
    clock, tasks = Clock(), tasks_of(tmp_path, "full", "bad")
    out = io.StringIO()
    console = Console(file=out, width=80)
    lines = make_display(tasks, 2, console)
    assert isinstance(lines, PlainLines)
    lines.clock = clock
    with lines:
        lines.started(tasks[0])
        for step in range(41):
            at(tasks[0], "training", step, 40, accuracy=0.25 if step == 0 else None)
            lines.tick()
            clock.now += 1
        lines.ended(Outcome(tasks[0], "finished", 41.0))
        lines.started(tasks[1])
        at(tasks[1], "warm start", 1, 100)
        lines.tick()
        clock.now += 6
        lines.tick()
        lines.tick()
        error = tmp_path / ("long" * 20) / "error.txt"
        lines.ended(Outcome(tasks[1], "failed", 7.0, error, "ValueError: [red]markup[/red] stays"))
    assert out.getvalue().splitlines() == [
        "[0/2] full seed 0: started",
        "[0/2] full seed 0: step 10 of 40, accuracy 0.250, about 30 s left",
        "[0/2] full seed 0: step 20 of 40, accuracy 0.250, about 20 s left",
        "[0/2] full seed 0: step 30 of 40, accuracy 0.250, about 10 s left",
        "[1/2] full seed 0: finished in 41 s, accuracy 0.250",
        "[1/2] bad seed 1: started",
        "[1/2] bad seed 1: warm start",
        f"[2/2] bad seed 1: FAILED after 7 s: ValueError: [red]markup[/red] stays ({error})",
    ]
    assert "\x1b" not in out.getvalue()


def test_a_job_that_was_lost_is_shown_in_the_queue_until_it_starts_again(tmp_path: Path) -> None:
    (task,), out = tasks_of(tmp_path, "a"), io.StringIO()
    lines = PlainLines([task], 1, lambda line: print(line, file=out))
    table = LiveTable([task], 1, Console(file=io.StringIO()), Clock())
    for board in (lines, table):
        board.started(task)
        board.retried(task, "lost with its node, retry 1 of 3")
    assert out.getvalue().splitlines()[-1] == "[0/1] a seed 0: lost with its node, retry 1 of 3"
    assert "queued again" in screen(table) and "0 of 1 finished" in screen(table)
    table.started(task)
    assert "queued again" not in screen(table)


def test_a_terminal_gets_the_table(tmp_path: Path) -> None:
    console = Console(file=io.StringIO(), force_terminal=True)
    assert isinstance(make_display(tasks_of(tmp_path, "a"), 1, console), LiveTable)


def test_names_tell_apart_what_the_study_varies_and_nothing_else(tmp_path: Path) -> None:
    one = make_cell(0, "ufo", axis_point={"selection.fraction": 0.1})
    two = make_cell(1, "ufo", axis_point={"selection.fraction": 0.2}, dataset={"arithmetic": {}, "name": "hard"})
    tasks = [Task(cell, str(i), tmp_path) for i, cell in enumerate((one, two))]
    assert task_names(tasks[:1]) == ["ufo fraction=0.1 seed 0"]
    assert task_names(tasks) == ["arithmetic ufo fraction=0.1 seed 0", "hard ufo fraction=0.2 seed 1"]


def test_durations_read_well_on_both_sides_of_their_bounds() -> None:
    assert [duration(s) for s in (0, 59.4, 59.6, 3599, 3600, 7800)] == [
        "0 s", "59 s", "1 min 00 s", "59 min 59 s", "1 h 00 min", "2 h 10 min",
    ]  # fmt: skip
