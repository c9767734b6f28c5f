"""One trial as cells: the searched arm with the sampled values, on validation questions, once per sweep seed."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from repro.canonical import digest
from repro.errors import UserError
from repro.models.model_spec import ModelSpec
from repro.spec.document import dotted
from repro.spec.schema import Cell, Spec
from repro.spec.sweep_spec import SweepSpec
from repro.study.cell_checks import cell_problems
from repro.study.expand import ExpandedCell
from repro.study.identity import Digests, identity
from repro.study.points import Place
from repro.study.raw_fields import base_fields, runs_on, with_fields, with_values
from repro.tasks.dataset_spec import DatasetSpec


def trial_name(sweep: SweepSpec, arm: str, number: int) -> str:
    """What a trial is called in tables and in MLflow: `trial-003`, `dots.trial-003` where several arms are searched."""
    return f"{arm}." * (len(sweep.arms) > 1) + f"trial-{number:03d}"


def searched(spec: Spec) -> Iterator[tuple[ModelSpec, DatasetSpec, str]]:
    """What has an Optuna study of its own: each model and dataset, and each searched arm that runs on them.

    A sweep of one arm searches it on every model and dataset.
    """
    assert spec.sweep is not None
    arms = spec.sweep.arms
    for model, dataset, arm in itertools.product(spec.model, spec.dataset, arms):
        if len(arms) == 1 or runs_on(spec.arms[arm], model, dataset):
            yield model, dataset, arm


def experiment_name(spec: Spec) -> str:
    """The MLflow experiment of a sweep: apart from the study's own, whose report must not mix with trials."""
    return f"{spec.name}.sweep"


def study_name(spec: Spec, base: Cell, digests: Digests | None = None) -> str:
    """Of the Optuna study of an arm on a model and dataset; ends in a digest of everything that changes what a trial
    means. The arm stands in it where several are searched.

    The content of local files enters it. More trials, other labels or another place of the same files go on with the
    same study.

    Args:
        base: see `base_cell`.
    """
    assert spec.sweep is not None
    name = f"{spec.name} {base.model.label} {base.dataset.label}" + f" {base.arm}" * (len(spec.sweep.arms) > 1)
    return f"{name} {digest({'cell': identity(base, digests), 'search': spec.sweep.search_fields}, 8)}"


def base_cell(spec: Spec, model: ModelSpec, dataset: DatasetSpec, arm: str | None = None) -> Cell:
    """A searched arm as it stands in the spec, with the first sweep seed, evaluated on validation questions only.

    Args:
        arm: one of the sweep's, by default its first.
    """
    assert spec.sweep is not None
    arm = arm or spec.sweep.arms[0]
    fields = base_fields(spec, model, dataset, arm)
    labels = {"spec": experiment_name(spec), "arm": arm, "seed": spec.sweep.seeds[0]}
    return with_values(Cell.model_validate({**fields, **labels}), {"evaluate.sets": ("validation",)})


def trial_cells(
    spec: Spec, base: Cell, number: int, values: Mapping[str, Any], digests: Digests | None = None
) -> list[ExpandedCell]:
    """The cells of a trial, one per sweep seed in their order.

    Args:
        base: see `base_cell`.
        values: dotted path -> sampled value.

    Raises:
        UserError: the values make no valid cell, e.g. a subset smaller than a batch; or a local file is missing.
    """
    assert spec.sweep is not None
    check_values(spec, base, values)
    point = {"arm": trial_name(spec.sweep, base.arm, number), "axis_point": dict(values)}
    digests = digests or Digests()
    cells = []
    for seed in spec.sweep.seeds:
        cell = with_values(base, {**values, **point, "seed": seed})
        place = Place(cell.model.label, cell.dataset.label, cell.arm, cell.axis_point, seed)
        cells.append(ExpandedCell(cell, identity(cell, digests), (place,)))
    return cells


def confirming_cells(
    spec: Spec,
    model: ModelSpec,
    dataset: DatasetSpec,
    values: Mapping[str, Any],
    digests: Digests | None = None,
    arm: str | None = None,
    carried: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
) -> list[ExpandedCell]:
    """What a searched arm is confirmed by: `<arm>.best` with the values, `<arm>.best_of.<dataset>` with those that were
    best on another dataset, the arm as it stands, and the baseline.

    Each on the study's seeds and its own evaluation sets. The baseline is left out where it does not run on this model
    and dataset.

    Args:
        arm: one of the sweep's, by default its first.
        carried: label of another dataset -> the best values there.
    """
    assert spec.sweep is not None
    arm, baseline = arm or spec.sweep.arms[0], spec.report.baseline or next(iter(spec.arms))
    runs = runs_on(spec.arms[baseline], model, dataset)
    plan: dict[str, tuple[str, dict[str, Any]]] = {f"{arm}.best": (arm, dict(values))}
    plan |= {f"{arm}.best_of.{label}": (arm, dict(found)) for label, found in carried.items()}
    plan[arm] = (arm, {})
    if runs:
        plan.setdefault(baseline, (baseline, {}))
    digests, cells = digests or Digests(), []
    for name, (of, changed) in plan.items():
        fields = base_fields(spec, model, dataset, of)
        for seed in spec.seeds:
            labels = {"spec": experiment_name(spec), "arm": name, "seed": seed}
            cell = with_values(Cell.model_validate({**fields, **labels}), {**changed, "axis_point": changed})
            place = Place(model.label, dataset.label, name, changed, seed)
            cells.append(ExpandedCell(cell, identity(cell, digests), (place,)))
    return cells


def check_values(spec: Spec, base: Cell, values: Mapping[str, Any]) -> None:
    """UserError where sampled values make no valid cell; it names the fields of the sweep's space."""
    assert spec.sweep is not None
    fields = with_fields(base.model_dump(mode="json"), values)
    problems = cell_problems(spec, base.arm, fields, {path: ("sweep", "space", path) for path in values})
    if problems:
        raise UserError("\n".join(f"{dotted(problem.path)}: {problem.text}" for problem in problems))
    try:
        with_values(base, values)
    except ValidationError as error:
        raise UserError(f"sweep.space: {error}") from error


def merge(cells: list[ExpandedCell]) -> list[ExpandedCell]:
    """The distinct trainings; trials with the same values become places of one cell."""
    found: dict[str, ExpandedCell] = {}
    for cell in cells:
        first = found.setdefault(cell.identity, cell)
        if first is not cell:
            found[cell.identity] = dataclasses.replace(first, places=(*first.places, *cell.places))
    return list(found.values())
