"""Whether the scores that a selection reads, of a file or of a column, are there for every question of its pool."""

from __future__ import annotations

import warnings
from collections.abc import Iterable

from repro.cache import Cache
from repro.errors import UserError
from repro.models.chat import prompt_style
from repro.models.prompted import at_hand
from repro.spec.schema import Cell
from repro.study.fit import fit_to_policy, without_examples
from repro.tasks.columns import categories_of, column_of
from repro.tasks.datasets import load_dataset
from repro.tasks.problem import Problem, TaskData
from repro.tasks.sources import on_hub


def check_scored(cells: Iterable[Cell], cache: Cache) -> None:
    """UserError as the job would raise it, for the first cell whose selection lacks a question.

    Cells whose questions are not on this machine are passed over, and those of which only a policy that is not here
    tells which questions are left out.
    """
    known: set[str] = set()
    loaded: dict[str, TaskData] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # whoever loads the questions says what is left out
        for cell in cells:
            if not _reads_scores(cell):
                continue
            key = cell.model_dump_json(include={"dataset", "model", "selection", "train", "evaluate"})
            if key in known or on_hub(cell.dataset):
                continue
            known.add(key)
            place = cell.dataset.model_dump_json()
            if place not in loaded:
                loaded[place] = load_dataset(cell.dataset)
            pool = _pool(cell, loaded[place], cache)
            if pool is not None:
                _check(cell, pool)


def _reads_scores(cell: Cell) -> bool:
    own = cell.selection
    return bool(own.files() or own.dataset_columns or own.dataset_category is not None)


def _pool(cell: Cell, data: TaskData, cache: Cache) -> tuple[Problem, ...] | None:
    """The training questions that the policy is asked; None where only its job can tell."""
    if cell.dataset.procedural is None and cell.dataset.too_long == "drop":
        asked = at_hand(cell.model, cache)
        if asked is None:
            return None
        return fit_to_policy(asked, cell.dataset, cell.train, cell.evaluate, data, {})[0].train
    return without_examples(prompt_style(cell.model), "train", data.train)[0]


def _check(cell: Cell, pool: tuple[Problem, ...]) -> None:
    own, stand_in = cell.selection, cell.dataset.stand_in
    try:
        own.check_ids([problem.id for problem in pool])
        for column in own.dataset_columns.values():
            column_of(pool, column, stand_in)
        if own.dataset_category is not None:
            categories_of(pool, own.dataset_category, stand_in)
    except UserError as error:
        raise UserError(f"arms.{cell.arm}.{error}") from error
