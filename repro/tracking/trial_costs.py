"""What the trials of a search spent: each training counts once, for the first trial that asked for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from repro.files import DamagedError, read_jsonl
from repro.tracking.damage import METRICS
from repro.tracking.series import CPU_SECONDS, GENERATED_TOKENS

AMOUNTS = {"generated_tokens": GENERATED_TOKENS, "cpu_seconds": CPU_SECONDS}
"""Amount -> its cumulative series: what selection and training spent, evaluation and warm starts apart."""


def trial_costs(
    runs_dir: Path, trials: Sequence[Sequence[str]], known: dict[str, dict[str, float]]
) -> list[dict[str, float]]:
    """For each trial the amounts that its trainings spent and no earlier trial's did; {} where nothing is known.

    Args:
        trials: identities of the trainings of each trial, by trial number. One that was stopped or failed counts with
            what it has written down.
        known: costs by identity that were read before; those that are read now are added.
    """
    seen: set[str] = set()
    found = []
    for identities in trials:
        new = [identity for identity in dict.fromkeys(identities) if identity not in seen]
        seen.update(new)
        known.update({identity: run_cost(runs_dir / identity) for identity in new if identity not in known})
        found.append(added(known[identity] for identity in new))
    return found


def run_cost(run_dir: Path) -> dict[str, float]:
    """The last values of `AMOUNTS` that a run has written down; {} for a run that has none or cannot be read."""
    try:
        rows = read_jsonl(run_dir / METRICS)
    except (OSError, DamagedError):
        return {}
    last = {series: value for row in rows for series, value in row["metrics"].items()}
    return {name: float(last[series]) for name, series in AMOUNTS.items() if series in last}


def words(name: str) -> str:
    """An amount in words: `generated tokens`, `CPU seconds`."""
    return name.replace("_", " ").replace("cpu", "CPU")


def added(costs: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Sum of each amount; an amount that none has is left out."""
    total: dict[str, float] = {}
    for cost in costs:
        for name, value in cost.items():
            total[name] = total.get(name, 0.0) + value
    return total
