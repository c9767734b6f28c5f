"""What a selection kept and by which numbers: the record that reports read."""

from __future__ import annotations

from typing import Any

from repro.selection.base import Selector
from repro.spec.schema import Cell
from repro.tasks.problem import TaskData


def selection_record(cell: Cell, data: TaskData, selector: Selector) -> dict[str, Any]:
    """`selection.json` of a run; an offline selection is made here if it was not yet.

    `method`; `pool`: number of training questions; `kept`: ids that may be drawn; `scores`: {id: score} or null;
    `centre`: the score that a band lies around, or null; `target_tokens`: {id: tokens behind a confidence} or null;
    `steps_true`: {id: true difficulty} as far as the dataset knows it.
    """
    ids = [problem.id for problem in data.train]
    kept, scores, tokens = selector.kept(), selector.scores(), selector.target_tokens()
    return {
        "method": cell.selection.method,
        "pool": len(ids),
        "kept": ids if kept is None else [ids[i] for i in kept],
        "scores": None if scores is None else dict(zip(ids, map(float, scores), strict=True)),
        "centre": selector.center(),
        "target_tokens": None if tokens is None else dict(zip(ids, map(int, tokens), strict=True)),
        "steps_true": {p.id: p.metadata["steps"] for p in data.train if "steps" in p.metadata},
    }
