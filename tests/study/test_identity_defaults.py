"""A field at its default stays out of an identity: new fields leave old runs alone, changed defaults may not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field
from pydantic_core import PydanticUndefined

from repro.fields import Strict
from repro.selection.methods.uniform import Uniform
from repro.selection.registry import builtin
from repro.spec.schema import Cell, EvaluateSpec, TrainSpec
from repro.study.identity import identity
from repro.tasks.registry import built_in
from tests.study.test_identity import GOLDEN, Fixed

FROZEN = Path(__file__).with_name("defaults_v3.json")


class TrainTomorrow(TrainSpec):
    look_ahead: int = Field(3, description="a field of a later version")


class EvaluateTomorrow(EvaluateSpec):
    judges: dict[str, float] = Field(default_factory=dict, description="another one")


class CellTomorrow(Cell):
    train: TrainTomorrow
    evaluate: EvaluateTomorrow


@pytest.mark.parametrize("name", GOLDEN)
def test_a_new_field_with_a_default_leaves_the_golden_identities_alone(name: str) -> None:
    cell, expected = GOLDEN[name]
    later = CellTomorrow.model_validate(cell.model_dump(mode="json"))
    assert later.train.look_ahead == 3
    assert identity(later, Fixed()) == expected


def test_a_new_field_that_is_set_is_another_run() -> None:
    fields = GOLDEN["full"][0].model_dump(mode="json")
    later = CellTomorrow.model_validate({**fields, "train": {**fields["train"], "look_ahead": 4}})
    assert identity(later, Fixed()) != GOLDEN["full"][1]


def test_a_new_field_of_a_selection_leaves_its_identity_alone() -> None:
    class Later(Uniform):
        method: Literal["uniform"] = "uniform"
        temperature: float = Field(1.0, description="a field of a later version")

    assert Later().result_fields() == Uniform().result_fields() == {}
    assert Later(temperature=2.0).result_fields() == {"temperature": 2.0}


def test_a_number_written_as_float_or_whole_is_the_same_default() -> None:
    class Section(Strict):
        rate: float = Field(1.0, description="a rate")

    assert Section(rate=1).result_fields() == {}


def defaults() -> dict[str, Any]:
    """Dotted name -> default of every field that a cell can hold, as JSON has it."""
    found: dict[str, Any] = {}
    seen: set[type[BaseModel]] = set()

    def visit(kind: type[BaseModel]) -> None:
        if kind in seen:
            return
        seen.add(kind)
        for name, field in kind.model_fields.items():
            default = field.get_default(call_default_factory=True)
            if default is not PydanticUndefined and not isinstance(default, BaseModel):
                found[f"{kind.__name__}.{name}"] = json.loads(
                    json.dumps(default, default=lambda value: value.result_fields())
                )
            visit_type(field.annotation)

    def visit_type(annotation: Any) -> None:
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            visit(annotation)
        for inner in getattr(annotation, "__args__", ()):
            visit_type(inner)

    visit(Cell)
    for kind in (*builtin().values(), *built_in().values(), *(task.teacher for task in built_in().values())):
        visit(kind)
    return found


def test_no_default_of_version_2_changes_its_value() -> None:
    """A default that changes would give two different runs one identity: raise VERSION in repro/study/identity.py."""
    frozen, now = json.loads(FROZEN.read_text()), defaults()
    changed = {name: (value, now[name]) for name, value in frozen.items() if name in now and now[name] != value}
    assert changed == {}


def test_the_frozen_defaults_know_every_field() -> None:
    """A new field: add its line to the file, and from then on its default is frozen."""
    assert sorted(defaults()) == sorted(json.loads(FROZEN.read_text()))
