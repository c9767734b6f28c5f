"""What went wrong while the arms of a panel trained: the warnings that their runs wrote down, one row per arm."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from repro.analysis.measures import Measures
from repro.analysis.run import Run
from repro.analysis.tables import Table
from repro.analysis.text import joined
from repro.tracking.stopped import HEALTH, stopped_early
from repro.words import plural

KINDS = {
    "nan": "numbers that are none",
    "collapse": "accuracy fell to the start's",
    "no_signal": "no group that trains",
    "ratio": "updates far from the rollouts' policy",
    "entropy": "entropy gone without a gain",
}
"""Kind of a warning -> what it says."""

NONE = "none"


def health_table(measures: Measures, prefix: str = "") -> Table:
    """How many runs of each arm had a warning, of which kind, from which step on, and how many were stopped early."""
    rows: list[list[str]] = []
    data: list[dict[str, Any]] = []
    for series in measures.panel.series:
        found = {run.place.seed: _warnings(run) for run in series.runs}
        stops = [run for run in series.runs if stopped_early(run.json(HEALTH)) is not None]
        kinds: dict[str, list[int]] = {}
        for seed, warnings in found.items():
            for kind, first in _first_steps(warnings).items():
                kinds.setdefault(kind, []).append(first)
            for warning in warnings or [{"kind": NONE}]:
                data.append({"arm": series.label, "seed": seed, **warning})
        told = [f"{KINDS.get(kind, kind)} in {len(at)}, from step {min(at)} on" for kind, at in kinds.items()]
        warned = sum(bool(warnings) for warnings in found.values())
        rows.append([f"`{series.label}`", str(len(series.runs)), str(warned) if warned else NONE])
        rows[-1] += [joined(told) or NONE, str(len(stops)) if stops else NONE]
    header = ["arm", "runs", "with a warning", "what, in how many runs", "stopped early"]
    every = pd.DataFrame(data, columns=["arm", "seed", "kind", "step", "text"])
    total = sum(len(series.runs) for series in measures.panel.series)
    caption = f"Warnings of {plural(total, 'finished run')}; the CSV file has each in the words of its run."
    return Table(f"{prefix}health", "Warnings during training", header, rows, every, caption, 1)


def _warnings(run: Run) -> list[dict[str, Any]]:
    """{kind, step, text} of each warning of a run."""
    with run.reading(HEALTH):
        found = run.json(HEALTH).get("warnings") or []
        return [{"kind": str(one["kind"]), "step": int(one["step"]), "text": _text(one)} for one in found]


def _text(warning: Mapping[str, Any]) -> str:
    return str(warning.get("text") or warning.get("what") or "")


def _first_steps(warnings: list[dict[str, Any]]) -> dict[str, int]:
    """Kind -> the first step of it."""
    out: dict[str, int] = {}
    for warning in warnings:
        out[warning["kind"]] = min(warning["step"], out.get(warning["kind"], warning["step"]))
    return out
