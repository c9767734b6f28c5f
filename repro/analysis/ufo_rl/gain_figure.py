"""UFO-RL: what each selection strategy keeps of the gain of full data, pair by pair and on average."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from repro.analysis.arms import find
from repro.analysis.marks import interval_marks, single_dots
from repro.analysis.measures import Measures
from repro.analysis.pictures import Picture
from repro.analysis.primary import Judged, Question, judge
from repro.analysis.statistics import Interval
from repro.analysis.style import GREY, LIT, NARROW, REST, WIDE, arm_ticks, looks, percent_axis, rows_height
from repro.analysis.tables import numbers
from repro.analysis.text import joined, number
from repro.analysis.ufo_rl.strategies import STRATEGIES, headline


def gain_figure(panels: Sequence[Measures]) -> Picture | None:
    """A row for each strategy but full data, best first; None where none ran beside full data that gained."""
    arms = headline(panels)
    full = arms.pop("full", None)
    if full is None or not arms:
        return None
    judged = judge([Question(label, full, "steps") for label in arms.values()], [one.panel for one in panels])
    found = [(name, one) for name, one in zip(arms, judged, strict=True) if not math.isnan(one.share.value)]
    if not found:
        return None
    found.sort(key=lambda pair: -pair[1].share.value)
    ways = {label: series.way for label in arms.values() for m in panels if (series := find(m, label)) is not None}
    styles, there = looks(ways), {name for name, _ in found}
    bright = [name for name in STRATEGIES if name in there][:LIT]

    def draw(narrow: bool) -> Figure:
        names = [STRATEGIES[name] for name, _ in found]
        size = (NARROW if narrow else WIDE, 0.75 + rows_height(names, narrow))
        figure = Figure(figsize=size, layout="constrained")
        axis = figure.subplots()
        axis.axvline(1, color="#1B1F24", linewidth=0.9, zorder=1)
        axis.axvline(0, color=GREY, linewidth=0.8, linestyle=(0, (1, 2)), zorder=1)
        colours = [styles[arms[name]].color if name in bright else REST for name, _ in found]
        interval_marks(axis, range(len(found)), [_kept(one) for _, one in found], colours)
        several = {row: [*_pairs(one).values()] for row, (_, one) in enumerate(found) if len(one.pairs) > 1}
        single_dots(axis, [*several], [*several.values()], GREY)
        arm_ticks(axis, names, narrow)
        axis.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
        percent_axis(axis.xaxis)
        axis.set_xlabel("% of the gain of full data\nat equal steps")
        return figure

    rows: list[dict[str, Any]] = []
    for name, one in found:
        for place, value in _pairs(one).items():
            rows.append({"strategy": name, "arm": arms[name], "model_data": place, "share_of_gain": value})
        rows.append({"strategy": name, "arm": arms[name], "model_data": "all", **numbers("share_of_gain", _kept(one))})
    told = [f"{STRATEGIES[name]} {number(100 * _kept(one).value, 0)} %" for name, one in found]
    weak = dict.fromkeys(title for _, one in found for title in one.weak)
    left = f" Left out, because full data did not clearly gain there: {joined(list(weak))}." if weak else ""
    return Picture(
        "ufo_rl.gain",
        "UFO-RL, what each strategy keeps of the gain of full data",
        "Gain of mean accuracy over training, full data at 100 % and the start policy at 0 %, with 95 % intervals"
        + ("; grey dots are single pairs of model and task." if len(panels) > 1 else ".")
        + left,
        f"Share of the gain of full data by strategy: {joined(told)}.",
        pd.DataFrame(rows),
        draw,
    )


def _kept(one: Judged) -> Interval:
    """The gain as a share of that of full data, over all pairs."""
    share = one.share.interval()
    return Interval(1 + share.value, 1 + share.low, 1 + share.high, share.n)


def _pairs(one: Judged) -> dict[str, float]:
    shares = {pair.panel.title: 1 + pair.share.value for pair in one.pairs}
    return {place: value for place, value in shares.items() if not math.isnan(value)}
