"""A sweep as the report sees it: the trials of an arm on one model and dataset, read from the store."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from repro.analysis.main_series import MainSeries, main_series
from repro.analysis.run import DamagedRun, Run
from repro.models.model_spec import ModelSpec
from repro.spec.schema import Spec
from repro.spec.sweep_spec import IMPORTANCE_FROM, FloatRange, IntRange, Range, SweepSpec
from repro.study.expand import ExpandedCell
from repro.study.trial_cells import base_cell, confirming_cells, experiment_name, searched, study_name
from repro.tasks.dataset_spec import DatasetSpec
from repro.tracking.read import read_runs
from repro.tracking.trials import StoredTrial, read_trials

if TYPE_CHECKING:
    import optuna

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Search:
    """The trials of an arm on one model and dataset, by their numbers; at least one has finished."""

    sweep: SweepSpec
    model: str
    dataset: str
    trials: tuple[StoredTrial, ...]
    confirmed: Mapping[str, tuple[Run, ...]]  # name of `confirming_cells` -> its finished runs on fresh seeds
    main: MainSeries
    searched_arm: str | None = None  # by default the sweep's first

    @property
    def arm(self) -> str:
        """The arm that was searched."""
        return self.searched_arm or self.sweep.arms[0]

    @property
    def title(self) -> str:
        return f"{self.arm}: " * self.one_of_several + f"{self.model} on {self.dataset}"

    @property
    def one_of_several(self) -> bool:
        """Whether the sweep searches other arms too."""
        return len(self.sweep.arms) > 1

    @property
    def slug(self) -> str:
        """What its files begin with where a study has several."""
        name = f"{self.arm}_" * self.one_of_several + f"{self.model}_{self.dataset}"
        return "".join(c if c.isalnum() or c in "-." else "_" for c in name).lower()

    @property
    def finished(self) -> list[StoredTrial]:
        return [trial for trial in self.trials if trial.state == "complete"]

    @cached_property
    def front(self) -> list[StoredTrial]:
        """The finished trials that no other beats in every metric, the best by the first metric first."""
        signs = [1 if direction == "maximize" else -1 for _, direction in self.sweep.objectives]
        names = [name for name, _ in self.sweep.objectives]
        points = {t.number: [s * t.values[n] for s, n in zip(signs, names, strict=True)] for t in self.finished}
        kept = [
            t
            for t in self.finished
            if not any(
                other != points[t.number] and all(a >= b for a, b in zip(other, points[t.number], strict=True))
                for other in points.values()
            )
        ]
        return sorted(kept, key=lambda t: (-points[t.number][0], t.number))

    @cached_property
    def importance(self) -> dict[str, dict[str, float]]:
        """Metric -> field -> share of the metric's variance that it explains (fANOVA), the largest first.

        {} below `IMPORTANCE_FROM` finished trials; a metric that all trials share is left out.
        """
        if len(self.finished) < IMPORTANCE_FROM:
            return {}
        import optuna

        study = self._optuna()
        found: dict[str, dict[str, float]] = {}
        for index, (name, _) in enumerate(self.sweep.objectives):
            if len({trial.values[name] for trial in self.finished}) > 1:
                shares = optuna.importance.get_param_importances(
                    study,
                    evaluator=optuna.importance.FanovaImportanceEvaluator(seed=0),
                    target=partial(_value, index),
                )
                found[name] = dict(shares)
        return found

    def _optuna(self) -> optuna.Study:
        """The finished trials as an Optuna study in memory."""
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        study = optuna.create_study(directions=[direction for _, direction in self.sweep.objectives])
        distributions = {path: _distribution(values) for path, values in self.sweep.space.items()}
        for trial in self.finished:
            values = [trial.values[name] for name, _ in self.sweep.objectives]
            study.add_trial(
                optuna.trial.create_trial(params=dict(trial.params), distributions=distributions, values=values)
            )
        return study

    def data(self, trials: Sequence[StoredTrial] | None = None) -> pd.DataFrame:
        """One row per trial: number, state, metrics and values of the fields."""
        rows = [
            {"trial": t.number, "state": t.state, **t.values, **t.params}
            for t in (self.trials if trials is None else trials)
        ]
        return pd.DataFrame(rows)


def load_searches(spec: Spec, store_uri: str | None = None, cache_dir: Path | None = None) -> tuple[Search, ...]:
    """The searches of a spec that have a finished trial in the store; () where it has no sweep.

    Raises:
        UserError: the store cannot be read.
    """
    if spec.sweep is None:
        return ()
    found: list[tuple[Search, ModelSpec, DatasetSpec]] = []
    for model, dataset, arm in searched(spec):
        name = study_name(spec, base_cell(spec, model, dataset, arm))
        trials = tuple(read_trials(experiment_name(spec), name, store_uri))
        search = Search(spec.sweep, model.label, dataset.label, trials, {}, main_series(spec), arm)
        if search.finished:
            found.append((search, model, dataset))
    if not spec.sweep.confirm:
        return tuple(search for search, _, _ in found)
    confirmed = []
    for search, model, dataset in found:
        same = [one for one, other, _ in found if one is not search and (one.arm, other) == (search.arm, model)]
        carried = {one.dataset: one.front[0].params for one in same}
        cells = confirming_cells(spec, model, dataset, search.front[0].params, arm=search.arm, carried=carried)
        confirmed.append(replace(search, confirmed=_confirmed(cells, spec, store_uri, cache_dir)))
    return tuple(confirmed)


def _confirmed(
    cells: Sequence[ExpandedCell], spec: Spec, store_uri: str | None, cache_dir: Path | None
) -> dict[str, tuple[Run, ...]]:
    """Name -> its finished runs that can be read, in the order of the cells; {} where some name has none."""
    places = {(cell.identity, place.arm): place for cell in cells for place in cell.places}
    if not places:
        return {}
    more = {} if cache_dir is None else {"cache_dir": cache_dir}
    records = read_runs(experiment_name(spec), store_uri, identities=[identity for identity, _ in places], **more)
    stored = {(record.identity, record.arm): record for record in records if record.status == "finished"}
    main = main_series(spec).name
    found: dict[str, list[Run]] = {place.arm: [] for place in places.values()}
    for key, place in places.items():
        if key in stored:
            run = Run(place, stored[key])
            try:
                run.check(main)
            except DamagedRun as damaged:
                log.warning("run %s does not confirm the sweep: %s", run.identity, damaged.why)
            else:
                found[place.arm].append(run)
    return {name: tuple(runs) for name, runs in found.items()} if all(found.values()) else {}


def _value(index: int, trial: optuna.trial.FrozenTrial) -> float:
    return float(trial.values[index])


def _distribution(values: Range) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(values, FloatRange):
        return FloatDistribution(*values.float, log=values.log)
    if isinstance(values, IntRange):
        return IntDistribution(*values.int, log=values.log)
    return CategoricalDistribution(values.choice)
