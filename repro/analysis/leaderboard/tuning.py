"""What tuning an arm cost in the sweep, and what its best values gained on fresh seeds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from repro.analysis.leaderboard.board import Board
from repro.analysis.pictures import Picture
from repro.analysis.run import Run
from repro.analysis.statistics import Interval, paired_difference
from repro.analysis.sweep.search import Search
from repro.analysis.tables import Table, numbers
from repro.analysis.text import NOTHING, amount, joined, number, points
from repro.tracking.series import GENERATED_TOKENS


@dataclass(frozen=True)
class Tuned:
    """What the search of one arm on one policy and task cost, and what its best values gained.

    `tokens` of all its trials; where `bound`, they were not recorded and it is the most that the trials can have taken.
    NaN where the store does not tell.
    """

    arm: str
    tokens: float
    bound: bool
    run: float  # tokens of one run with the best values
    over_arm: Interval | None  # accuracy at the end, best values minus the arm as it stands
    over_baseline: Interval | None


def tuned(search: Search) -> Tuned:
    """The numbers of one search."""
    best = f"{search.arm}.best"
    runs = search.confirmed.get(best, ())
    run = float(np.mean([_spent(one) for one in runs])) if runs else math.nan
    seeds, name = len(search.sweep.seeds), "generated_tokens"
    counted = [trial.cost[name] for trial in search.trials if name in trial.cost]  # a search pays a training once
    told = [trial.values.get(name, math.nan) for trial in search.finished]  # of searches that recorded no cost
    bound = not counted and (len(search.finished) < len(search.trials) or any(math.isnan(value) for value in told))
    tokens = sum(counted) if counted else len(search.trials) * seeds * run if bound else seeds * sum(told)
    others = [key for key in search.confirmed if key not in (best, search.arm)]
    over_baseline = _gained(search, best, others[0]) if others else None
    return Tuned(search.arm, tokens, bound, run, _gained(search, best, search.arm), over_baseline)


def tuning(board: Board) -> list[Table | Picture]:
    """A row for each arm, policy and task that was searched; nothing for a study without a finished search."""
    if not board.searches:
        return []
    header = ["model, data", "arm", "trials", "tokens of tuning", "in runs of the arm", "best − as it stands, points"]
    header += ["best − baseline, points", "best values"]
    rows: list[list[str]] = []
    data: list[dict[str, Any]] = []
    for search in board.searches:
        one, trial = tuned(search), search.front[0]
        values = joined([f"{path.rpartition('.')[2]} {_value(value)}" for path, value in trial.params.items()])
        times, most = one.tokens / one.run if one.run > 0 else math.nan, "≤ " if one.bound else ""
        place = f"{search.model} on {search.dataset}"
        rows.append([place, f"`{one.arm}`", str(len(search.trials))])
        rows[-1] += [
            NOTHING if math.isnan(value) else most + said(value)
            for value, said in ((one.tokens, amount), (times, number))
        ]
        rows[-1] += [points(gain) if gain else NOTHING for gain in (one.over_arm, one.over_baseline)] + [values]
        data.append({"model_data": place, "arm": one.arm, "trials": len(search.trials), "tokens": one.tokens})
        data[-1] |= {"at_most": one.bound, "tokens_of_a_run": one.run, "in_runs": times, "best": values}
        data[-1] |= {**numbers("best_minus_arm", one.over_arm), **numbers("best_minus_baseline", one.over_baseline)}
    caption = (
        "Tokens of all trials with all their seeds, selection included (≤: not recorded, what so many whole runs "
        "take), and how many runs with the best values that is; these tokens are in no other table. Gains: accuracy at "
        "the end on fresh seeds, paired by seed, with 95 % intervals over seeds, not corrected. A dash: the store does "
        "not tell."
    )
    title = "What tuning cost and what it gained"
    return [Table("leaderboard.tuning", title, header, rows, pd.DataFrame(data), caption, 2, paper=header[:-1])]


def _spent(run: Run) -> float:
    return float(run.points(GENERATED_TOKENS)[1].max(initial=0.0))


def _gained(search: Search, best: str, other: str) -> Interval | None:
    """Accuracy at the end of the best values minus that of another arm; None without a shared seed."""
    ends = [
        {run.place.seed: run.evaluations(search.main.name)[-1].accuracy for run in search.confirmed.get(name, ())}
        for name in (best, other)
    ]
    shared = [seed for seed in ends[0] if seed in ends[1]]
    return paired_difference([ends[0][seed] for seed in shared], [ends[1][seed] for seed in shared]) if shared else None


def _value(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
