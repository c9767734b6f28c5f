"""What a sweep found, on the screen and as a file."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from repro.files import dump_json, read_object, write_alone
from repro.launch.terminal import print_table
from repro.spec.schema import ARM_SECTIONS, Spec
from repro.spec.sweep_spec import IMPORTANCE_FROM, SweepSpec
from repro.study.trial_cells import trial_name
from repro.tracking.labels import short
from repro.tracking.trial_costs import added, words
from repro.tracking.trials import TrialRecord

if TYPE_CHECKING:
    import optuna

SHOWN = 5  # best trials on the screen


def importances(study: optuna.Study) -> dict[str, dict[str, float]]:
    """Metric -> share of its variance that each field explains (fANOVA); a metric without enough trials is left out.

    It takes `IMPORTANCE_FROM` finished trials that differ.
    """
    import optuna

    finished = [t for t in study.get_trials(deepcopy=False) if t.state == optuna.trial.TrialState.COMPLETE]
    found = {}
    for index, metric in enumerate(study.metric_names or ()):
        if len(finished) >= IMPORTANCE_FROM and len({trial.values[index] for trial in finished}) > 1:
            evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
            target = partial(_value, index)
            shares = optuna.importance.get_param_importances(study, evaluator=evaluator, target=target)
            found[metric] = dict(shares)
    return found


def _value(index: int, trial: optuna.trial.FrozenTrial) -> float:
    return float(trial.values[index])


def front(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    """The finished trials that no other beats in every metric, the best by the first metric first.

    With one metric that is the best trial; [] where none is finished.
    """
    down = study.directions[0].name == "MAXIMIZE"
    if len(study.directions) > 1:
        return sorted(study.best_trials, key=lambda trial: (-1 if down else 1) * trial.values[0])
    try:
        return [study.best_trial]
    except ValueError:
        return []


def values_of(trial: optuna.trial.FrozenTrial, sweep: SweepSpec) -> dict[str, float]:
    """Metric -> value of a finished trial; {} of another."""
    import optuna

    if trial.state != optuna.trial.TrialState.COMPLETE:
        return {}
    return dict(zip([metric for metric, _ in sweep.objectives], trial.values, strict=True))


def write_summary(path: Path, study: optuna.Study, spec: Spec, arm: str, trials: Sequence[TrialRecord]) -> None:
    """Best values, cost, importance and every trial as JSON; one entry for each arm, model and dataset.

    `value` is that of the first metric. With two metrics `front` lists the trials that no other beats in both; `best`
    is the one of them that is best by the first metric.
    """
    assert spec.sweep is not None
    objectives, best = spec.sweep.objectives, front(study)
    entry = {
        "spec": spec.name,
        "arm": arm,
        "metrics": dict(objectives),
        "seeds": spec.sweep.seeds,
        "best": _entry(best[0], spec.sweep) if best else None,
        **({"front": [_entry(trial, spec.sweep) for trial in best]} if len(objectives) > 1 else {}),
        "cost": added(trial.cost for trial in trials),
        "importance": importances(study),
        "trials": [
            {
                "number": trial.number,
                "state": trial.state,
                "value": next(iter(trial.values.values()), None),
                "values": dict(trial.values),
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


def _entry(trial: optuna.trial.FrozenTrial, sweep: SweepSpec) -> dict[str, Any]:
    return {
        "trial": trial.number,
        "value": trial.values[0],
        "values": values_of(trial, sweep),
        "params": trial.params,
    }


def print_summary(study: optuna.Study, spec: Spec, arm: str, records: Sequence[TrialRecord], console: Console) -> None:
    """The best trials, how to use the best, what the search cost, and what mattered."""
    import optuna

    assert spec.sweep is not None
    sweep, best = spec.sweep, front(study)
    states = optuna.trial.TrialState
    trials = study.get_trials(deepcopy=False)
    counts = {state.name.lower(): sum(t.state == state for t in trials) for state in states}
    listed = ", ".join(f"{n} {name}" for name, n in counts.items() if n)
    console.print(f"{len(trials)} trials: {listed}", highlight=False)
    if not best:
        console.print("no trial finished, so there is no best one", highlight=False)
        return
    ranked = best
    if len(sweep.objectives) == 1:
        finished = [t for t in trials if t.state == states.COMPLETE]
        ranked = sorted(finished, key=partial(_value, 0), reverse=sweep.objectives[0][1] == "maximize")
    else:
        text = f"{len(best)} trial{'s' if len(best) > 1 else ''} that no other beats in both metrics:"
        console.print(text, highlight=False)
    table = Table(box=None, padding=(0, 2), pad_edge=False)
    last = [path.rsplit(".", 1)[-1] for path in sweep.space]
    names = [name if last.count(name) == 1 else path for name, path in zip(last, sweep.space, strict=True)]
    table.add_column("trial", no_wrap=True)
    for name in (*(metric for metric, _ in sweep.objectives), *names):
        table.add_column(name, justify="right", overflow="fold")
    for trial in ranked[: SHOWN if len(sweep.objectives) == 1 else 2 * SHOWN]:
        values = [short(trial.params[path]) for path in sweep.space]
        found = [metric(name, value) for name, value in values_of(trial, sweep).items()]
        table.add_row(trial_name(sweep, arm, trial.number), *found, *values)
    print_table(table, console)
    options = [word for path in sweep.space for word in ("-S", f"{_field(arm, path)}={_written(best[0].params[path])}")]
    option_text = shlex.join(options)
    means = ", ".join(f"{name} {metric(name, value)}" for name, value in values_of(best[0], sweep).items())
    by = f" by {sweep.objectives[0][0]}" if len(sweep.objectives) > 1 else ""
    name = trial_name(sweep, arm, best[0].number)
    console.print(f"best{by}: {name}, {means} over {seeds(spec)}", highlight=False)
    console.print(escape(f"  to train it on fresh seeds: {option_text}"), highlight=False, soft_wrap=True)
    if cost := added(record.cost for record in records):
        told = ", ".join(f"{value:,.0f} {words(name)}" for name, value in cost.items())
        console.print(f"cost of all trials: {told}", highlight=False)
    for about, shares in importances(study).items():
        parts = ", ".join(f"{path} {share:.0%}" for path, share in shares.items())
        of = f" of {about}" if len(sweep.objectives) > 1 else ""
        text = f"importance{of} (fANOVA, share of the variance explained): {parts}"
        console.print(escape(text), highlight=False, soft_wrap=True)


def metric(name: str, value: float) -> str:
    """A value of a metric as the terminal shows it."""
    return f"{value:,.0f}" if name == "generated_tokens" else f"{value:.4f}"


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
