"""The main figures of a leaderboard: gain against tokens on every pair, and every arm beside the baseline."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from repro.analysis.axes import TOKENS, curves
from repro.analysis.budgets import ends_said, span
from repro.analysis.curve import Curves
from repro.analysis.facets import facets, outer
from repro.analysis.leaderboard.board import Board
from repro.analysis.marks import word
from repro.analysis.measures import Measures
from repro.analysis.pictures import Picture
from repro.analysis.statistics import Interval
from repro.analysis.style import (
    GREY,
    NARROW,
    REST,
    WIDE,
    arm_ticks,
    percent_axis,
    rows_height,
    shared_legend,
    signed_tick,
    thousands,
)
from repro.analysis.tables import Table, numbers
from repro.analysis.text import joined, number
from repro.words import plural

MOST_PANELS = 9
"""Pairs that are drawn: of more, the first ones."""

MOST_ROWS = 40
"""Arms that the forest draws: of more, the best ones."""

POINTS = 25
"""Costs at which a mean curve is drawn."""


def gain(board: Board) -> list[Table | Picture]:
    """Gain against tokens, and the forest; no forest where no arm can be compared."""
    return [_curves(board), *_forest(board)]


# ---------------------------------------------------------------- gain against tokens


def _curves(board: Board) -> Picture:
    shown = board.panels[:MOST_PANELS]
    titles = [one.panel.title for one in shown]
    data = pd.concat([_mean_gains(one) for one in board.panels], ignore_index=True)
    lit, rest = board.highlighted, len({*board.arms, *board.baselines} - set(board.highlighted))

    def draw(narrow: bool) -> Figure:
        figure, axes = facets(titles, narrow)
        for axis, title in zip(axes, titles, strict=True):
            lines = dict(iter(data[data["model_data"] == title].groupby("arm", sort=False)))
            for label in (label for label in lines if label not in lit):
                axis.plot(lines[label]["tokens"], lines[label]["gain"], color=REST, linewidth=0.8, zorder=1)
            for label in reversed([label for label in lit if label in lines]):
                axis.plot(lines[label]["tokens"], lines[label]["gain"], **board.looks[label].line())
            axis.axhline(0, color=GREY, linewidth=0.7, zorder=0.5)
            percent_axis(axis.yaxis)
            outer(axis, "generated tokens", "gain, points")
            thousands(axis.xaxis)
            axis.xaxis.set_major_locator(MaxNLocator(3 if len(titles) > 1 else 6, steps=[1, 2, 2.5, 5, 10]))
        for axis, title in zip(axes, titles, strict=True):
            here = data[data["model_data"] == title]
            own = here[here["arm"].isin(lit)]
            axis.set_xlim(0, 1.05 * max(float((own if len(own) else here)["tokens"].max()), 1.0))
        handles = [Line2D([], [], **board.looks[label].line()) for label in lit]
        names = list(lit)
        if rest:
            handles.append(Line2D([], [], color=REST))
            names.append(plural(rest, "other arm"))
        shared_legend(figure, handles, names, narrow)
        return figure

    of = f" ({len(shown)} of {len(board.panels)} pairs)" if len(shown) < len(board.panels) else ""
    whose = f"the baseline{', the arms of the claims' if board.claimed else ''} and the best arms"
    ends = data.groupby(["model_data", "arm"], sort=False)["gain"].last()
    costs = data.groupby(["model_data", "arm"], sort=False)["tokens"].last()
    every = [series for one in board.panels for series in one.panel.series]
    ending = ends_said(every, [list(part) for _, part in costs.groupby("model_data")])
    told = [
        f"{label} {number(100 * float(ends[:, label].mean()), sign=True)}"
        for label in lit
        if label in ends.index.levels[1]
    ]
    return Picture(
        "leaderboard.gain",
        f"Gain over the start policy from the same tokens{of}",
        "Accuracy above that of the start policy, mean over seeds, as far as every run of an arm goes; tokens of "
        f"selection count. In colour: {whose}; grey: all others, as far as those in colour go."
        f"{' ' * bool(ending)}{ending}",
        f"Gain by generated tokens, one panel for each pair of policy and task; at the end, in points: {joined(told)}.",
        data,
        draw,
    )


def _mean_gains(measures: Measures) -> pd.DataFrame:
    """Mean gain over seeds by cost: one row per arm and point."""
    rows: list[dict[str, object]] = []
    for series in measures.panel.series:
        runs = Curves(curves(measures.panel, series, series.seeds, TOKENS))
        for cost in np.linspace(0, runs.end, POINTS):
            heights = runs.accuracies_at(cost) - runs.accuracies_at(0.0)
            rows.append({"model_data": measures.panel.title, "arm": series.label, "tokens": float(cost)})
            rows[-1] |= {"gain": float(np.mean(heights)), "n": len(runs.each)}
    return pd.DataFrame(rows, columns=["model_data", "arm", "tokens", "gain", "n"])


# ---------------------------------------------------------------- every arm beside the baseline


def _forest(board: Board) -> list[Picture]:
    judged = board.judged("tokens")
    ranked = [label for label in board.order if label not in board.baselines]
    if not ranked:
        return []
    drawn = ranked[:MOST_ROWS]
    colours = {label: board.looks[label].color if label in board.highlighted else GREY for label in drawn}
    several = len(board.panels) > 1
    uncompared = {label: one.state or one.verdict for label in board.uncompared if (one := judged.get(label))}
    words = dict(list({**uncompared, **board.absent}.items())[: MOST_ROWS - len(drawn)])

    def draw(narrow: bool) -> Figure:
        names = [*drawn, *words]
        size = (NARROW if narrow else WIDE, 0.9 + rows_height(names, narrow))
        figure = Figure(figsize=size, layout="constrained")
        axis = figure.subplots()
        for row, label in enumerate(drawn):
            one = judged[label]
            mean, others = one.difference.interval(), one.other_tasks
            if others is not None and others.known:
                wide = others.interval()
                axis.plot([wide.low, wide.high], [row, row], color=colours[label], linewidth=0.8, alpha=0.7)
            if mean.known:
                axis.plot([mean.low, mean.high], [row, row], color=colours[label], linewidth=2.4)
            face = colours[label] if mean.known else "white"
            axis.plot([mean.value], [row], "o", color=colours[label], markersize=5, markerfacecolor=face, zorder=4)
        if several:
            import seaborn as sns  # takes a second

            marks = [(row, pair.difference.value) for row, label in enumerate(drawn) for pair in judged[label].pairs]
            sns.stripplot(
                x=[value for _, value in marks], y=[row for row, _ in marks], orient="h", native_scale=True,
                jitter=False, size=2.8, color=GREY, alpha=0.6, ax=axis, zorder=3,
            )  # fmt: skip
        for row, text in enumerate(words.values(), start=len(drawn)):
            word(axis, row, text)
        arm_ticks(axis, names, narrow)
        _points_axis(axis, [judged[label].difference.interval() for label in drawn])
        axis.set_xlabel(f"points against {joined(list(board.baselines))}\nless  ←   at equal tokens   →  more")
        return figure

    rows: list[dict[str, object]] = []
    for label in ranked:
        one = judged[label]
        where = [("all", one.difference.interval())]
        where += [(pair.panel.title, pair.difference.interval()) for pair in one.pairs]
        if one.other_tasks is not None:
            where.append(("other tasks", one.other_tasks.interval()))
        budgets = {pair.panel.title: pair.budget for pair in one.pairs}
        for name, at in where:
            rows.append({"arm": label, "model_data": name, **numbers("difference", at), "n": at.n})
            rows[-1]["budget"] = budgets.get(name, math.nan)
        rows += [{"arm": label, "model_data": place, "n": 0} for place in one.unfit]
    of = f" ({len(drawn)} of {len(ranked)} arms)" if len(drawn) < len(ranked) else ""
    told = [f"{label} {number(100 * judged[label].difference.value, sign=True)}" for label in drawn]
    return [
        Picture(
            "leaderboard.forest",
            f"Every arm beside {joined(list(board.baselines))} at equal generated tokens{of}",
            _forest_caption(board, several),
            f"Differences to the baseline in points, best first: {joined(told)}.",
            pd.DataFrame(rows),
            draw,
        )
    ]


def _forest_caption(board: Board, several: bool) -> str:
    text = (
        "Mean accuracy over training minus that of the baseline, mean over pairs, up to the tokens that every run of "
        f"both has spent ({span([*board.judged('tokens').values()])}). Thick: 95 % "
        "interval over seeds and questions, on these pairs"
    )
    if any(one.other_tasks is not None and one.other_tasks.known for one in board.judged("tokens").values()):
        text += "; thin: with tasks as units, so of other tasks too, and it may leave the picture"
    text += "; grey marks: single pairs of policy and task." if several else "."
    return text + " Not corrected for the number of arms." + board.units_said


def _points_axis(axis: Axes, intervals: Sequence[Interval]) -> None:
    """Differences as signed points around 0, as wide as the thick intervals and the marks need."""
    bounds = [abs(bound) for one in intervals for bound in (one.value, one.low, one.high) if not math.isnan(bound)]
    marks = [abs(float(x)) for found in axis.collections for x in np.asarray(found.get_offsets())[:, 0]]
    reach = 1.08 * max(0.02, *bounds, *marks)
    axis.set_xlim(-reach, reach)
    axis.axvline(0, color="#1B1F24", linewidth=0.9, zorder=1)
    axis.xaxis.set_major_locator(MaxNLocator(7, steps=[1, 2, 5, 10]))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: signed_tick(value)))
