"""The trials of a search as the store shows them."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import optuna

from repro.errors import UserError
from repro.launch.cells import labels_of
from repro.spec.schema import Cell, Spec
from repro.study.identity import Digests
from repro.study.trial_cells import experiment_name, study_name, trial_cells, trial_name
from repro.sweep.attempt import times_of
from repro.sweep.summary import values_of
from repro.tracking.labels import Labels
from repro.tracking.trial_costs import trial_costs
from repro.tracking.trials import TrialRecord


def trial_records(
    spec: Spec,
    base: Cell,
    trials: Sequence[optuna.trial.FrozenTrial],
    runs_dir: Path,
    digests: Digests,
    run_costs: dict[str, dict[str, float]],
    numbers: Collection[int] | None = None,
) -> list[TrialRecord]:
    """The trials of a search by their numbers, all or those that are asked for.

    Args:
        base: see `base_cell`.
        trials: all that the search has, by their numbers.
        run_costs: what runs cost by identity, as far as it was read before; what is read now is added.
    """
    costs = trial_costs(runs_dir, [trial.user_attrs.get("identities", []) for trial in trials], run_costs)
    return [
        _record(spec, base, trial, cost, digests)
        for trial, cost in zip(trials, costs, strict=True)
        if numbers is None or trial.number in numbers
    ]


def _record(
    spec: Spec, base: Cell, trial: optuna.trial.FrozenTrial, cost: dict[str, float], digests: Digests
) -> TrialRecord:
    assert spec.sweep is not None
    params: dict[str, Any] = trial.params
    try:
        cell = trial_cells(spec, base, trial.number, params, digests)[0]
        labels = labels_of(cell, experiment_name(spec))[0]
        fields = json.loads(cell.cell.model_dump_json())
    except UserError:
        names = (trial_name(spec.sweep, base.arm, trial.number), base.model.label, base.dataset.label)
        labels, fields = Labels(experiment_name(spec), *names, seed=0, axis=params), None
    return TrialRecord(
        number=trial.number,
        state=trial.state.name.lower(),
        labels=labels,
        params=params,
        cell=fields,
        values=values_of(trial, spec.sweep),
        reason=trial.user_attrs.get("reason", ""),
        search=study_name(spec, base, digests),
        times=times_of(trial),
        seed_values={int(seed): value for seed, value in trial.user_attrs.get("seeds", {}).items()},
        cost=cost,
    )
