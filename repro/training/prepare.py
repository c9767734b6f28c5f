"""The cache of a cell, and the warm starts in it that ranks need: a trainer inside a distributed run would train across
all ranks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from repro.arithmetic import thread_suffix
from repro.cache import Cache, no_check
from repro.errors import UserError
from repro.models.model_spec import ModelSpec
from repro.models.policy import load_policy, policy_is_built
from repro.spec.schema import Cell
from repro.tasks.datasets import load_dataset
from repro.training.predictor_labels import label_pool


def cache_of(cell: Cell, runs_dir: Path, check: Callable[[], None] = no_check) -> Cache:
    """What the cells of a runs folder share, apart where they compute with another number of threads.

    Args:
        check: raises where an input is no longer what keys say.
    """
    return Cache(runs_dir / "cache", suffix=thread_suffix(cell.train.threads), check=check)


def prepare(cell: Cell, cache: Cache) -> None:
    """Build the warm starts of the cell's policies that the cache lacks. UserError as `load_policy`."""
    dataset = cell.dataset
    for model in missing(cell, cache):
        if cell.predictor is not None and model != cell.model:
            data = label_pool(cell.predictor, dataset).data
        else:
            data = load_dataset(dataset)
        load_policy(model, dataset, data, cache)


def check_prepared(cell: Cell, cache: Cache) -> None:
    """UserError where a warm start is still to be built."""
    for model in missing(cell, cache):
        raise UserError(
            f"model: the warm start of {model.label!r} is not in {cache.root}, and several processes "
            f"cannot build it; `python -m repro run --processes N` builds it first"
        )


def missing(cell: Cell, cache: Cache) -> list[ModelSpec]:
    """The policies of a cell, its predictor's included, whose warm start is not there."""
    models, spec = [cell.model], cell.predictor
    if spec is not None and cell.selection.wants_predictor:
        models += [*spec.policies, *([spec.embedder] if spec.embedder is not None else [])]
    return [model for model in models if not policy_is_built(model, cell.dataset, cache)]
