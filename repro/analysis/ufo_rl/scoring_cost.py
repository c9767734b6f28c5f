"""UFO-RL: seconds that it takes to find out which questions to train on, ours and published, on a log scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from repro.analysis.arms import SCORING
from repro.analysis.measures import Measures
from repro.analysis.pictures import Picture
from repro.analysis.published import published_table
from repro.analysis.style import GREY, NARROW, SPARE, WIDE, arm_ticks, rows_height, shared_legend
from repro.analysis.text import amount, joined, seconds
from repro.analysis.ufo_rl.strategies import how

PUBLISHED = "published"
LOOKS = (("o", SPARE[0]), ("D", GREY))
"""Shape and colour of what is ours, and of what is published."""


def scoring_cost(panels: Sequence[Measures]) -> Picture | None:
    """A row for each way of finding out, the dearest first, a mark for each pair; None where nothing was spent."""
    spent: dict[str, dict[str, float]] = {}
    for measures in panels:
        for series in measures.panel.series:
            value = sum(measures.cost(series.label, phase, series.clock) for phase in SCORING)
            if value > 0:
                spent.setdefault(how(series), {}).setdefault(measures.panel.title, value)
    if not spent:
        return None
    table = published_table("ufo_rl", "table_4").query("metric == 'scoring_seconds'")
    for row in table.itertuples():
        spent.setdefault(f"{row.arm} ({PUBLISHED})", {})[f"{row.model}, {row.dataset}"] = float(str(row.value))
    rows = sorted(spent, key=lambda name: (PUBLISHED in name, -max(spent[name].values())))

    def draw(narrow: bool) -> Figure:
        size = (NARROW if narrow else WIDE, 0.85 + rows_height(rows, narrow))
        figure = Figure(figsize=size, layout="constrained")
        axis = figure.subplots()
        for place, name in enumerate(rows):
            shape, colour = LOOKS[PUBLISHED in name]
            axis.plot([*spent[name].values()], [place] * len(spent[name]), shape, color=colour, markersize=5, alpha=0.8)
        axis.set_xscale("log")
        values = [value for found in spent.values() for value in found.values()]
        axis.set_xlim(min(values) / 2, max(values) * 2)
        axis.xaxis.set_major_locator(LogLocator(numticks=6))
        axis.xaxis.set_minor_locator(NullLocator())
        axis.xaxis.set_major_formatter(
            FuncFormatter(lambda value, _: amount(value).replace(".00", "").replace(".0", ""))
        )
        arm_ticks(axis, rows, narrow)
        axis.set_xlabel("seconds, log scale")
        entries = [Line2D([], [], color=colour, marker=shape, linestyle="none") for shape, colour in LOOKS]
        shared_legend(figure, entries, ["ours, one pair of model and task", PUBLISHED], narrow)
        return figure

    data: list[dict[str, Any]] = [
        {"how": name, "model_data": place, "seconds": value} for name in rows for place, value in spent[name].items()
    ]
    told = [f"{name} {seconds(min(spent[name].values()))} to {seconds(max(spent[name].values()))} s" for name in rows]
    return Picture(
        "ufo_rl.scoring_cost",
        "UFO-RL, cost of knowing what to train on",
        "Seconds that scoring, sampling or probing the pool took in a run, which grow with the number of samples and "
        "hang on the engine.",
        f"Seconds on a log scale: {joined(told)}.",
        pd.DataFrame(data),
        draw,
    )
