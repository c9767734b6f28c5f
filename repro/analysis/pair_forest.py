"""Differences at equal cost on every pair of model and task, one comparison of two arms beside the other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from repro.analysis.budgets import span
from repro.analysis.comparable import NOT_COMPARABLE
from repro.analysis.marks import interval_marks, word
from repro.analysis.measures import Measures
from repro.analysis.pictures import Picture
from repro.analysis.primary import AXIS, Judged, Question, judge
from repro.analysis.statistics import Interval
from repro.analysis.style import GREY, NARROW, WIDE, arm_ticks, points_axes, rows_height, titled
from repro.analysis.tables import numbers
from repro.analysis.text import joined, number
from repro.analysis.unfinished import NOT_RUN

MEAN = "all pairs"


@dataclass(frozen=True)
class Asked:
    """One comparison: what its panel is called, and the colour of the arm that is asked about."""

    name: str
    question: Question
    colour: str


def pair_forest(item: str, title: str, panels: Sequence[Measures], asked: Sequence[Asked]) -> Picture | None:
    """A panel for each comparison with a row for each pair; with one pair a row for each comparison.

    None where no pair has both arms of any comparison. All comparisons are by the same kind of cost.
    """
    judged = judge([one.question for one in asked], [measures.panel for measures in panels])
    kept = [(one, found) for one, found in zip(asked, judged, strict=True) if found.pairs or found.unfit]
    if not any(found.pairs for _, found in kept):
        return None
    places = [measures.panel.title for measures in panels]
    by = AXIS[kept[0][0].question.by]

    def draw(narrow: bool) -> Figure:
        if len(places) == 1:
            names = [one.name for one, _ in kept]
            size = (NARROW if narrow else WIDE, 0.8 + rows_height(names, narrow))
            figure = Figure(figsize=size, layout="constrained")
            axis = figure.subplots()
            _rows(axis, [(places[0], found, one.colour) for one, found in kept], size=6.0, width=2.2)
            arm_ticks(axis, names, narrow)
            points_axes([axis])
            axis.set_xlabel(f"points, equal {by}")
            return figure
        columns = 1 if narrow else min(3, len(kept))
        rows = -(-len(kept) // columns)
        height = (0.75 + rows_height([*places, MEAN], narrow)) * rows
        figure = Figure(figsize=(NARROW if narrow else WIDE, height), layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False).ravel().tolist()
        for spare in axes[len(kept) :]:
            spare.set_axis_off()
        for index, (axis, (one, found)) in enumerate(zip(axes, kept, strict=False)):
            _rows(axis, [(place, found, one.colour) for place in places], size=4.0, width=1.2)
            axis.axhline(len(places) - 0.5, color=GREY, linewidth=0.6)
            if found.pairs:
                interval_marks(axis, [len(places)], [found.difference.interval()], [one.colour])
            arm_ticks(axis, [*places, MEAN], narrow)
            titled(axis, one.name, columns, narrow)
            if index + columns >= len(kept):
                axis.set_xlabel(f"points\nequal {by}")
            if index % columns:
                axis.tick_params(labelleft=False)
        points_axes(axes[: len(kept)])
        return figure

    return Picture(
        item,
        title,
        f"First arm minus second: mean accuracy over training at equal {by}, up to what every run of both has spent "
        f"({span([found for _, found in kept])}), with 95 % intervals over seeds and questions.",
        f"Differences by pair of model and task at equal {by}: {_said(kept)}.",
        _data(kept),
        draw,
    )


def _rows(axis: Axes, rows: Sequence[tuple[str, Judged, str]], size: float, width: float) -> None:
    """A row for each (pair of model and task, comparison, colour); a word where it has no difference."""
    marked: dict[int, tuple[Interval, str]] = {}
    for row, (place, found, colour) in enumerate(rows):
        pair = next((pair for pair in found.pairs if pair.panel.title == place), None)
        if pair is not None:
            marked[row] = (pair.difference.interval(), colour)
            continue
        lacking = found.lacking.get(place)
        text = NOT_COMPARABLE if place in found.unfit else lacking.state if lacking and lacking.state else NOT_RUN
        word(axis, row, text)
    intervals, colours = [interval for interval, _ in marked.values()], [colour for _, colour in marked.values()]
    interval_marks(axis, [*marked], intervals, colours, size=size, width=width)


def _data(kept: Sequence[tuple[Asked, Judged]]) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    for one, found in kept:
        where: dict[str, Interval] = {pair.panel.title: pair.difference.interval() for pair in found.pairs}
        budgets = {pair.panel.title: pair.budget for pair in found.pairs}
        for place, interval in {**where, **({MEAN: found.difference.interval()} if where else {})}.items():
            rows.append({"comparison": one.name, "arm": one.question.arm, "against": one.question.against})
            rows[-1] |= {"model_data": place, **numbers("difference", interval), "n": interval.n}
            rows[-1]["budget"] = budgets.get(place, math.nan)
        for place in found.unfit:
            rows.append({"comparison": one.name, "arm": one.question.arm, "against": one.question.against})
            rows[-1] |= {"model_data": place, "n": 0}
    return pd.DataFrame(rows)


def _said(kept: Sequence[tuple[Asked, Judged]]) -> str:
    told = []
    for one, found in kept:
        if not found.pairs:
            told.append(f"{one.name} not comparable")
            continue
        values = [100 * pair.difference.value for pair in found.pairs]
        told.append(
            f"{one.name} {number(min(values), sign=True)} to {number(max(values), sign=True)} points, "
            f"median {number(float(np.median(values)), sign=True)}"
        )
    return joined(told)
