"""The best values of each searched arm beside their cost, and as YAML for the `arms` of a spec."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from repro.launch.terminal import print_table
from repro.study.arm_yaml import arm_yaml
from repro.sweep.summary import front, metric, seeds, values_of
from repro.tracking.labels import short
from repro.tracking.trial_costs import AMOUNTS, added, words

if TYPE_CHECKING:
    from repro.sweep.search import Search


def print_best(searches: Sequence[Search], console: Console) -> None:
    """One row for each search with a finished trial, and for each model and dataset the values as YAML."""
    found = [(search, best[0]) for search in searches if (best := front(search.study))]
    if not found:
        return
    sweep, several = searches[0].sweep, len({(search.model.label, search.dataset.label) for search in searches}) > 1
    console.print(f"\nbest of each arm, means over {seeds(searches[0].spec)}; cost is that of all its trials:")
    table = Table(box=None, padding=(0, 2), pad_edge=False)
    table.add_column("arm", no_wrap=True)
    names = [name for name, _ in sweep.objectives]
    for name in (*(["model, data"] if several else []), *names, *sweep.space, "trials"):
        table.add_column(name, justify="right", overflow="fold")
    for name in AMOUNTS:
        table.add_column(words(name), justify="right")
    for search, trial in found:
        cost = added(record.cost for record in search.records)
        row = [search.arm, *([f"{search.model.label}, {search.dataset.label}"] if several else [])]
        row += [metric(name, value) for name, value in values_of(trial, sweep).items()]
        row += [short(trial.params[path]) for path in sweep.space]
        row += [str(len(search.records)), *(f"{cost[name]:,.0f}" if name in cost else "-" for name in AMOUNTS)]
        table.add_row(*row)
    print_table(table, console)
    for pair in dict.fromkeys((search.model.label, search.dataset.label) for search, _ in found):
        on = f" on {pair[0]} and {pair[1]}" if several else ""
        console.print(f"as fields of `arms`{on}:", highlight=False)
        for search, trial in found:
            if (search.model.label, search.dataset.label) == pair:
                console.print(escape(f"  {arm_yaml(search.arm, trial.params)}"), highlight=False, soft_wrap=True)
