"""The best trial of a sweep on fresh seeds, beside the arm as it stands and the baseline."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from repro.analysis.run import Run
from repro.analysis.statistics import paired_difference, share_interval
from repro.analysis.sweep.search import Search
from repro.analysis.tables import Table, numbers
from repro.analysis.text import amount, joined, percent, points
from repro.tracking.series import GENERATED_TOKENS
from repro.words import plural


def confirmations(searches: Sequence[Search]) -> list[Table]:
    """One table for each search that was confirmed."""
    return [_table(search, f"{search.slug}_" if len(searches) > 1 else "") for search in searches if search.confirmed]


def _table(search: Search, prefix: str) -> Table:
    best = f"{search.arm}.best"
    scores = {name: _accuracies(search, runs) for name, runs in search.confirmed.items()}
    rows, data = [], []
    for name, own in scores.items():
        accuracy = share_interval(list(own.values()))
        tokens = [float(run.points(GENERATED_TOKENS)[1][-1]) for run in search.confirmed[name]]
        mean = sum(tokens) / len(tokens)
        entry = {"arm": name, **numbers("accuracy", accuracy), "generated_tokens": mean}
        said = "–"
        if name != best:
            shared = [seed for seed in scores[best] if seed in own]
            if shared:
                difference = paired_difference([scores[best][s] for s in shared], [own[s] for s in shared])
                said, entry = points(difference), entry | numbers("best_minus_arm", difference)
        rows.append([f"`{name}`", percent(accuracy), amount(mean), said])
        data.append(entry | {f"seed_{seed}": value for seed, value in own.items()})
    trial = search.front[0]
    values = ", ".join(f"{path} {value}" for path, value in trial.params.items())
    fresh = "these seeds" if search.main.name == "validation" else "these seeds or questions"
    return Table(
        f"{prefix}sweep.confirmed",
        f"{search.title}: the best trial on fresh seeds",
        ["arm", f"{search.main.name} accuracy", "generated tokens", "best − this arm, points"],
        rows,
        pd.DataFrame(data),
        f"`{best}` has the values of trial {trial.number}: {values}.{_carried(scores)} No trial used {fresh}. "
        f"Differences are paired by "
        f"seed, with 95 % t-intervals over {plural(len(scores[best]), 'seed')}.",
        emphasis=frozenset({0}),
    )


def _carried(names: Iterable[str]) -> str:
    """Whose values the arms have that were found on another dataset; empty without any."""
    others = [name.partition(".best_of.")[2] for name in names if ".best_of." in name]
    return f" `best_of` has the best values found on {joined(others)}." if others else ""


def _accuracies(search: Search, runs: Sequence[Run]) -> dict[int, float]:
    """Seed -> accuracy at the last evaluation."""
    return {run.place.seed: run.evaluations(search.main.name)[-1].accuracy for run in runs}
