"""One trial as cells: the searched arm with the sampled values, on validation questions, once per sweep seed."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from repro.models.model_spec import ModelSpec
from repro.spec.schema import FloatRange, IntRange, Range, Spec
from repro.study.expand import ExpandedCell, base_fields, expand_study, with_field
from repro.study.load import parse_spec
from repro.tasks.dataset_spec import DatasetSpec


def arm_name(number: int) -> str:
    """What a trial is called in tables and in MLflow."""
    return f"trial-{number:03d}"


def experiment_name(spec: Spec) -> str:
    """The MLflow experiment of a sweep: apart from the study's own, whose report must not mix with trials."""
    return f"{spec.name}.sweep"


def trial_cells(
    spec: Spec, model: ModelSpec, dataset: DatasetSpec, number: int, params: Mapping[str, Any]
) -> list[ExpandedCell]:
    """The cells of a trial, one per sweep seed in their order.

    Raises:
        UserError: the sampled values make no valid cell, e.g. a subset smaller than a batch.
    """
    assert spec.sweep is not None
    draft = base_fields(spec, model, dataset, spec.sweep.arm)
    for path, value in params.items():
        draft = with_field(draft, path, value)
    train = dict(draft["train"])
    if draft["budget"] is not None:
        del train["steps"]  # a budget replaces it, and both together are an error
    data = {
        "name": experiment_name(spec),
        "model": [_plain(draft["model"])],
        "dataset": [_plain(draft["dataset"])],
        "train": train,
        "evaluate": {**draft["evaluate"], "sets": ["validation"]},
        "arms": {arm_name(number): _plain({key: draft[key] for key in ("selection", "replay")})},
        "seeds": spec.sweep.seeds,
        **({"budget": _plain(draft["budget"])} if draft["budget"] is not None else {}),
    }
    cells = expand_study(parse_spec(data, f"trial {number}"))
    return [_labelled(cell, dict(params)) for cell in cells]


def distributions(space: Mapping[str, Range]) -> dict[str, Any]:
    """Optuna's distributions of a sweep's space."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    found: dict[str, Any] = {}
    for path, values in space.items():
        if isinstance(values, FloatRange):
            found[path] = FloatDistribution(*values.float, log=values.log)
        elif isinstance(values, IntRange):
            found[path] = IntDistribution(*values.int, log=values.log)
        else:
            found[path] = CategoricalDistribution(values.choice)
    return found


def _labelled(cell: ExpandedCell, params: dict[str, Any]) -> ExpandedCell:
    """The same cell with the sampled values where a study has its axis values."""
    places = tuple(dataclasses.replace(place, axis_point=params) for place in cell.places)
    return ExpandedCell(cell.cell.model_copy(update={"axis_point": params}), cell.identity, places)


def _plain(fields: Any) -> Any:
    """Without empty fields: one that is written out as empty counts as given."""
    if isinstance(fields, dict):
        return {name: _plain(value) for name, value in fields.items() if value is not None}
    return fields
