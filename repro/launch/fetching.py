"""Whether what cells take from the hub can be had, before any of their jobs starts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from repro.arithmetic import thread_suffix
from repro.cache import Cache
from repro.models.loading import check_fetchable as check_model
from repro.models.sources import resolved
from repro.spec.schema import Cell
from repro.tasks.dataset_spec import DatasetSpec
from repro.tasks.sources import Hub, evaluation_set, find_source, find_test, held_out_spec
from repro.tasks.sources import check_fetchable as check_dataset


def check_fetchable(cells: Iterable[Cell], runs_dir: Path) -> None:
    """UserError for the first model or dataset that is not on this machine where the hub cannot be reached.

    What predictors are made of is left out: the cache may hold the predictor, and a job tells at once.
    """
    known: set[str] = set()
    for cell in cells:
        key = cell.model_dump_json(include={"model", "dataset", "evaluate"})
        if key in known:
            continue
        known.add(key)
        model = resolved(cell.model)
        if model.hub is not None and not model.stand_in and not _is_started(cell, runs_dir):
            check_model(model, cell.model.named)
        for hub, dataset in _datasets(cell):
            check_dataset(hub, dataset)


def _is_started(cell: Cell, runs_dir: Path) -> bool:
    """Whether the policy has a supervised start that the cache holds the result of."""
    if cell.model.warm_start is None:
        return False
    from repro.models.policy import policy_is_built

    return policy_is_built(
        cell.model, cell.dataset, Cache(runs_dir / "cache", suffix=thread_suffix(cell.train.threads))
    )


def _datasets(cell: Cell) -> Iterator[tuple[Hub, DatasetSpec]]:
    """The hub datasets of a cell, each with the spec that asks for it."""
    tests = [benchmark.dataset for benchmark in cell.evaluate.benchmarks]
    if cell.dataset.procedural is None:
        source = find_source(cell.dataset, cell.dataset.train_split)
        if isinstance(source, Hub):
            yield source, cell.dataset
        tests = [cell.dataset, *(evaluation_set(name, cell.dataset.stand_in) for name in cell.dataset.without), *tests]
    for dataset in tests:
        held = find_test(dataset)
        if isinstance(held, Hub):
            yield held, held_out_spec(dataset)
