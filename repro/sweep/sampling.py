"""The Optuna side of a sweep: its journal on disk, and the values of each trial.

The values of a trial follow from its number and the trials before it alone: each trial has a sampler of its own, seeded
by its number, which draws beside the journal. So trial 0 can be checked before there is a journal, and a trial that a
kill left with some of its values gets the missing ones as they would have been.
"""

from __future__ import annotations

import logging
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock

from repro.canonical import canonical
from repro.files import cut_damaged_lines
from repro.spec.sweep_spec import FloatRange, IntRange, Range, SweepSpec

PRUNER_STARTUP = 5  # finished trials before a trial can be stopped for being below their median
POPULATION = 10  # trials of one generation of nsga2

optuna.logging.set_verbosity(optuna.logging.WARNING)

log = logging.getLogger(__name__)


def open_study(journal: Path, name: str, sweep: SweepSpec, attributes: Mapping[str, str]) -> optuna.Study:
    """The Optuna study of this name in a journal file, made where it is missing; the caller holds the sweep's lock.

    A line that a crash left half written at the end of the file is cut off. From a damaged line before it on, the file
    is kept aside and cut, with a warning: what is cut is asked for again, and its finished runs are found.

    Args:
        attributes: what other programs, such as optuna-dashboard, show of the study.
    """
    if kept := cut_damaged_lines(journal):
        log.warning("%s had a damaged line and is cut before it; the whole file is kept as %s", journal, kept)
    study = optuna.create_study(
        storage=JournalStorage(JournalFileBackend(str(journal), _NoLock(str(journal)))),
        study_name=name,
        directions=[direction for _, direction in sweep.objectives],
        pruner=_pruner(sweep),
        load_if_exists=True,
    )
    names: list[str] = [metric for metric, _ in sweep.objectives]
    if study.metric_names != names:  # the journal keeps every write
        with _experimental():
            study.set_metric_names(names)
    for key, value in attributes.items():
        if study.user_attrs.get(key) != value:
            study.set_user_attr(key, value)
    return study


def _pruner(sweep: SweepSpec) -> optuna.pruners.BasePruner:
    if sweep.stops_by == "none":
        return optuna.pruners.NopPruner()
    if sweep.stops_by == "median":
        return optuna.pruners.MedianPruner(n_startup_trials=PRUNER_STARTUP, n_warmup_steps=0)
    with _experimental():
        return optuna.pruners.WilcoxonPruner(p_threshold=0.1)


@contextmanager
def _experimental() -> Iterator[None]:
    """Inside the block Optuna does not warn of its interfaces that may change."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        yield


class _NoLock(JournalFileSymlinkLock):
    """In place of Optuna's lock, which a kill leaves behind and the next command waits half a minute for."""

    def acquire(self) -> bool:
        return True

    def release(self) -> None:
        pass


def trial_values(sweep: SweepSpec, number: int, before: Sequence[optuna.trial.FrozenTrial]) -> dict[str, Any]:
    """Dotted path -> value of trial `number`.

    Args:
        before: the trials 0 .. number - 1 as they stood when this one was asked for.
    """
    return _drawn(sweep, number, before)[0]


def _drawn(
    sweep: SweepSpec, number: int, before: Sequence[optuna.trial.FrozenTrial]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The values of a trial, and what the sampler must find of it later."""
    if sweep.sampler == "grid":
        return _grid_point(sweep, before), {}
    seed = int(np.random.SeedSequence([sweep.sampler_seed, number]).generate_state(1)[0])
    directions = [direction for _, direction in sweep.objectives]
    draft = optuna.create_study(directions=directions, sampler=_sampler(sweep.sampler, seed))
    draft.add_trials(before)
    trial = draft.ask()
    values = {path: _suggest(trial, path, values) for path, values in sweep.space.items()}
    # nsga2 notes the generation of each trial; the others find all that they need in the values.
    notes = draft.get_trials(deepcopy=False)[-1].system_attrs if sweep.sampler == "nsga2" else {}
    return values, dict(notes)


def _sampler(name: str, seed: int) -> optuna.samplers.BaseSampler:
    if name == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    if name == "nsga2":
        return optuna.samplers.NSGAIISampler(population_size=POPULATION, seed=seed)
    # The constant liar keeps the trials of one batch apart.
    return optuna.samplers.TPESampler(seed=seed, constant_liar=True)


def _grid_point(sweep: SweepSpec, before: Sequence[optuna.trial.FrozenTrial]) -> dict[str, Any]:
    """The first combination that no trial has; then those whose trials failed, the least often tried first."""
    tried = Counter(canonical(trial.params) for trial in before)
    covered = {canonical(trial.params) for trial in before if trial.state != optuna.trial.TrialState.FAIL}
    left = [point for point in sweep.grid if canonical(point) not in covered]
    return min(left, key=lambda point: tried[canonical(point)])


def ask(study: optuna.Study, sweep: SweepSpec, number: int) -> optuna.Trial:
    """Trial `number` with all its values: a new one, or one that a kill left without an end."""
    trials = study.get_trials(deepcopy=False)
    if number == len(trials):
        study.ask()
    values, notes = _drawn(sweep, number, trials[:number])
    study.sampler = _Given(values)
    frozen = study.get_trials(deepcopy=False)[number]
    for key, value in notes.items():
        if key not in frozen.system_attrs:
            study._storage.set_trial_system_attr(frozen._trial_id, key, value)
    trial = optuna.Trial(study, frozen._trial_id)
    for path, space in sweep.space.items():
        _suggest(trial, path, space)  # a value that the journal has stays
    return trial


class _Given(optuna.samplers.BaseSampler):
    """Gives values that were drawn before."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.values = values

    def infer_relative_search_space(self, study: Any, trial: Any) -> dict[str, Any]:
        return {}

    def sample_relative(self, study: Any, trial: Any, search_space: Any) -> dict[str, Any]:
        return {}

    def sample_independent(self, study: Any, trial: Any, param_name: str, param_distribution: Any) -> Any:
        return self.values[param_name]


def _suggest(trial: optuna.Trial, path: str, values: Range) -> Any:
    if isinstance(values, FloatRange):
        return trial.suggest_float(path, *values.float, log=values.log)
    if isinstance(values, IntRange):
        return trial.suggest_int(path, *values.int, log=values.log)
    return trial.suggest_categorical(path, values.choice)
