"""Turns a spec into cells: model x dataset x arm x axis point x seed, each training listed once."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from repro.fields import Scalar, Strict
from repro.models.model_spec import ModelSpec
from repro.spec.document import dotted
from repro.spec.schema import ARM_SECTIONS, ArmSpec, Cell, Spec
from repro.tasks.dataset_spec import DatasetSpec

METHOD = "selection.method"


@dataclass(frozen=True)
class Place:
    """Where a training appears in a study: the labels of one row of its matrix."""

    model: str
    dataset: str
    arm: str
    axis_point: dict[str, Scalar]
    seed: int


@dataclass(frozen=True)
class ExpandedCell:
    """A cell to train, its identity, and every place of the study that it serves (the first is its own)."""

    cell: Cell
    identity: str
    places: tuple[Place, ...]


def expand(spec: Spec) -> list[Cell]:
    """The pairwise distinct cells of a spec, in the order model, dataset, arm, axis point, seed.

    Two arms (or axis points) that resolve to the same fields give one cell, under the first one's labels.
    """
    from repro.canonical import canonical
    from repro.study.identity import result_fields

    distinct: dict[str, Cell] = {}
    for _, cell in matrix(spec):
        distinct.setdefault(canonical(result_fields(cell)), cell)
    return list(distinct.values())


def expand_study(spec: Spec) -> list[ExpandedCell]:
    """The same with identities (which read the content of local models and datasets) and all places of each.

    A report looks an arm's runs up by place, so an arm that shares its training with another still finds it.
    Raises UserError when a local file is missing.
    """
    from repro.study.identity import Digests, identity

    digests = Digests()
    cells: dict[str, tuple[Cell, list[Place]]] = {}
    for place, cell in matrix(spec):
        cells.setdefault(identity(cell, digests), (cell, []))[1].append(place)
    return [ExpandedCell(cell, key, tuple(places)) for key, (cell, places) in cells.items()]


def matrix(spec: Spec) -> Iterator[tuple[Place, Cell]]:
    """Every row of the matrix, identical trainings included."""
    for arm, point, draft in drafts(spec):
        for seed in spec.seeds:
            cell = Cell.model_validate({**draft, "seed": seed, "spec": spec.name, "arm": arm, "axis_point": point})
            yield Place(cell.model.label, cell.dataset.label, arm, point, seed), cell


def drafts(spec: Spec) -> Iterator[tuple[str, dict[str, Scalar], dict[str, Any]]]:
    """Rows without seeds: arm, axis point, raw cell fields (which may be invalid where an axis makes them so)."""
    for model, dataset, arm in itertools.product(spec.model, spec.dataset, spec.arms):
        if not runs_on(spec.arms[arm], model, dataset):
            continue
        base = base_fields(spec, model, dataset, arm)
        axes = {path: values for path, values in spec.axes.items() if has_path(base, path)}
        for values in itertools.product(*axes.values()):
            point = dict(zip(axes, values, strict=True))
            yield arm, point, with_fields(base, point)


def runs_on(arm: ArmSpec, model: ModelSpec, dataset: DatasetSpec) -> bool:
    """Whether an arm is asked for on this model and dataset."""
    return (arm.models is None or model.label in arm.models) and (arm.datasets is None or dataset.label in arm.datasets)


def base_fields(spec: Spec, model: ModelSpec, dataset: DatasetSpec, arm: str) -> dict[str, Any]:
    """The raw cell fields of one arm without axes."""
    chosen = spec.arms[arm]
    own = {name: getattr(chosen, name) for name in ARM_SECTIONS}
    shared = {"evaluate": spec.evaluate, "reward": spec.reward, "budget": spec.budget}
    sections = {**own, **{name: section for name, section in shared.items() if own.get(name) is None}}
    fields = {name: _plain(section) for name, section in {"model": model, "dataset": dataset, **sections}.items()}
    return {**fields, "train": {**_plain(spec.train), **chosen.train}}


def _plain(section: Any) -> Any:
    """A section, or a list of them, in JSON types."""
    if isinstance(section, list | tuple):
        return [_plain(item) for item in section]
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


def epoch_steps(epochs: float, questions: int, questions_per_step: int) -> int:
    """Steps of so many passes over `questions`; the last step may go beyond them."""
    return max(1, math.ceil(epochs * questions / questions_per_step - 1e-9))


def pool_size(dataset: DatasetSpec) -> int | None:
    """Training questions of a dataset, where the spec alone tells; an upper bound for the others is their limit."""
    if dataset.procedural is None:
        return None
    return min(dataset.procedural.pool, dataset.limits.train or dataset.procedural.pool)
