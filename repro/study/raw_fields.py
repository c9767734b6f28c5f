"""The fields of a cell as plain data: what an arm gives, and what an axis or a sweep puts in their place."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from repro.fields import Strict
from repro.models.model_spec import ModelSpec
from repro.spec.document import dotted
from repro.spec.schema import ARM_SECTIONS, ArmSpec, Cell, Spec
from repro.tasks.dataset_spec import DatasetSpec

METHOD = "selection.method"


def runs_on(arm: ArmSpec, model: ModelSpec, dataset: DatasetSpec) -> bool:
    """Whether an arm is asked for on this model and dataset."""
    return (arm.models is None or model.label in arm.models) and (arm.datasets is None or dataset.label in arm.datasets)


def base_fields(spec: Spec, model: ModelSpec, dataset: DatasetSpec, arm: str) -> dict[str, Any]:
    """The raw cell fields of one arm without axes."""
    chosen = spec.arms[arm]
    fields = {name: plain(section) for name, section in arm_sections(spec, model, dataset, chosen).items()}
    return {**fields, "train": {**plain(spec.train), **chosen.train}}


def axis_points(spec: Spec, model: ModelSpec, dataset: DatasetSpec, arm: str) -> int:
    """How many points of the study's axes an arm has on this model and dataset; 1 where none applies."""
    base = base_fields(spec, model, dataset, arm) if spec.axes else {}
    return math.prod(len(values) for path, values in spec.axes.items() if has_path(base, path))


def arm_sections(spec: Spec, model: ModelSpec, dataset: DatasetSpec, arm: ArmSpec) -> dict[str, Any]:
    """The sections of an arm's cells without axes, but for `train`, as the spec has them."""
    own = {name: getattr(arm, name) for name in ARM_SECTIONS}
    shared = {"evaluate": spec.evaluate, "reward": spec.reward, "budget": spec.budget}
    sections = {**own, **{name: section for name, section in shared.items() if own.get(name) is None}}
    del sections["train"]
    return {"model": model, "dataset": dataset, **sections}


def plain(section: Any) -> Any:
    """A section, or a list of them, in JSON types."""
    if isinstance(section, list | tuple):
        return [plain(item) for item in section]
    return section.model_dump(mode="json") if isinstance(section, Strict) else section


def has_path(fields: dict[str, Any], path: str) -> bool:
    """Whether raw cell fields have a dotted path that means something there."""
    node: Any = fields
    for part in path.split("."):
        if not isinstance(node, dict) or part not in node:
            return False
        node = node[part]
    # A band of low and high has no fraction, though the section it shares with other bands has the field.
    return not (path == "selection.fraction" and node is None)


def all_paths(fields: dict[str, Any]) -> list[str]:
    """Dotted paths of every value in raw cell fields."""
    found: list[str] = []

    def visit(node: Any, path: tuple[str, ...]) -> None:
        if isinstance(node, dict):
            for key, inner in node.items():
                visit(inner, (*path, key))
        elif has_path(fields, dotted(path)):
            found.append(dotted(path))

    visit(fields, ())
    return found


def with_fields(fields: Mapping[str, Any] | Strict, values: Mapping[str, Any]) -> dict[str, Any]:
    """Cell fields with other values under dotted paths; another selection method starts from its own defaults.

    The method comes first, wherever it stands in `values`: the other values are fields of the new method.
    """
    for path in sorted(values, key=lambda path: path != METHOD):
        fields = _with_field(fields, path, values[path])
    return dict(fields)


def with_values(cell: Cell, values: Mapping[str, Any]) -> Cell:
    """A cell with other values under dotted paths.

    Raises:
        pydantic.ValidationError: a value is out of range, or there is no such field.
    """
    return Cell.model_validate(with_fields(cell, values))


def _with_field(fields: Mapping[str, Any] | Strict, path: str, value: Any) -> dict[str, Any]:
    found = dict(fields)
    if path == METHOD:
        same = dict(found["selection"]).get("method") == value
        return found if same else {**found, "selection": {"method": value}}
    head, _, rest = path.partition(".")
    return {**found, head: _with_field(found[head], rest, value) if rest else value}
