"""The best values that a sweep found for each arm, what finding them cost, and how a spec says them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from repro.analysis.sweep.pictures import said
from repro.analysis.sweep.search import Search
from repro.analysis.tables import Table
from repro.analysis.text import amount, number
from repro.study.arm_yaml import arm_yaml
from repro.tracking.labels import short
from repro.tracking.trial_costs import AMOUNTS, added
from repro.words import plural


def best_of_each(searches: Sequence[Search]) -> list[Table]:
    """One row for each search; [] without one."""
    if not searches:
        return []
    sweep, rows, data = searches[0].sweep, [], list[dict[str, Any]]()
    for search in searches:
        best, cost = search.front[0], added(trial.cost for trial in search.trials)
        spent = {name: cost.get(name, math.nan) for name in AMOUNTS}
        values = ", ".join(f"{path} {short(value)}" for path, value in best.params.items())
        rows.append([f"`{search.arm}`", f"{search.model}, {search.dataset}", values, str(len(search.trials))])
        rows[-1] += [said(name, best.values[name]) for name, _ in sweep.objectives]
        rows[-1] += [amount(spent["generated_tokens"]), number(spent["cpu_seconds"], 0)]
        rows[-1] += [f"`{arm_yaml(search.arm, best.params)}`"]
        data.append({"arm": search.arm, "model": search.model, "dataset": search.dataset, "trial": best.number})
        data[-1] |= {"trials": len(search.trials), **best.values, **best.params}
        data[-1] |= {f"spent_{name}": value for name, value in spent.items()}
    header = ["arm", "model, data", "best values", "trials", *(name.replace("_", " ") for name, _ in sweep.objectives)]
    header += ["tokens of tuning", "CPU seconds of tuning", "in `arms`"]
    caption = (
        f"Means over {plural(len(sweep.seeds), 'seed')}, on validation questions. The best of many trials looks better "
        "than it is; fresh seeds tell. Generated tokens and CPU seconds of tuning are those of all trials of an arm, "
        "stopped and failed ones included, evaluation and warm starts not. A training that several trials share counts "
        "once."
    )
    title = "What the sweep found best for each arm"
    return [Table("sweep.best", title, header, rows, pd.DataFrame(data), caption, 3, paper=header[:-1])]
