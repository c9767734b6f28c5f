"""The figure of the first screen: each arm's difference at equal cost, and the curves that it comes from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from repro.analysis.axes import label_of
from repro.analysis.budgets import ends_said
from repro.analysis.contrast import readable
from repro.analysis.curve import Curve, Curves
from repro.analysis.lettering import fitted, width_of
from repro.analysis.marks import interval_marks, single_dots, word
from repro.analysis.measures import Measures
from repro.analysis.page.budgets import differ, up_to
from repro.analysis.page.lit import panel_looks
from repro.analysis.pictures import Picture
from repro.analysis.primary import AXIS, Judged
from repro.analysis.style import (
    GREY,
    LIT,
    NARROW,
    RC,
    REST,
    SHOWN,
    WIDE,
    Look,
    arm_ticks,
    percent_axis,
    points_axes,
    rows_height,
    thousands,
    titled,
)
from repro.analysis.text import joined, points

NAME = 7.5
"""Points of the names beside curves."""

ROWS = 2.16
"""Inches that the rows take at most on a page, so that its first screen holds the whole figure."""

CURVES = 2.3
"""Inches of the curves where they stand below the differences: on a phone and in a column."""

ALONE = "exploratory comparisons, not judged with the primary claims"
"""What stands below the line unless a caller says otherwise."""


def forest(
    panels: Sequence[Measures], judged: Sequence[Judged], beside: Sequence[Judged] = (), said: str = ALONE
) -> Picture:
    """Differences of the primary claims with their intervals; beside them, on one model and task, the curves.

    At least one claim has runs of both its arms. `beside` has exploratory comparisons, drawn lighter below a line, and
    `said` what they are.
    """
    every = [one for one in judged if one.pairs]
    count = min(SHOWN, int(ROWS / _row_height(_Rows([*judged, *beside], 0).names, narrow=False)))
    primary = _furthest(every, count)
    lost = [one for one in judged if not one.pairs][: count - len(primary)]
    others = _furthest([one for one in beside if one.pairs], count - len(primary) - len(lost))
    drawn, rows = [*primary, *others], _Rows([*primary, *lost, *others], len(primary) + len(lost))
    looks = {label: look for measures in panels for label, look in panel_looks(measures).items()}
    baselines = {one.question.against for one in drawn}
    far = [one for part in (primary, others) for one in sorted(part, key=lambda one: -abs(one.difference.value))]
    arms = dict.fromkeys(one.question.arm for one in far if one.question.arm not in baselines)
    bright = [*baselines, *list(arms)[: max(1, LIT - len(baselines))]]
    colours = {label: look.color if label in bright else REST for label, look in looks.items()}
    single, clock = len(panels) == 1, panels[0].panel.clock

    def draw(narrow: bool) -> Figure:
        height = max(2.2, 0.8 + len(rows.names) * _row_height(rows.names, narrow))
        below = CURVES if narrow and single else 0.0
        figure = Figure(figsize=(NARROW if narrow else WIDE, height + below), layout="constrained")
        columns = 2 if single and not narrow else 1
        if not single:
            left = figure.subplots()
        elif narrow:
            # Each keeps the width that its own names leave it.
            parts = figure.subfigures(2, 1, height_ratios=(height, below), squeeze=False).ravel().tolist()
            left, right = (part.subplots() for part in parts)
            _curves(right, drawn, bright, looks, below, clock, columns)
        else:
            left, right = figure.subplots(1, 2)
            _curves(right, drawn, bright, looks, height, clock, columns)
        _differences(left, rows, colours, narrow, columns)
        return figure

    of = joined(
        [f"{name} {points(one.difference.interval())} points" for name, one in zip(rows.names, rows.judged, strict=True)
         if one.pairs]
    )  # fmt: skip
    by = drawn[0].question.by
    several = "" if single else "; grey circles: single pairs of model and task"
    below = f" Below the line: {said}." if others else ""
    few = f" ({len(primary)} of {len(every)} arms)" if len(primary) < len(every) else ""
    adding = ", so that rows do not add up" if differ(drawn) else ""
    curves = _by_arm(drawn) if single else {}
    arms_drawn = [one for one in panels[0].panel.series if one.label in curves]
    ending = ends_said(arms_drawn, [[Curves(runs).end for runs in curves.values()]])
    compared = "that of the baseline" if len(rows.against) == 1 else "that of the arm it is compared with"
    return Picture(
        "answer",
        f"Who learns more from the same cost{few}",
        f"Mean accuracy over training minus {compared}, {up_to(drawn)}{adding}. Lines: 95 % intervals over seeds and "
        f"questions{several}.{below}{' ' * bool(ending)}{ending}",
        f"Differences at equal {AXIS[by]}: {of}.",
        pd.concat([_data(rows), _curve_data(drawn)] if single else [_data(rows)], ignore_index=True),
        draw,
    )


class _Rows:
    """The rows of the figure from the top; those from `primary` on are exploratory."""

    def __init__(self, judged: Sequence[Judged], primary: int) -> None:
        self.judged, self.primary = judged, primary
        self.against = list(dict.fromkeys(one.question.against for one in judged))
        self.names = [self._name(one) for one in judged]

    def _name(self, one: Judged) -> str:
        seeds = " (1 seed)" if one.verdict == "one seed" else ""
        against = f" − {one.question.against}" if len(self.against) > 1 else ""
        return f"{one.question.arm}{against}{seeds}"


def _row_height(names: Sequence[str], narrow: bool) -> float:
    """Inches of one row among these; closer to its neighbours on a page."""
    return rows_height(names, narrow) / len(names) - (0.0 if narrow else 0.052)


def _furthest(judged: Sequence[Judged], count: int) -> list[Judged]:
    """So many that lie furthest from 0, the highest first."""
    nearest = sorted(judged, key=lambda one: -abs(one.difference.value))[: max(0, count)]
    return sorted(nearest, key=lambda one: -one.difference.value)


def _data(rows: _Rows) -> pd.DataFrame:
    data: list[dict[str, object]] = []
    for place, one in enumerate(rows.judged):
        if not one.pairs:
            continue
        whole = one.difference.interval()
        every = [("all", whole), *((pair.panel.title, pair.difference.interval()) for pair in one.pairs)]
        for where, interval in every:
            data.append({"arm": one.question.arm, "against": one.question.against, "where": where})
            data[-1] |= {"primary": place < rows.primary, "difference": interval.value}
            data[-1] |= {"low": interval.low, "high": interval.high, "n": interval.n}
    return pd.DataFrame(data)


def _curve_data(drawn: Sequence[Judged]) -> pd.DataFrame:
    """The curves beside the differences: mean accuracy over seeds by cost."""
    data: list[dict[str, object]] = []
    for label, curves in _by_arm(drawn).items():
        for cost, accuracy in zip(*_mean_curve(curves), strict=True):
            data.append({"arm": label, "where": "curve", "cost": cost, "accuracy": accuracy, "n": len(curves)})
    return pd.DataFrame(data)


def _by_arm(drawn: Sequence[Judged]) -> dict[str, Sequence[Curve]]:
    """The runs of every arm in a comparison, those that others are compared with last."""
    ordered = sorted(drawn, key=lambda one: abs(one.difference.value))
    arms: dict[str, Sequence[Curve]] = {one.question.arm: one.pairs[0].pair.arm for one in ordered}
    others: dict[str, Sequence[Curve]] = {one.question.against: one.pairs[0].pair.baseline for one in ordered}
    return {label: curves for label, curves in arms.items() if label not in others} | others


def _differences(axis: Axes, rows: _Rows, colours: dict[str, str], narrow: bool, columns: int) -> None:
    for part, size, width in ((slice(rows.primary), 6.0, 2.2), (slice(rows.primary, None), 4.0, 1.1)):
        ran = [(place, one) for place, one in list(enumerate(rows.judged))[part] if one.pairs]
        interval_marks(
            axis,
            [place for place, _ in ran],
            [one.difference.interval() for _, one in ran],
            [colours[one.question.arm] for _, one in ran],
            size=size,
            width=width,
        )
    for place, one in enumerate(rows.judged):
        if not one.pairs:
            word(axis, place, one.state)
    pairs = {place: [pair.difference.value for pair in one.pairs] for place, one in enumerate(rows.judged)}
    several = {place: values for place, values in pairs.items() if len(values) > 1}
    single_dots(axis, [*several], [*several.values()], GREY)
    arm_ticks(axis, rows.names, narrow)
    points_axes([axis])
    if rows.primary < len(rows.judged):
        axis.axhline(rows.primary - 0.5, color=GREY, linewidth=0.6)
    title = f"Points against {rows.against[0]}" if len(rows.against) == 1 else "Points of accuracy over training"
    names = [line for label in axis.get_yticklabels() for line in label.get_text().split("\n")]
    room = (NARROW if narrow else WIDE) / columns - max(width_of(line, float(RC["ytick.labelsize"])) for line in names)
    axis.set_title(fitted(title, room - 0.35, float(RC["axes.titlesize"]), lines=2, bold=True))
    axis.set_xlabel(f"less  ←     →  more accurate\nat equal {AXIS[rows.judged[0].question.by]}")


def _curves(
    axis: Axes,
    shown: Sequence[Judged],
    lit: Sequence[str],
    looks: dict[str, Look],
    height: float,
    clock: str,
    columns: int,
) -> None:
    """Mean accuracy over seeds against cost; `lit` arms, the baselines among them, in colour on top."""
    by, others = shown[0].question.by, {one.question.against for one in shown}
    asked = {one.question.arm for one in shown}
    ends: list[tuple[float, float, str, str]] = []
    for label, curves in _by_arm(shown).items():
        colour = looks[label].color if label in lit else REST
        costs, heights = _mean_curve(curves)
        axis.plot(
            costs, heights, color=colour, linewidth=2.2 if label in others - asked else 1.8 if label in lit else 1.0
        )
        ends.append((float(costs[-1]), float(heights[-1]), label, colour))
    titled(axis, "Accuracy, %", columns, columns == 1)
    axis.set_xlabel(label_of(AXIS[by], clock))
    percent_axis(axis.yaxis)
    thousands(axis.xaxis, whole=by == "steps")
    _label(axis, [end for end in ends if end[2] in lit], height)


def _mean_curve(curves: Sequence[Curve]) -> tuple[np.ndarray, np.ndarray]:
    """(costs, mean accuracy over seeds) on a common grid, as far as all of them go."""
    runs = Curves(curves)
    grid = np.linspace(0, runs.end, 60)
    return grid, np.array([np.mean(runs.accuracies_at(cost)) for cost in grid])


def _label(axis: Axes, ends: Sequence[tuple[float, float, str, str]], height: float) -> None:
    """Names beside the longest line, moved apart in a figure of so many inches; thin lines lead to where each ends."""
    edge, (low, high) = max(x for x, *_ in ends), axis.get_ylim()
    told = {label: fitted(label, 0.95, NAME, lines=2) for _, _, label, _ in ends}
    lines = 1 + max(name.count("\n") for name in told.values())
    gap = (0.03 + 0.12 * lines) / (height - 0.75) * (high - low)  # of a panel that is about so many inches high
    ordered = sorted(ends, key=lambda end: end[1])
    places = [end[1] for end in ordered]
    for index in range(1, len(places)):
        places[index] = max(places[index], places[index - 1] + gap)
    over = max(0.0, places[-1] - (high - gap / 2))
    for index in reversed(range(len(places))):
        roof = places[index + 1] - gap if index + 1 < len(places) else places[-1] - over
        places[index] = min(places[index], roof)
    names = [told[label] for _, _, label, _ in ordered]
    for place, name, (x, y, _, colour) in zip(places, names, ordered, strict=True):
        axis.plot(x, y, "o", color=colour, markersize=3)
        axis.plot([x, edge], [y, place], color=colour, linewidth=0.6, linestyle=":")
        axis.annotate(
            name, (edge, place), (5, 0), textcoords="offset points", va="center", color=readable(colour), fontsize=NAME,
            annotation_clip=False,
        )  # fmt: skip
    left, _ = axis.get_xlim()
    widest = max(width_of(line, NAME) for name in names for line in name.split("\n"))
    room = (0.12 + widest) / 2.7  # of a panel that is about so many inches wide
    axis.set_xlim(left, left + (edge - left) / (1 - room))
