"""What a sweep found, on the screen and as a file."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from repro.files import dump_json, read_object, write_alone
from repro.launch.terminal import print_table
from repro.spec.schema import ARM_SECTIONS, Spec
from repro.sweep.trial import arm_name
from repro.tracking.labels import short
from repro.tracking.trials import TrialRecord

if TYPE_CHECKING:
    import optuna

IMPORTANCE_FROM = 8  # finished trials from which an importance is worth a look


def importances(study: optuna.Study) -> dict[str, float]:
    """Share of the objective's variance that each field explains (fANOVA); {} below `IMPORTANCE_FROM` trials."""
    import optuna

    finished = [t for t in study.get_trials(deepcopy=False) if t.state == optuna.trial.TrialState.COMPLETE]
    if len(finished) < IMPORTANCE_FROM or len({trial.value for trial in finished}) < 2:
        return {}
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    return dict(optuna.importance.get_param_importances(study, evaluator=evaluator))


def best_trial(study: optuna.Study) -> optuna.trial.FrozenTrial | None:
    """The finished trial with the best mean, None where none is finished."""
    try:
        return study.best_trial
    except ValueError:
        return None


def write_summary(path: Path, study: optuna.Study, spec: Spec, trials: Sequence[TrialRecord]) -> None:
    """Best values, importance and every trial as JSON; a file of several models or datasets has one entry for each."""
    assert spec.sweep is not None
    best = best_trial(study)
    entry = {
        "spec": spec.name,
        "arm": spec.sweep.arm,
        "metric": spec.sweep.metric,
        "direction": spec.sweep.direction,
        "seeds": spec.sweep.seeds,
        "best": {"trial": best.number, "value": best.value, "params": best.params} if best else None,
        "importance": importances(study),
        "trials": [
            {
                "number": trial.number,
                "state": trial.state,
                "value": trial.value,
                "seeds": {str(seed): value for seed, value in trial.seed_values.items()},
                "params": dict(trial.params),
                "reason": trial.reason,
            }
            for trial in trials
        ],
    }
    everything: dict[str, Any] = read_object(path)
    everything[study.study_name] = entry
    write_alone(path, dump_json(everything))


def print_summary(study: optuna.Study, spec: Spec, console: Console) -> None:
    """The best trials, how to use the best, and what mattered."""
    import optuna

    assert spec.sweep is not None
    sweep, best = spec.sweep, best_trial(study)
    states = optuna.trial.TrialState
    trials = study.get_trials(deepcopy=False)
    counts = {state.name.lower(): sum(t.state == state for t in trials) for state in states}
    listed = ", ".join(f"{n} {name}" for name, n in counts.items() if n)
    console.print(f"{len(trials)} trials: {listed}", highlight=False)
    if best is None:
        console.print("no trial finished, so there is no best one", highlight=False)
        return
    finished = [t for t in trials if t.state == states.COMPLETE and t.value is not None]
    ranked = sorted(finished, key=lambda t: t.value or 0.0, reverse=sweep.direction == "maximize")
    table = Table(box=None, padding=(0, 2), pad_edge=False)
    last = [path.rsplit(".", 1)[-1] for path in sweep.space]
    names = [name if last.count(name) == 1 else path for name, path in zip(last, sweep.space, strict=True)]
    table.add_column("trial", no_wrap=True)
    for name in (sweep.metric, *names):
        table.add_column(name, justify="right", overflow="fold")
    for trial in ranked[:5]:
        values = [short(trial.params[path]) for path in sweep.space]
        table.add_row(arm_name(trial.number), f"{trial.value:.4f}", *values)
    print_table(table, console)
    words = [
        word for path in sweep.space for word in ("-S", f"{_field(sweep.arm, path)}={_written(best.params[path])}")
    ]
    options = shlex.join(words)
    text = f"best: {arm_name(best.number)}, {sweep.metric} {best.value:.4f} over {seeds(spec)}"
    console.print(text, highlight=False)
    console.print(escape(f"  to train it on fresh seeds: {options}"), highlight=False, soft_wrap=True)
    found = importances(study)
    if found:
        parts = ", ".join(f"{path} {share:.0%}" for path, share in found.items())
        console.print(
            escape(f"importance (fANOVA, share of the variance explained): {parts}"), highlight=False, soft_wrap=True
        )


def seeds(spec: Spec) -> str:
    """`1 seed` or `2 seeds`."""
    assert spec.sweep is not None
    return f"{len(spec.sweep.seeds)} seed{'s' if len(spec.sweep.seeds) > 1 else ''}"


def _written(value: Any) -> str:
    """A sampled value as -S reads it."""
    return json.dumps(value) if value is None or isinstance(value, bool) else str(value)


def _field(arm: str, path: str) -> str:
    """The spec field that a path of a cell stands for."""
    return f"arms.{arm}.{path}" if path.split(".")[0] in ARM_SECTIONS else path
