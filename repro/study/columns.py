"""Whether training data that are at hand have the column that a selection asks for."""

from __future__ import annotations

import json
from functools import cache

from repro.canonical import canonical
from repro.errors import UserError
from repro.tasks.columns import no_column, numbers_of
from repro.tasks.dataset_spec import DatasetSpec
from repro.tasks.rows import filtered
from repro.tasks.sources import find_source, rows_of


def column_mistake(dataset: DatasetSpec, column: str) -> str | None:
    """What is wrong with the name of a column, None where nothing is or where only loading the data can tell.

    Rows of files and questions of built-in tasks are looked at, the first of them alone: the job checks all of them
    before its first step. Nothing is downloaded.
    """
    known = _columns(canonical(dataset.written_out()))
    return None if known is None or column in known else no_column(column, known)


@cache
def _columns(written: str) -> frozenset[str] | None:
    """The numeric columns of the first training question; None where it is not at hand."""
    spec = DatasetSpec.model_validate(json.loads(written))
    if spec.procedural is not None:
        built_in = type(spec.procedural).__module__.startswith("repro.")
        return frozenset(numbers_of(spec.procedural.load().train[0].metadata)) if built_in else None
    try:
        source = find_source(spec, spec.train_split)
        if not isinstance(source, tuple):
            return None
        for name, rows in rows_of(source, spec, spec.train_split):
            for _, row in filtered(rows, spec.filters, name, spec.unreadable == "drop"):
                if isinstance(row, dict):
                    return frozenset(numbers_of(row))
    except UserError:
        pass  # loading tells
    return None
