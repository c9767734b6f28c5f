"""`repro status`: where runs stand, read from their folders, whatever stands in those."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path

import pytest

from repro.cli import main
from repro.study.expand import expand_study
from repro.study.load import parse_spec
from repro.study.status import status_rows, status_table
from repro.tracking.damage import damaged_run, run_damage
from repro.tracking.journal import Journal
from repro.tracking.run_status import run_status
from tests.conftest import Load
from tests.study.test_plan import finish

SPEC = {"name": "x", "model": "tiny", "dataset": "arithmetic", "seeds": [0, 1], "arms": {"a": {}}}


def test_status_lists_runs_on_disk_or_the_places_of_a_study(tmp_path: Path, load: Load) -> None:
    loaded = load("arms: {a: {}, b: {}}\nseeds: [0, 1]\n")
    assert status_rows(tmp_path) == []
    assert [(row["arm"], row["seed"], row["status"]) for row in status_rows(tmp_path, loaded)] == [
        ("a", 0, "todo"),
        ("b", 0, "todo"),
        ("a", 1, "todo"),
        ("b", 1, "todo"),
    ]
    cells = expand_study(loaded.spec)
    journal = Journal(tmp_path / cells[0].identity)
    journal.start(cells[0].cell, cells[0].identity)
    journal.log(3, {"eval/accuracy": 0.625})
    journal.progress("training", 3, 40)
    journal.fail("Traceback\nMemoryError: too much")
    (row,) = status_rows(tmp_path)
    assert (row["arm"], row["step"], row["accuracy"], row["status"]) == ("a", 3, 0.625, "failed")
    table = status_table(status_rows(tmp_path))
    assert "3/40" in table
    assert "0.625" in table
    assert "MemoryError: too much" in table
    assert table.endswith("1 failed")


@pytest.mark.parametrize("damage", [{"accuracy": "high"}, {"time": "now"}])
def test_status_shows_every_run_whatever_stands_in_a_damaged_file(tmp_path: Path, damage: dict[str, str]) -> None:
    cells = expand_study(parse_spec(SPEC))
    for expanded in cells:
        journal = Journal(tmp_path / expanded.identity)
        journal.start(expanded.cell, expanded.identity)
        journal.progress("training", 3, 40)
    progress = tmp_path / cells[0].identity / "progress.json"
    progress.write_text(json.dumps(json.loads(progress.read_text()) | damage))
    cell = tmp_path / cells[1].identity / "cell.json"
    record = json.loads(cell.read_text())
    record["labels"] = {"arm": "full", "axis": [1, 2]}
    cell.write_text(json.dumps(record))
    table = status_table(status_rows(tmp_path))
    assert all(expanded.identity in table for expanded in cells)


@pytest.mark.parametrize("ended", [True, False])
def test_a_run_in_the_folder_of_another_is_damaged_and_neither_cached_nor_gone_on_with(
    tmp_path: Path, ended: bool
) -> None:
    spec = parse_spec(SPEC)
    first, second = expand_study(spec)
    if ended:
        finish(tmp_path, first.cell, first.identity)
    else:
        Journal(tmp_path / first.identity).start(first.cell, first.identity)
    copy = shutil.copytree(tmp_path / first.identity, tmp_path / second.identity)
    assert run_status(tmp_path / first.identity) == ("finished" if ended else "killed")
    assert run_status(copy) == "damaged"
    problem = f"the folder holds the record of {first.identity}"
    assert run_damage(copy) == [problem]
    told = str(damaged_run(copy, [problem]))
    assert "give the folder its own name back, or move it away" in told and "done.json" not in told
    moved = shutil.copytree(copy, tmp_path / "kept for the paper")
    assert run_damage(moved) == [] or not ended, "a copy may have a name of its own"


def test_status_shows_a_finished_run_that_has_lost_its_cell(tmp_path: Path) -> None:
    (cell, _) = expand_study(parse_spec(SPEC))
    finish(tmp_path, cell.cell, cell.identity)
    (tmp_path / cell.identity / "cell.json").unlink()
    (row,) = status_rows(tmp_path)
    assert row["status"] == "damaged" and row["message"] == "cell.json is missing"
    assert cell.identity in status_table([row])


def test_status_counts_the_runs_that_were_stopped_early_and_says_at_which_step(tmp_path: Path) -> None:
    spec = parse_spec(SPEC)
    early, whole = expand_study(spec)
    health = tmp_path / early.identity / "health.json"
    health.parent.mkdir()
    health.write_text('{"stopped": {"kind": "collapse", "step": 20}}')
    for one in (early, whole):
        finish(tmp_path, one.cell, one.identity)
    rows = {row["identity"]: row for row in status_rows(tmp_path)}
    assert (
        rows[early.identity]["stopped"] == {"step": 20, "kind": "collapse"} and rows[whole.identity]["stopped"] is None
    )
    table = status_table(list(rows.values()))
    assert "stopped by train.stop_on at step 20 (collapse)" in table
    assert table.endswith("2 cached\n1 of the cached stopped early by train.stop_on; the messages say when")


@pytest.mark.parametrize("name", ["cell.json", "done.json", "progress.json"])
def test_a_named_pipe_in_place_of_a_file_of_a_run_is_told_and_not_waited_for(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def too_long(*_: object) -> None:
        pytest.fail("it waits for a writer")

    expanded = expand_study(parse_spec(SPEC))[0]
    journal = Journal(tmp_path / expanded.identity)
    journal.start(expanded.cell, expanded.identity)
    (tmp_path / expanded.identity / name).unlink(missing_ok=True)
    os.mkfifo(tmp_path / expanded.identity / name)
    before = signal.signal(signal.SIGALRM, too_long)
    signal.alarm(20)
    try:
        assert main(["status", "--runs", str(tmp_path)]) == 2
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    assert f"{name}: is no file that can be read" in capsys.readouterr().err
