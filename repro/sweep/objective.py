"""What a sweep looks for: accuracy on validation questions or tokens, read from a finished run directory."""

from __future__ import annotations

import itertools
from pathlib import Path

from repro.tracking.damage import finished_rows
from repro.tracking.series import GENERATED_TOKENS, VALIDATION


def objective(run_dir: Path, metric: str) -> float:
    """The value of one seed.

    Args:
        metric: "validation_accuracy" is the last evaluation, "validation_accuracy_auc" the mean over the run's steps
            (trapezoids between evaluations), both in 0..1. "generated_tokens" is what the run spent in all.

    Raises:
        DamagedError: the files of the run are damaged.
        ValueError: the run has no value of the metric, or the metric is unknown.
    """
    name = GENERATED_TOKENS if metric == "generated_tokens" else VALIDATION
    points = {
        row["step"]: row["metrics"][name] for row in finished_rows(run_dir, "metrics.jsonl") if name in row["metrics"]
    }
    if not points:
        raise ValueError(f"{run_dir}: no {name} in metrics.jsonl")
    steps = sorted(points)
    last = float(points[steps[-1]])
    if metric in ("validation_accuracy", "generated_tokens"):
        return last
    if metric != "validation_accuracy_auc":
        raise ValueError(f"unknown metric {metric!r}")
    if len(steps) == 1:
        return last
    area = sum((b - a) * (points[a] + points[b]) / 2 for a, b in itertools.pairwise(steps))
    return float(area / (steps[-1] - steps[0]))
