"""The Optuna side of a sweep: its journal on disk, and the values of each trial.

The values of a trial follow from its number and the trials before it alone: each trial has a sampler of its own, seeded
by its number, which draws beside the journal. So trial 0 can be checked before there is a journal, and a trial that a
kill left with some of its values gets the missing ones as they would have been.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock

from repro.files import cut_torn_line
from repro.spec.sweep_spec import FloatRange, IntRange, Range, SweepSpec

PRUNER_STARTUP = 5  # finished trials before a trial can be stopped for being below their median

optuna.logging.set_verbosity(optuna.logging.WARNING)


def open_study(journal: Path, name: str, sweep: SweepSpec) -> optuna.Study:
    """The Optuna study of this name in a journal file, made where it is missing; the caller holds the sweep's lock.

    A line that a crash left half written at the end of the file is cut off.
    """
    cut_torn_line(journal)
    return optuna.create_study(
        storage=JournalStorage(JournalFileBackend(str(journal), _NoLock(str(journal)))),
        study_name=name,
        direction=sweep.direction,
        pruner=optuna.pruners.MedianPruner(n_startup_trials=PRUNER_STARTUP, n_warmup_steps=0),
        load_if_exists=True,
    )


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
    seed = int(np.random.SeedSequence([sweep.sampler_seed, number]).generate_state(1)[0])
    # The constant liar keeps the trials of one batch apart.
    sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=True)
    draft = optuna.create_study(direction=sweep.direction, sampler=sampler)
    draft.add_trials(before)
    trial = draft.ask()
    return {path: _suggest(trial, path, values) for path, values in sweep.space.items()}


def ask(study: optuna.Study, sweep: SweepSpec, number: int) -> optuna.Trial:
    """Trial `number` with all its values: a new one, or one that a kill left without an end."""
    trials = study.get_trials(deepcopy=False)
    if number == len(trials):
        study.ask()
    study.sampler = _Given(trial_values(sweep, number, trials[:number]))
    trial = optuna.Trial(study, study.get_trials(deepcopy=False)[number]._trial_id)
    for path, values in sweep.space.items():
        _suggest(trial, path, values)  # a value that the journal has stays
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
