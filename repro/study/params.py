"""The parameters of a run as a store lists them: the few that everybody asks for, and what was set."""

from __future__ import annotations

from typing import Any

from repro.spec.schema import Cell
from repro.study.identity import result_fields
from repro.tracking.keys import flatten

ALWAYS = ("questions_per_step", "group_size", "learning_rate")
"""Fields of `train` that are listed at their defaults too."""


def run_params(cell: Cell) -> dict[str, str]:
    """Dotted name -> value, without what is at its default or in a section that the cell does not use.

    Model and dataset (their labels), steps or budget, the fields of `train` in `ALWAYS`, the selection's method, share
    and size of a replay buffer and the seed are always there. `cell.json` has every field.
    """
    train = {name: getattr(cell.train, name) for name in ALWAYS}
    if cell.budget is None:
        train["steps"] = cell.train.steps
    shown: dict[str, Any] = {"train": train, "selection": {"method": cell.selection.method}}
    if cell.replay is not None:
        shown["replay"] = {"fresh": cell.replay.fresh, "capacity": cell.replay.capacity}
    return {
        "model": cell.model.label,
        "dataset": cell.dataset.label,
        **flatten(shown),
        **flatten(result_fields(cell)),
    }
