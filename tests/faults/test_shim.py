"""The library that makes one call go wrong: what it counts, and what each action does to a process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.faults.points import Point, failures, kills, pattern_of
from tests.faults.shim import VARIABLE, Control, calls, compiled, compiler
from tests.faults.state import differences

SCRIPT = """
import os, pathlib
folder = pathlib.Path.cwd() / "inside"
folder.mkdir()
for name in ("one", "two"):
    place = folder / f"{name}.tmp"
    with place.open("wb", buffering=0) as file:
        file.write(b"0123456789")
        os.fsync(file)
    place.rename(folder / name)
(folder / "one").unlink()
pathlib.Path(folder.parents[1] / "outside").write_text("not counted")
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if compiler() is None:
        pytest.skip("no C compiler")
    return compiled(tmp_path_factory.mktemp("shim"))


@pytest.fixture
def control(tmp_path: Path) -> Control:
    (tmp_path / "work").mkdir()
    return Control(tmp_path / "control")


def call(library: Path, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    variables = {**os.environ, "LD_PRELOAD": str(library), VARIABLE: str(tmp_path / "control")}
    return subprocess.run(
        [sys.executable, "-S", "-c", SCRIPT], cwd=tmp_path / "work", env=variables, capture_output=True, text=True
    )


def left(tmp_path: Path) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in (tmp_path / "work" / "inside").iterdir()}


def test_every_call_below_the_folder_is_counted_and_no_other(library: Path, tmp_path: Path, control: Control) -> None:
    control.record(tmp_path / "work", tmp_path / "log")
    assert call(library, tmp_path).returncode == 0
    one = ["open", "write", "fsync", "rename"]
    found = calls(tmp_path / "log")
    assert [item.operation for item in found] == ["mkdir", *one, *one, "unlink"]
    assert [item.path for item in found[:5]] == ["inside", *["inside/one.tmp"] * 3, "inside/one"]
    assert [item.takes_space for item in found[:5]] == [True, True, True, False, False]


def test_a_process_dies_before_the_call_or_in_the_middle_of_a_write(
    library: Path, tmp_path: Path, control: Control
) -> None:
    control.act(tmp_path / "work", "kill-one", "rename", "*/two", 1)
    assert call(library, tmp_path).returncode == -9
    assert control.off() and left(tmp_path) == {"one": 10, "two.tmp": 10}
    (tmp_path / "work" / "inside").rename(tmp_path / "first")
    control.act(tmp_path / "work", "half", "write", "*", 2)
    assert call(library, tmp_path).returncode == -9
    assert control.off() and left(tmp_path) == {"one": 10, "two.tmp": 5}


def test_a_full_disk_stays_full_and_an_error_comes_once(library: Path, tmp_path: Path, control: Control) -> None:
    control.act(tmp_path / "work", "disk-full", "write", "*", 1)
    ended = call(library, tmp_path)
    assert "OSError: [Errno 28]" in ended.stderr and left(tmp_path) == {"one.tmp": 0}
    (tmp_path / "work" / "inside").rename(tmp_path / "first")
    control.act(tmp_path / "work", "io-error", "fsync", "*/two.tmp", 1)
    assert "OSError: [Errno 5]" in call(library, tmp_path).stderr
    assert left(tmp_path) == {"one": 10, "two.tmp": 10}
    assert control.pids and not control.act(tmp_path / "work", "kill-all", "open", "none", 1)
    assert not control.off()


def test_points_cover_every_kind_of_call_before_any_twice(library: Path, tmp_path: Path, control: Control) -> None:
    control.record(tmp_path / "work", tmp_path / "log")
    call(library, tmp_path)
    found = calls(tmp_path / "log")
    kinds = {(item.operation, item.path) for item in found}
    points = kills(found, len(kinds), np.random.default_rng(0))
    assert {(point.operation, point.pattern) for point in points} == kinds
    assert all(point.action != "half" or point.operation == "write" for point in points)
    assert {point.operation for point in failures(found, 50, np.random.default_rng(0))} <= {"open", "write", "mkdir"}
    assert points == kills(found, len(kinds), np.random.default_rng(0))
    assert pattern_of("runs/v2-00ff00ff00ff00ff/.done.json.ab12cd_9.tmp") == "runs/v2-*/.done.json.*.tmp"
    assert str(Point("half", "write", 2, "a/*")) == "half write 2 'a/*'"


def test_a_state_differs_by_what_is_lost_left_over_or_changed() -> None:
    expected = {"a": {"x": [1, 2.0, float("nan")]}, "b": 1}
    assert differences(expected, expected) == []
    got = {"a": {"x": [1, 2.5, float("nan")]}, "left over: c.tmp": True}
    assert differences(expected, got) == ["missing: b", "left over: c.tmp", "different: a.x[1]: 2.0, now 2.5"]
