"""Run directories for tests, made by the journal itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from repro.spec.schema import Cell
from repro.tracking.journal import Journal
from repro.tracking.labels import Labels


def make_cell(seed: int = 0, arm: str = "full", **fields: Any) -> Cell:
    """A cell as the plan would make it."""
    values: dict[str, Any] = {
        "spec": "study",
        "arm": arm,
        "model": "tiny",
        "dataset": {"arithmetic": {}},
        "train": {},
        "evaluate": {},
        "selection": {"method": "uniform"},
        "replay": None,
        "budget": None,
        "seed": seed,
    }
    return Cell.model_validate({**values, **fields})


def make_run(runs: Path, cell: Cell, steps: int = 3, metrics: int = 3, finish: bool = True) -> tuple[Path, Labels]:
    """A run directory with `metrics` metrics per step; the value of metric m at step s is s + m / 100."""
    identity = f"{cell.arm}-{cell.seed}"
    journal = Journal(runs / identity)
    journal.start(cell, identity)
    journal.truncate(-1)
    log_steps(journal, range(steps), metrics)
    if finish:
        journal.finish({"steps": steps})
    return journal.run_dir, Labels.of(cell)


def log_steps(journal: Journal, steps: range, metrics: int = 3) -> None:
    """Rows as a job writes them, with a known accuracy 0.5 + step / 100 + seed-free metrics m0, m1, ..."""
    for step in steps:
        values = {f"train/m{m}": step + m / 100 for m in range(metrics)}
        journal.log(step, {**values, "eval/accuracy": 0.5 + step / 100})
