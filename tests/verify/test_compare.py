"""What counts as the same record, what as nearly the same, and what as another."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from repro.verify.compare import compare, environment_differences


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, Path]:
    """Two equal run directories of two steps."""
    for name in ("recorded", "again"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "base.json").write_text(json.dumps({"accuracy": {"test": 0.5}, "cost": {"seconds": 1.0}}))
        write(tmp_path / name, "steps.jsonl", [{"step": 1, "chosen": ["a", "b"]}, {"step": 2, "chosen": ["c"]}])
        rows = [{"step": step, "metrics": {"train/loss": 0.25, "cost/seconds": step * len(name)}} for step in (1, 2)]
        write(tmp_path / name, "metrics.jsonl", rows)
    return tmp_path / "recorded", tmp_path / "again"


def write(run_dir: Path, name: str, rows: list[dict[str, Any]]) -> None:
    (run_dir / name).write_text("".join(json.dumps({**row, "time": len(str(run_dir))}) + "\n" for row in rows))


def test_times_and_costs_of_the_machine_are_left_out(two: tuple[Path, Path]) -> None:
    found = compare(*two, steps=2)
    assert found.same and found.largest == 0 and found.compared == 1 + 3 + 2


def test_only_the_steps_that_were_made_again_count(two: tuple[Path, Path]) -> None:
    write(two[1], "steps.jsonl", [{"step": 1, "chosen": ["a", "b"]}])
    write(two[1], "metrics.jsonl", [{"step": 1, "metrics": {"train/loss": 0.25}}])
    assert compare(*two, steps=1).same
    assert [(one.step, one.where, one.recorded) for one in compare(*two, steps=2).differences] == [
        (2, "steps.jsonl: chosen.0", "c"),
        (2, "train/loss", 0.25),
    ]


@pytest.mark.parametrize(
    ("now", "largest"), [(0.25 * (1 + 1e-9), 1e-9), (0.5, 0.5), ("NaN", float("inf")), (-0.25, 2.0)]
)
def test_numbers_differ_by_so_much_of_the_larger(two: tuple[Path, Path], now: Any, largest: float) -> None:
    write(two[1], "metrics.jsonl", [{"step": 1, "metrics": {"train/loss": now}}])
    found = compare(*two, steps=1)
    assert found.largest == pytest.approx(largest, rel=1e-3) and len(found.differences) == 1


def test_nan_twice_is_the_same(two: tuple[Path, Path]) -> None:
    for folder in two:
        write(folder, "metrics.jsonl", [{"step": 1, "metrics": {"train/loss": "NaN"}}])
    assert compare(*two, steps=1).same


def test_a_line_that_was_recorded_twice_counts_as_the_last(two: tuple[Path, Path]) -> None:
    rows = [{"step": 1, "metrics": {"train/loss": loss}} for loss in (0.75, 0.25)]
    write(two[0], "metrics.jsonl", rows)
    assert compare(*two, steps=1).same


def test_an_environment_is_compared_part_by_part() -> None:
    then = {"cpus": 2, "threads": 1, "packages": {"torch": "2.13.0", "vllm": "1"}}
    now = {"cpus": 2, "threads": 4, "cpu_capability": "AVX2", "packages": {"torch": "2.14.0"}}
    assert environment_differences(then, now) == [
        "threads: 1 then, 4 now",
        "cpu_capability: not recorded then, AVX2 now",
        "torch: 2.13.0 then, 2.14.0 now",
        "vllm: 1 then, None now",
    ]
