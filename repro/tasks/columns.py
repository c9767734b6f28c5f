"""Columns of a dataset, numbers and short texts: what its rows hold beside question and answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Literal

import numpy as np

from repro.canonical import digest
from repro.errors import UserError
from repro.tasks.problem import Problem
from repro.tasks.values import is_number, number_text
from repro.words import show, unknown

DEEPEST = 16
"""Fields inside fields that are looked into at most."""
LONGEST_CATEGORY = 100
"""Characters of a text that is taken for a category, such as a subject or a source: longer ones are not kept."""


def values_of(row: Mapping[str, Any], depth: int = DEEPEST) -> dict[str, int | float | str]:
    """The finite numbers and short texts of a row by field; those inside nested fields by their dotted path, none
    inside lists."""
    found: dict[str, int | float | str] = {}
    for name, value in row.items():
        if isinstance(value, Mapping):
            inside = values_of(value, depth - 1) if depth else {}
            found |= {f"{name}.{inner}": one for inner, one in inside.items()}
        elif is_number(value):
            found[str(name)] = float(value) if isinstance(value, Decimal) else value
        elif is_category(value):
            found[str(name)] = value
    return found


def is_category(value: Any) -> bool:
    """Whether a value names a category: a finite number, or a text of 1 to `LONGEST_CATEGORY` characters."""
    return is_number(value) or (isinstance(value, str) and 0 < len(value.strip()) <= LONGEST_CATEGORY)


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


def categories_of(problems: Sequence[Problem], name: str, stand_in: bool = False) -> list[str]:
    """(N,) `metadata[name]` of each problem as text, numbers without `.0`. UserError where there is no such column, or
    where a question has neither a finite number nor a short text in it.

    For rows of a stand-in see `column_of`.
    """
    columns = {key: None for problem in problems for key, value in problem.metadata.items() if is_category(value)}
    if name not in columns and stand_in:
        return [number_text(value) for value in column_of(problems, name, stand_in).tolist()]
    if name not in columns:
        raise UserError(f"selection.category: {no_column(name, columns, 'category')}")
    lacking = [problem for problem in problems if not is_category(problem.metadata.get(name))]
    if lacking:
        raise UserError(
            f"selection.category: {name!r} is missing for {len(lacking)} of {len(problems)} questions; the first is "
            f"{lacking[0].id!r}, which holds {show(lacking[0].metadata.get(name))}; expected a finite number or a text "
            f"of at most {LONGEST_CATEGORY} characters for each"
        )
    found = [problem.metadata[name] for problem in problems]
    return [value.strip() if isinstance(value, str) else number_text(value) for value in found]


def no_column(name: str, columns: Iterable[str], kind: Literal["number", "category"] = "number") -> str:
    """What is told of a column that is none of those known: `got "step", expected ..., did you mean steps?`."""
    known = sorted(columns)
    wanted = "a numeric column" if kind == "number" else "a column of numbers or short texts"
    return unknown(name, known, f"{wanted} of the dataset{'' if known else ', which has none'}")
