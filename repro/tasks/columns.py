"""Numeric columns of a dataset: what its rows hold beside question and answer, one number per question."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np

from repro.canonical import digest
from repro.errors import UserError
from repro.tasks.problem import Problem
from repro.tasks.values import is_number
from repro.words import show, unknown

DEEPEST = 16
"""Fields inside fields that are looked into at most."""


def numbers_of(row: Mapping[str, Any], depth: int = DEEPEST) -> dict[str, int | float]:
    """The finite numbers of a row by field; a number inside nested fields by its dotted path, none inside lists."""
    found: dict[str, int | float] = {}
    for name, value in row.items():
        if isinstance(value, Mapping):
            inside = numbers_of(value, depth - 1) if depth else {}
            found |= {f"{name}.{inner}": number for inner, number in inside.items()}
        elif is_number(value):
            found[str(name)] = float(value) if isinstance(value, Decimal) else value
    return found


def column_of(problems: Sequence[Problem], name: str, stand_in: bool = False) -> np.ndarray:
    """(N,) float64 of `metadata[name]` of each problem. UserError where there is no such column, or where a question
    has no finite number in it.

    Rows of a stand-in lack the columns of the data that they stand for: a missing one holds whole numbers 0 to 9 that
    follow from the ids.
    """
    columns = {key: None for problem in problems for key, value in problem.metadata.items() if is_number(value)}
    if name not in columns and stand_in:
        return np.array([int(digest(problem.id), 16) % 10 for problem in problems], dtype=np.float64)
    if name not in columns:
        raise UserError(f"selection.column: {no_column(name, columns)}")
    lacking = [problem for problem in problems if not is_number(problem.metadata.get(name))]
    if lacking:
        raise UserError(
            f"selection.column: {name!r} is missing for {len(lacking)} of {len(problems)} questions; the first is "
            f"{lacking[0].id!r}, which holds {show(lacking[0].metadata.get(name))}; expected a finite number for each"
        )
    return np.array([problem.metadata[name] for problem in problems], dtype=np.float64)


def no_column(name: str, columns: Iterable[str]) -> str:
    """What is told of a column that is none of the numeric ones: `got "step", expected ..., did you mean steps?`."""
    known = sorted(columns)
    return unknown(name, known, "a numeric column of the dataset" + ("" if known else ", which has none"))
