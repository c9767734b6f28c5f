"""Made-up rows in the field layout of a hub dataset, so that a smoke run touches every stage without a network."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from repro.tasks.catalogue import CATALOGUE
from repro.tasks.dataset_spec import DatasetSpec, Filter, Interval
from repro.tasks.files import Row

STAND_IN_VERSION = 1
"""Raise it when the same spec gives other rows: it enters the identity of runs."""
TRAIN_ROWS, TEST_ROWS = 192, 40
NAMES = ("Ana", "Ben", "Chen", "Dora", "Eli", "Fay", "Gus", "Hana")
THINGS = ("pens", "cards", "shells", "apples", "stamps", "beads", "books", "coins")


def stand_in_rows(spec: DatasetSpec, hub: str, split: str) -> Iterator[Row]:
    """Rows of one split: school sums whose text differs from split to split and from dataset to dataset.

    Each has the fields that the spec maps, nested where it maps a path, and those that it filters by: four rows in
    five hold a value that the filter keeps. TEST_ROWS rows for a test split, TRAIN_ROWS for any other.
    """
    seed = hashlib.sha256(f"{STAND_IN_VERSION}/{hub}/{split}".encode()).digest()[:8]
    generator = np.random.default_rng(int.from_bytes(seed, "big"))
    test = split == spec.test_split
    marked = spec.named is not None and CATALOGUE[spec.named].marked
    for number in range(TEST_ROWS if test else TRAIN_ROWS):
        question, solution, answer = _sum(generator, number)
        row: dict[str, Any] = {}
        _put(row, spec.question, question)
        _put(row, spec.answer, f"{solution}\n#### {answer}" if marked else answer)
        if spec.solution is not None:
            _put(row, spec.solution, solution)
        if spec.id is not None:
            _put(row, spec.id, f"stand-in-{split}-{number}")
        for field, wanted in spec.filters.items():
            _put(row, field, _outside(wanted) if number % 5 == 4 else _inside(wanted, number))
        yield f"row {number + 1}", row


def _sum(generator: np.random.Generator, number: int) -> tuple[str, str, str]:
    """A question, its worked solution and its answer; `number` keeps the questions of a split apart."""
    name, thing = (words[int(generator.integers(len(words)))] for words in (NAMES, THINGS))
    boxes, each, more = (int(value) for value in generator.integers(2, 30, 3))
    start = 100 + number
    given = int(generator.integers(1, start))
    total = start + boxes * each - given
    if generator.random() < 0.5:
        question = (
            f"{name} has {start} {thing}, buys {boxes} boxes of {each} and gives {given} away. How many are left?"
        )
        solution = f"{boxes} boxes hold {boxes * each}. {start} + {boxes * each} - {given} = {total}."
        return question, solution, str(total)
    question = f"What is ${start} + {boxes} \\cdot {each} - {more}$?"
    solution = f"${boxes} \\cdot {each} = {boxes * each}$, so it is ${start + boxes * each - more}$."
    return question, solution, str(start + boxes * each - more)


def _inside(wanted: Filter, number: int) -> Any:
    """A value that the filter keeps; a list's values in turn."""
    if isinstance(wanted, Interval):
        return wanted.min if wanted.min is not None else wanted.max
    values = wanted if isinstance(wanted, list) else [wanted]
    return values[number % len(values)]


def _outside(wanted: Filter) -> Any:
    """A value of the same kind that the filter does not keep."""
    if isinstance(wanted, Interval):
        return wanted.min - 1 if wanted.min is not None else (wanted.max or 0.0) + 1
    values = wanted if isinstance(wanted, list) else [wanted]
    numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    return min(numbers) - 1 if numbers else "none of them"


def _put(row: dict[str, Any], field: str, value: Any) -> None:
    """Set a field at its path: the first part is a column, a number after it a place in a list."""
    first, *parts = field.split(".")
    node: Any = row
    key: str | int = first
    for part in parts:
        inner: str | int = int(part) if part.isdigit() else part
        if isinstance(node, list):
            node.extend({} for _ in range(int(key) + 1 - len(node)))
            if isinstance(inner, int) and not isinstance(node[int(key)], list):
                node[int(key)] = []
            node = node[int(key)]
        else:
            node = node.setdefault(key, [] if isinstance(inner, int) else {})
        key = inner
    if isinstance(node, list):
        node.extend({} for _ in range(int(key) + 1 - len(node)))
        node[int(key)] = value
    else:
        node[key] = value
