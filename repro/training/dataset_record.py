"""The record of a run's datasets as a tracking store lists them: the training pool and the main evaluation set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from repro.canonical import digest as canonical_digest
from repro.masking import mask_values
from repro.spec.schema import Cell
from repro.tasks import registry
from repro.tasks.catalogue import CATALOGUE
from repro.tasks.dataset_spec import DatasetSpec
from repro.tasks.problem import Problem, TaskData
from repro.tasks.sources import held_out_spec
from repro.tracking.datasets import MADE, DatasetRecord
from repro.training.base_policy import main_set
from repro.training.policy_evaluation import evaluation_sets


def dataset_records(cell: Cell, data: TaskData, digest: str) -> list[DatasetRecord]:
    """The training pool and the main evaluation set of a cell, in this order.

    Args:
        digest: the dataset's content digest in the identity of the run; it covers every split. Each record has one of
            its own questions beside it, so that two splits are told apart.
    """
    name, spec = main_set(cell.evaluate.sets), cell.dataset
    asked, there = evaluation_sets(cell, data)[name], len(data.test if name == "test" else data.validation)
    shown = f"{spec.label} {name}" if len(asked) == there else f"{spec.label} {name}, first {len(asked)}"
    held = held_out_spec(spec) if name == "test" else spec
    split = held.test_split if name == "test" else held.train_split
    path = spec.test_path if name == "test" else None
    return [
        _record(f"{spec.label} train", "training", digest, data.train, *_source(spec, spec.train_split)),
        _record(shown, "evaluation", digest, asked, *_source(held, split or held.train_split, path)),
    ]


def _record(
    name: str, context: str, digest: str, problems: Sequence[Problem], source_type: str, source: dict[str, Any]
) -> DatasetRecord:
    source = mask_values({key: _in_project(value) for key, value in source.items() if value is not None})
    own = canonical_digest([[problem.question, problem.answer] for problem in problems], 64)
    return DatasetRecord(name, context, own, len(problems), source_type, source, digest)


def _source(spec: DatasetSpec, split: str, path: str | None = None) -> tuple[str, dict[str, Any]]:
    """MLflow's name for a kind of source, and what the spec says of it. `path`: a file of its own for the split."""
    if spec.procedural is not None:
        task = spec.procedural
        return MADE, {"task": registry.task_name(type(task)), **task.model_dump(mode="json", exclude_none=True)}
    if spec.stand_in:
        return MADE, {"named": spec.named, "hub": spec.hub, "stand_in": True, "split": split}
    if (path := path or spec.path) is not None:
        return "local", {"uri": path, "named": spec.named, "split": split}
    entry = None if spec.named is None else CATALOGUE[spec.named]
    hub, config, revision = spec.hub, spec.config, spec.revision
    if entry is not None:
        hub, config, revision = hub or entry.hub, config or entry.config, revision or entry.revision
    return "hugging_face", {"path": hub, "config_name": config, "revision": revision, "split": split}


def _in_project(value: Any) -> Any:
    """An absolute path without the folders above the project: a copy of the project lies in others."""
    if not isinstance(value, str) or not Path(value).is_absolute():
        return value
    place, here = Path(value), Path.cwd()
    return place.relative_to(here).as_posix() if place.is_relative_to(here) else place.name
