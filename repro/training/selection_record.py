"""What a selection kept and by which numbers: the record that reports read."""

from __future__ import annotations

from typing import Any

import numpy as np

from repro.selection.base import Selector
from repro.selection.selection_spec import Confidence, Curriculum
from repro.spec.schema import Cell
from repro.tasks.problem import TaskData
from repro.training.resources import PolicyResources


def selection_record(cell: Cell, data: TaskData, selector: Selector, resources: PolicyResources) -> dict[str, Any]:
    """`selection.json` of a run; an offline selection is made here if it was not yet.

    `method`; `pool`: number of training questions; `kept`: ids that may be drawn; `scores`: {id: score} or null;
    `centre`: the score that a band lies around, or null; `target_tokens`: {id: tokens behind a confidence} or null;
    `steps_true`: {id: true difficulty} as far as the dataset knows it.
    """
    ids = [problem.id for problem in data.train]
    kept, scores, tokens = selector.kept(), selector.scores(), _target_tokens(cell, resources)
    return {
        "method": cell.selection.method,
        "pool": len(ids),
        "kept": ids if kept is None else [ids[i] for i in kept],
        "scores": None if scores is None else dict(zip(ids, map(float, scores), strict=True)),
        "centre": selector.center(),
        "target_tokens": None if tokens is None else dict(zip(ids, map(int, tokens), strict=True)),
        "steps_true": {p.id: p.metadata["steps"] for p in data.train if "steps" in p.metadata},
    }


def _target_tokens(cell: Cell, resources: PolicyResources) -> np.ndarray | None:
    """(N,) for a selection by confidence, which may follow the target's length more than difficulty."""
    chosen = cell.selection
    if isinstance(chosen, Confidence):
        return resources.target_tokens(chosen.target, chosen.prompt)
    if isinstance(chosen, Curriculum) and chosen.by == "confidence":
        return resources.target_tokens(chosen.target)
    return None
