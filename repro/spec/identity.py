"""Run identity: a versioned hash of every field that changes a run's result, and of nothing else."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from repro.spec.datasets import PROCEDURAL, DatasetSpec
from repro.spec.models import ModelSpec
from repro.spec.schema import Cell

VERSION = "v1"
"""Raise it when the meaning of a field or of the training changes, so that old runs are not taken for new ones."""


class Digests:
    """Content digests of models and datasets, each computed once. Raises UserError when a local file is missing."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def dataset(self, dataset: DatasetSpec) -> str:
        """Digest of a dataset's content: files by content, procedural ones by their fields, hub ones by revision."""
        key = dataset.model_dump_json()
        if key not in self._known:
            from repro.tasks.datasets import dataset_digest

            self._known[key] = dataset_digest(dataset)
        return self._known[key]

    def policy(self, model: ModelSpec, dataset: DatasetSpec) -> str:
        """Digest of the start policy; the embedded one depends on the dataset its warm start imitates."""
        key = model.model_dump_json() + dataset.model_dump_json()
        if key not in self._known:
            from repro.models.policy import policy_digest

            self._known[key] = policy_digest(model, dataset)
        return self._known[key]


def identity(cell: Cell, digests: Digests | None = None) -> str:
    """`v1-` and 16 hexadecimal digits. Equal for cells that differ in labels, paths or unused fields only.

    Raises UserError when a local model or dataset cannot be found.
    """
    digests = digests or Digests()
    fields = {
        **result_fields(cell),
        "policy_digest": digests.policy(cell.model, cell.dataset),
        "dataset_digest": digests.dataset(cell.dataset),
    }
    return identity_of(fields)


def identity_of(fields: dict[str, Any]) -> str:
    """The identity of fields that change the result."""
    return f"{VERSION}-{hashlib.sha256(canonical(fields).encode()).hexdigest()[:16]}"


def canonical(value: Any) -> str:
    """JSON with sorted keys; 1 and 1.0 are the same number."""
    return json.dumps(_plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def result_fields(cell: Cell) -> dict[str, Any]:
    """Every field that changes the result, with defaults written out and what is switched off left out.

    Local paths are left out too: their content enters through a digest.
    """
    fields = cell.model_dump(mode="json", include={"train", "evaluate", "selection", "seed"}, exclude_none=True)
    fields["model"] = _model_fields(cell)
    fields["dataset"] = _dataset_fields(cell.dataset)
    if cell.replay is not None:
        fields["replay"] = cell.replay.model_dump(mode="json")
    if cell.budget is not None:
        fields["budget"] = cell.budget.model_dump(mode="json", exclude_none=True)
        del fields["train"]["steps"]  # a budget stops the run instead
    if cell.selection.method == "difficulty":
        fields["selection"]["samples"] = cell.selection.samples or cell.train.group_size
    if cell.selection.method == "curriculum":
        del fields["selection"]["target" if cell.selection.by == "pass_rate" else "samples"]
    return fields


def _model_fields(cell: Cell) -> dict[str, Any]:
    model = cell.model
    fields = model.model_dump(mode="json", exclude_none=True, exclude={"name", "path"})
    if model.path is not None:
        fields["local"] = True
    if model.tiny is not None:
        if model.tiny.tokenizer == "characters":
            del fields["tiny"]["vocabulary"]
        if cell.dataset.arithmetic is None:
            del fields["tiny"]["warm_start"]["teacher"]
        if cell.dataset.shuffle is None:
            del fields["tiny"]["warm_start"]["shuffle"]
        if cell.dataset.variables is None:
            del fields["tiny"]["warm_start"]["variables"]
        del fields["trust_remote_code"]
        fields.pop("system_prompt", None)  # its tokenizer has no chat template
    return fields


def _dataset_fields(dataset: DatasetSpec) -> dict[str, Any]:
    made = next((name for name in PROCEDURAL if getattr(dataset, name) is not None), None)
    if made is not None:
        fields: dict[str, Any] = {made: getattr(dataset, made).model_dump(mode="json")}
    else:
        fields = dataset.model_dump(mode="json", exclude_none=True, exclude={"name", "path", "test_path", "limits"})
    limits = dataset.limits.model_dump(mode="json", exclude_none=True)
    return {**fields, "limits": limits} if limits else fields
