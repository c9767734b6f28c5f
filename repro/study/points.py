"""The points of a study's matrix without seeds, each with its cell; what points share is validated once."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError

from repro.fields import Scalar
from repro.models.model_spec import ModelSpec
from repro.spec.schema import ArmSpec, Cell, Spec, TrainSpec
from repro.study.once import Once
from repro.study.raw_fields import arm_sections, base_fields, has_path, plain, runs_on, with_fields
from repro.tasks.dataset_spec import DatasetSpec


@dataclass(frozen=True)
class Place:
    """Where a training appears in a study: the labels of one row of its matrix."""

    model: str
    dataset: str
    arm: str
    axis_point: dict[str, Scalar]
    seed: int


@dataclass(frozen=True, eq=False)
class Point:
    """An arm on a model and a dataset at one point of the axes. `cell` has the study's first seed.

    `cell` is None where an axis value makes the fields invalid: `valid` tells how.
    """

    spec: Spec
    model: ModelSpec
    dataset: DatasetSpec
    arm: str
    axis_point: dict[str, Scalar]
    cell: Cell | None

    @property
    def seeds(self) -> list[int]:
        """Those of its arm."""
        return self.spec.seeds_of(self.arm)

    def draft(self) -> dict[str, Any]:
        """Its raw cell fields."""
        return with_fields(base_fields(self.spec, self.model, self.dataset, self.arm), self.axis_point)

    def valid(self) -> Cell:
        """Its cell. pydantic.ValidationError where its fields are invalid."""
        if self.cell is not None:
            return self.cell
        labels = {"spec": self.spec.name, "arm": self.arm, "axis_point": self.axis_point, "seed": self.spec.seeds[0]}
        return Cell.model_validate({**self.draft(), **labels})

    def with_seed(self, seed: int) -> Cell:
        """Its cell with another seed."""
        return self.valid().model_copy(update={"seed": seed})

    def place(self, seed: int) -> Place:
        """Its row of the matrix with a seed."""
        cell = self.valid()
        return Place(cell.model.label, cell.dataset.label, self.arm, self.axis_point, seed)


_latest: tuple[Spec, list[Point], Once] | None = None


def points(spec: Spec) -> list[Point]:
    """All points of a spec, in the order model, dataset, arm, axis point; those of the latest spec are kept."""
    return _of(spec)[1]


def shared(spec: Spec) -> Once:
    """What was made of the fields of a spec's points, kept with them."""
    return _of(spec)[2]


def _of(spec: Spec) -> tuple[Spec, list[Point], Once]:
    global _latest
    if _latest is None or _latest[0] is not spec:
        _latest = (spec, _expand(spec), Once())
    return _latest


def _expand(spec: Spec) -> list[Point]:
    found: list[Point] = []
    train = plain(spec.train)
    for model, dataset, (name, arm) in itertools.product(spec.model, spec.dataset, spec.arms.items()):
        if not runs_on(arm, model, dataset):
            continue
        sections = _Sections(spec, train, model, dataset, name, arm)
        base = base_fields(spec, model, dataset, name) if spec.axes else {}
        axes = {path: values for path, values in spec.axes.items() if has_path(base, path)}
        for values in itertools.product(*axes.values()):
            point = dict(zip(axes, values, strict=True))
            found.append(Point(spec, model, dataset, name, point, sections.cell(point)))
    return found


class _Sections:
    """The sections of an arm's cells. Each is validated once for all points that give it the same values."""

    def __init__(
        self, spec: Spec, train: dict[str, Any], model: ModelSpec, dataset: DatasetSpec, name: str, arm: ArmSpec
    ) -> None:
        """`train`: the spec's own section as plain data."""
        self._labels: dict[str, Any] = {"spec": spec.name, "arm": name, "seed": spec.seeds[0]}
        self._base: dict[str, Any] = arm_sections(spec, model, dataset, arm)
        self._train = {**train, **arm.train} if arm.train else None
        self._known: dict[Any, Any] = {}
        try:
            self._base["train"] = spec.train if self._train is None else TrainSpec.model_validate(self._train)
        except ValidationError:  # an axis may give what makes it valid
            self._base["train"] = None

    def cell(self, point: Mapping[str, Scalar]) -> Cell | None:
        """The cell of an axis point; None where its fields are invalid."""
        by_section: dict[str, dict[str, Scalar]] = {}
        for path, value in point.items():
            by_section.setdefault(path.partition(".")[0], {})[path] = value
        sections = dict(self._base)
        try:
            for name, values in by_section.items():
                sections[name] = self._changed(name, values)
        except ValidationError:
            return None
        if sections["train"] is None:
            return None
        return Cell.model_construct(**self._labels, axis_point=dict(point), **sections)

    def _changed(self, name: str, values: Mapping[str, Scalar]) -> Any:
        key = (name, tuple((path, type(value), value) for path, value in values.items()))
        if key not in self._known:
            fields = self._train if name == "train" and self._train is not None else plain(self._base[name])
            self._known[key] = _adapter(name).validate_python(with_fields({name: fields}, values)[name])
        return self._known[key]


_adapters: dict[str, TypeAdapter[Any]] = {}


def _adapter(section: str) -> TypeAdapter[Any]:
    """What validates a section of a cell by itself."""
    if section not in _adapters:
        _adapters[section] = TypeAdapter(get_type_hints(Cell, include_extras=True)[section])
    return _adapters[section]
