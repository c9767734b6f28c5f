"""Why a run is new: exactly the fields that differ from the nearest finished run, and where they were written."""

from __future__ import annotations

from pathlib import Path

import pytest

from repro.errors import UserError
from repro.spec.schema import Cell
from repro.study.expand import expand_study
from repro.study.load import load_spec
from repro.study.why import differences, why
from tests.study.test_plan import finish

SPEC = """\
name: study
model: tiny
dataset: arithmetic
train:
  learning_rate: 2e-4
arms:
  full: {}
  rr:
    replay: {fresh: 0.5}
seeds: [0, 1]
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "exp.yaml"
    found.write_text(SPEC)
    return found


@pytest.fixture
def runs(tmp_path: Path, path: Path) -> Path:
    for cell in expand_study(load_spec(path).spec):
        if cell.cell.seed == 0:
            finish(tmp_path / "runs", cell.cell, cell.identity)
    return tmp_path / "runs"


def cell_of(path: Path, arm: str, seed: int, *changes: str) -> tuple[str, Cell]:
    for found in expand_study(load_spec(path, changes).spec):
        if (found.cell.arm, found.cell.seed) == (arm, seed):
            return found.identity, found.cell
    raise AssertionError(arm)


def test_differences_are_the_changed_fields_and_what_is_off_on_one_side(path: Path) -> None:
    _, full = cell_of(path, "full", 0)
    _, replayed = cell_of(path, "rr", 0, "train.learning_rate=1e-3")
    assert differences(full, full) == {}
    assert differences(full, replayed) == {
        "train.learning_rate": (2e-4, 1e-3),
        "replay": ("(off)", "on"),
    }
    _, labelled = cell_of(path, "full", 0, "name=other", "model.name=x")
    assert differences(full, labelled) == {}


def test_a_new_cell_is_compared_with_its_nearest_finished_run(path: Path, runs: Path) -> None:
    nearest, _ = cell_of(path, "rr", 0)
    text = why(f"{path}:rr:1", runs)
    assert "rr, seed 1): to do" in text
    assert f"nearest finished run: {nearest} " in text
    assert "1 field differs" in text
    assert "  seed: 1 here, 0 there" in text


def test_a_changed_field_is_shown_with_its_line(path: Path, runs: Path) -> None:
    path.write_text(SPEC.replace("2e-4", "3e-4").replace("fresh: 0.5", "fresh: 0.25"))
    text = why(f"{path}:rr:0", runs)
    assert "2 fields differ" in text
    assert f"  train.learning_rate: 0.0003 here, 0.0002 there   [{path}:5]" in text
    assert f"  replay.fresh: 0.25 here, 0.5 there   [{path}:9]" in text


def test_an_option_that_made_a_run_new_is_shown(path: Path, runs: Path) -> None:
    assert "[-S train.clip=0.3]" in why(f"{path}:full:0", runs, ["train.clip=0.3"])


def test_a_run_on_disk_is_found_by_the_beginning_of_its_identity(path: Path, runs: Path) -> None:
    identity, _ = cell_of(path, "full", 0)
    text = why(identity[:10], runs)
    assert text.startswith(f"{identity} (study: tiny-96x2, arithmetic, full, seed 0): cached")
    assert "1 field differs" in text


def test_a_whole_study_is_explained_cell_by_cell(path: Path, runs: Path) -> None:
    assert why(str(path), runs).count("nearest finished run") == 4
    assert why(f"{path}:full", runs).count("nearest finished run") == 2


def test_without_finished_runs_there_is_nothing_to_compare(path: Path, tmp_path: Path) -> None:
    assert "no other finished run" in why(f"{path}:full:0", tmp_path / "none")


def test_a_seed_with_a_leading_zero_is_that_seed(path: Path, runs: Path) -> None:
    assert why(f"{path}:full:01", runs) == why(f"{path}:full:1", runs)


def test_runs_arms_and_seeds_that_do_not_exist_are_mistakes(path: Path, runs: Path) -> None:
    for target, message in (
        (f"{path}:ful:0", "did you mean full?"),
        (f"{path}:full:7", r"got 7, expected a seed \(0, 1\)"),
        (f"{path}:full:\u0661", r"got \u0661, expected a seed \(0, 1\)"),
        (f"{path}:full:{'7' * 5000}", r"got 7{40}, expected a seed \(0, 1\)"),
        ("v2-nothing", "expected one run of"),
        ("v3-", "2 runs begin so"),
    ):
        with pytest.raises(UserError, match=message):
            why(target, runs)
