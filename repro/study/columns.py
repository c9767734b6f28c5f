"""Whether training data that are at hand have the column that a selection asks for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Literal

from repro.canonical import canonical
from repro.errors import UserError
from repro.tasks.columns import no_column, values_of
from repro.tasks.dataset_spec import DatasetSpec
from repro.tasks.rows import columns_of, filtered
from repro.tasks.sources import find_source, rows_of


def column_mistake(dataset: DatasetSpec, column: str, kind: Literal["number", "category"] = "number") -> str | None:
    """What is wrong with the name of a column, None where nothing is or where only loading the data can tell.

    Rows of files and questions of built-in tasks are looked at, the first of them alone: the job checks all of them
    before its first step. Nothing is downloaded.
    """
    found = _columns(canonical(dataset.written_out()))
    known = None if found is None else [name for name, text in found.items() if kind == "category" or not text]
    return None if known is None or column in known else no_column(column, known, kind)


@cache
def _columns(written: str) -> Mapping[str, bool] | None:
    """The columns of the first training question, and whether each is text; None where it is not at hand."""
    spec = DatasetSpec.model_validate(json.loads(written))
    if spec.procedural is not None:
        built_in = type(spec.procedural).__module__.startswith("repro.")
        return _texts(values_of(spec.procedural.load().train[0].metadata)) if built_in else None
    try:
        source = find_source(spec, spec.train_split)
        if not isinstance(source, tuple):
            return None
        for name, rows in rows_of(source, spec, spec.train_split):
            for _, row in filtered(rows, spec.filters, name, spec.unreadable == "drop"):
                if isinstance(row, dict):
                    return _texts(columns_of(row, spec))
    except UserError:
        pass  # loading tells
    return None


def _texts(columns: Mapping[str, int | float | str]) -> dict[str, bool]:
    return {name: isinstance(value, str) for name, value in columns.items()}
