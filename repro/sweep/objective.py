"""What a sweep maximises: accuracy on validation questions, read from a finished run directory."""

from __future__ import annotations

import itertools
from pathlib import Path

from repro.tracking.damage import finished_rows
from repro.tracking.series import VALIDATION


def objective(run_dir: Path, metric: str) -> float:
    """The value of one seed, in 0..1.

    Args:
        metric: "validation_accuracy" is the last evaluation, "validation_accuracy_auc" the mean over the run's steps
            (trapezoids between evaluations).

    Raises:
        DamagedError: the files of the run are damaged.
        ValueError: the run evaluated no validation questions, or the metric is unknown.
    """
    points = {
        row["step"]: row["metrics"][VALIDATION]
        for row in finished_rows(run_dir, "metrics.jsonl")
        if VALIDATION in row["metrics"]
    }
    if not points:
        raise ValueError(f"{run_dir}: no {VALIDATION} in metrics.jsonl")
    steps = sorted(points)
    last = float(points[steps[-1]])
    if metric == "validation_accuracy":
        return last
    if metric != "validation_accuracy_auc":
        raise ValueError(f"unknown metric {metric!r}")
    if len(steps) == 1:
        return last
    area = sum((b - a) * (points[a] + points[b]) / 2 for a, b in itertools.pairwise(steps))
    return float(area / (steps[-1] - steps[0]))
