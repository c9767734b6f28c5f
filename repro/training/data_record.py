"""The record of what a run is trained and evaluated on, and what the two share."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from repro.spec.schema import Cell
from repro.tasks.catalogue import TestName
from repro.tasks.overlap import find_overlaps
from repro.tasks.problem import TaskData
from repro.training.benchmarks import BenchmarkSet


def data_record(cell: Cell, data: TaskData, benchmarks: Sequence[BenchmarkSet]) -> dict[str, Any]:
    """What a run is trained and evaluated on, JSON-able, as `data.json`.

    {"questions": {split or benchmark: count}, "overlaps": [`Overlap.as_dict`], "dropped": [`Dropped.as_dict`]}.
    Overlaps are those of the test set and `dataset.without` as they were before any question was dropped, and of
    benchmarks with the training questions that are left. Warns of what a benchmark shares with train, unless
    `dataset.decontaminate` is off.
    """
    sizes = {name: len(getattr(data, name)) for name in ("train", "validation", "test")}
    sizes |= {name: len(problems) for name, problems in data.extra.items()}
    sizes |= {benchmark.name: len(benchmark.problems) for benchmark in benchmarks}
    overlaps = list(data.overlaps)
    if benchmarks and cell.dataset.decontaminate != "off":
        known = {overlap.set for overlap in overlaps} | {cell.dataset.test_named}
        found = find_overlaps(data.train, {one.name: one.problems for one in benchmarks if one.name not in known})
        labels = {one.label: one.named for one in cell.evaluate.benchmarks}
        for overlap in found:
            named: TestName | None = labels[overlap.set]
            hint = f"; to drop the same ones: dataset.without: [{named}]" if named is not None else ""
            warnings.warn(
                f"{data.name}: {overlap.text()}; none dropped{hint}",
                UserWarning,
                stacklevel=2,
            )
        overlaps += found
    dropped = [one.as_dict() for one in (*data.dropped, *(one for each in benchmarks for one in each.dropped))]
    return {"questions": sizes, "overlaps": [overlap.as_dict() for overlap in overlaps], "dropped": dropped}
