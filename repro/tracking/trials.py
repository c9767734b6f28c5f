"""Trials of a sweep in MLflow: the parent of a trial's seeds shows its values, its state and its result."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from repro.canonical import canonical, digest
from repro.tracking.address import resolve_store
from repro.tracking.client import away_errors, experiment_id, report_away, writing
from repro.tracking.keys import parent_key
from repro.tracking.labels import Labels
from repro.tracking.read import runs_of_kind

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run


MLFLOW_STATUS = {"complete": "FINISHED", "pruned": "KILLED", "fail": "FAILED"}
"""State of a trial -> status of its run; another state is RUNNING."""


@dataclass(frozen=True)
class TrialRecord:
    """One trial as the store shows it. `cell` holds the fields its seeds share, None where it made no run."""

    number: int
    state: str
    labels: Labels
    params: Mapping[str, Any]
    cell: Mapping[str, Any] | None = None
    values: Mapping[str, float] = field(default_factory=dict)  # metric -> mean over seeds, in the sweep's order
    reason: str = ""
    seed_values: Mapping[int, float] = field(default_factory=dict)  # of the first metric
    search: str = ""  # name of the Optuna study; a changed search has another
    times: tuple[float, float] | None = None  # when it began and ended, in seconds since 1970
    cost: Mapping[str, float] = field(default_factory=dict)  # amount -> what its runs spent, see `trial_costs.py`

    @property
    def key(self) -> str:
        """Tag `repro.key` of the trial's run: that of its seeds' parent where there is one."""
        if self.cell is not None:
            return parent_key(self.cell, self.labels)
        names = {name: value for name, value in self.labels.as_dict().items() if name != "seed"}
        return digest({**names, "trial": self.number, "params": dict(self.params)}, 32)


@dataclass(frozen=True)
class StoredTrial:
    """One trial as it is read back."""

    number: int
    state: str
    params: Mapping[str, Any]
    values: Mapping[str, float]
    times: tuple[float, float] | None
    cost: Mapping[str, float] = field(default_factory=dict)  # {} of one that an earlier version recorded


def read_trials(experiment: str, search: str, store_uri: str | None = None) -> list[StoredTrial]:
    """The trials of a search by their numbers; [] where the store has no experiment of that name.

    Raises:
        UserError: the store cannot be reached.
    """
    found = [_trial(run.tags) for run in runs_of_kind(experiment, "trial", store_uri) if _of(run.tags, search)]
    return sorted(found, key=lambda trial: trial.number)


def _of(tags: Mapping[str, str], search: str) -> bool:
    return tags.get("repro.trial_search") == search


def _trial(tags: Mapping[str, str]) -> StoredTrial:
    times = json.loads(tags["repro.trial_times"])
    return StoredTrial(
        number=int(tags["repro.trial"]),
        state=tags["repro.trial_state"],
        params=json.loads(tags["repro.trial_params"]),
        values=json.loads(tags["repro.trial_values"]),
        times=(times[0], times[1]) if times else None,
        cost=json.loads(tags.get("repro.trial_cost", "{}")),
    )


def record_trials(trials: Sequence[TrialRecord], runs_dir: Path, store_uri: str | None = None) -> bool:
    """Bring the runs of one experiment's trials up to date; what is right already is left alone.

    Returns:
        False where the store is away (one warning); the next call writes what is missing.
    """
    if not trials:
        return True
    uri = resolve_store(store_uri)
    try:
        with writing(uri, runs_dir) as client:
            experiment = experiment_id(client, uri, trials[0].labels.experiment)
            existing = _parents(client, experiment)
            for trial in trials:
                _record(client, experiment, existing.get(trial.key), trial)
    except away_errors() as error:
        report_away(uri, error)
        return False
    return True


def _parents(client: MlflowClient, experiment: str) -> dict[str, Run]:
    found: dict[str, Run] = {}
    token = None
    while True:
        page = client.search_runs([experiment], "tags.`repro.kind` != 'cell'", max_results=1000, page_token=token)
        found.update({run.data.tags["repro.key"]: run for run in page if "repro.key" in run.data.tags})
        token = page.token
        if not token:
            return found


def _record(client: MlflowClient, experiment: str, run: Run | None, trial: TrialRecord) -> None:
    from mlflow.entities import Metric, Param, RunTag

    now = int(time.time() * 1000)
    tags = {
        "repro.kind": "trial",
        "repro.trial": str(trial.number),
        "repro.trial_state": trial.state,
        "repro.trial_params": canonical(dict(trial.params)),
        "repro.trial_reason": trial.reason[:4000],
        "repro.trial_values": canonical(dict(trial.values)),
        "repro.trial_search": trial.search,
        "repro.trial_times": canonical(list(trial.times or ())),
        "repro.trial_cost": canonical(dict(trial.cost)),
    }
    if run is None:
        tags |= {
            "repro.key": trial.key,
            "repro.arm": trial.labels.arm,
            "repro.model": trial.labels.model,
            "repro.dataset": trial.labels.dataset,
            "repro.axis": trial.labels.axis_key,
        }
        run = client.create_run(experiment, start_time=now, tags=tags, run_name=trial.labels.arm_name)
    params = [Param(name, str(value)) for name, value in trial.params.items() if name not in run.data.params]
    changed = [RunTag(name, value) for name, value in tags.items() if run.data.tags.get(name, "") != value]
    metrics = {f"sweep/seed_{seed}": value for seed, value in trial.seed_values.items()}
    metrics |= {f"sweep/{name}": value for name, value in trial.values.items()}
    metrics |= {f"sweep/spent_{name}": value for name, value in trial.cost.items()}
    if trial.values:
        metrics["sweep/value"] = next(iter(trial.values.values()))  # of the first metric
    new = [Metric(name, value, now, 0) for name, value in metrics.items() if run.data.metrics.get(name) != value]
    if changed or new or params:  # a kill may have kept params out of a run that is there
        client.log_batch(run.info.run_id, metrics=new, params=params, tags=changed)
    status = MLFLOW_STATUS.get(trial.state)
    if status is not None and run.info.status != status:
        client.set_terminated(run.info.run_id, status, end_time=run.info.end_time)
