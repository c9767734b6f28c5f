"""The figure of the first screen: each arm's difference at equal cost, and the curves that it comes from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.comparison import Comparison
from analysis.equal_cost import Curve
from analysis.lettering import fitted, width_of
from analysis.marks import interval_marks
from analysis.measures import Measures
from analysis.page.lit import panel_looks
from analysis.pictures import Picture
from analysis.primary import AXIS, Judged
from analysis.style import (
    GREY,
    LIT,
    NARROW,
    REST,
    SHOWN,
    WIDE,
    Look,
    arm_ticks,
    percent_axis,
    points_axes,
    readable,
    rows_height,
    thousands,
    titled,
)
from analysis.text import joined, points

NAME = 7.5
"""Points of the names beside curves."""


def forest(panels: Sequence[Measures], judged: Sequence[Judged]) -> Picture:
    """Differences of the primary claims with their intervals; beside them, on one model and task, the curves.

    At least one claim has runs of both its arms.
    """
    every = [one for one in judged if one.pairs]
    nearest = sorted(every, key=lambda one: -abs(one.difference.value))[:SHOWN]
    drawn = sorted(nearest, key=lambda one: -one.difference.value)
    shown = [*drawn, *(one for one in judged if not one.pairs)][:SHOWN]
    looks = {label: look for measures in panels for label, look in panel_looks(measures).items()}
    others = {one.question.against for one in every}
    bright = list(dict.fromkeys(one.question.arm for one in nearest))[: max(1, LIT - len(others))]
    colours = {label: look.color if label in bright else REST for label, look in looks.items()}
    single = len(panels) == 1

    def draw(narrow: bool) -> Figure:
        height = max(2.2, 0.8 + rows_height(_names(shown), narrow))
        figure = Figure(figsize=(NARROW if narrow else WIDE, height), layout="constrained")
        if narrow or not single:
            left = figure.subplots()
        else:
            left, right = figure.subplots(1, 2, width_ratios=(1, 1))
            _curves(right, drawn, bright, looks, height)
        _differences(left, shown, colours, narrow, 1 if narrow or not single else 2)
        return figure

    of = joined([f"{one.question.arm} {points(one.difference.interval())} points" for one in drawn])
    by = drawn[0].question.by
    several = "" if single else "; small dots are single pairs of model and task"
    few = f" ({len(drawn)} of {len(every)} arms)" if len(drawn) < len(every) else ""
    return Picture(
        "answer",
        f"Who learns more from the same cost{few}",
        f"Mean accuracy over training up to equal {AXIS[by]}, minus that of the baseline, with 95 % intervals over "
        f"seeds and questions{several}.",
        f"Differences to the baseline at equal {AXIS[by]}: {of}.",
        _data(drawn),
        draw,
    )


def _data(shown: Sequence[Judged]) -> pd.DataFrame:
    rows: list[dict[str, object]] = []
    for one in shown:
        whole = one.difference.interval()
        every = [("all", whole), *((pair.panel.title, pair.difference.interval()) for pair in one.pairs)]
        for where, interval in every:
            rows.append({"arm": one.question.arm, "against": one.question.against, "where": where})
            rows[-1] |= {"difference": interval.value, "low": interval.low, "high": interval.high, "n": interval.n}
    return pd.DataFrame(rows)


def _differences(axis: Axes, shown: Sequence[Judged], colours: dict[str, str], narrow: bool, columns: int) -> None:
    ran = [(place, one) for place, one in enumerate(shown) if one.pairs]
    interval_marks(
        axis,
        [place for place, _ in ran],
        [one.difference.interval() for _, one in ran],
        [colours[one.question.arm] for _, one in ran],
    )
    for place, one in enumerate(shown):
        if not one.pairs:
            axis.annotate(one.verdict, (0, place), (5, 0), textcoords="offset points", va="center", color=GREY)
    pairs = [(place, pair) for place, one in enumerate(shown) for pair in one.pairs if len(one.pairs) > 1]
    if pairs:
        import seaborn as sns  # takes a second, and few studies need it

        sns.stripplot(
            x=[pair.difference.value for _, pair in pairs], y=[place for place, _ in pairs], orient="h",
            native_scale=True, jitter=False, size=3.5, color=GREY, alpha=0.75, ax=axis, zorder=3,
        )  # fmt: skip
    arm_ticks(axis, _names(shown), narrow)
    points_axes([axis])
    against = list(dict.fromkeys(one.question.against for one in shown))
    titled(axis, f"Points against {against[0]}" if len(against) == 1 else "Points of difference", columns, narrow)
    axis.set_xlabel(f"less  ←     →  more accurate\nat equal {AXIS[shown[0].question.by]}")


def _names(shown: Sequence[Judged]) -> list[str]:
    """The arms; with the other arm where the rows have several."""
    several = len({one.question.against for one in shown}) > 1
    names = [f"{one.question.arm} − {one.question.against}" if several else one.question.arm for one in shown]
    return [f"{name} (1 seed)" if one.verdict == "one seed" else name for name, one in zip(names, shown, strict=True)]


def _curves(axis: Axes, shown: Sequence[Judged], lit: Sequence[str], looks: dict[str, Look], height: float) -> None:
    """Mean accuracy over seeds against cost; `lit` arms and the baselines in colour, on top."""
    by = AXIS[shown[0].question.by]
    ordered = [one.pairs[0] for one in sorted(shown, key=lambda one: -abs(one.difference.value))]
    others: dict[str, Comparison] = {pair.other.label: pair for pair in ordered}
    found = {pair.arm.label: pair for pair in reversed(ordered) if pair.arm.label not in others}
    ends: list[tuple[float, float, str, str]] = []
    for label, pair in found.items():
        colour = looks[label].color if label in lit else REST
        ends.append((*_mean_curve(axis, pair.pair.arm, colour, 1.8 if label in lit else 1.0), label, colour))
    for label, pair in others.items():
        ends.append((*_mean_curve(axis, pair.pair.baseline, looks[label].color, 2.2), label, looks[label].color))
    titled(axis, "Accuracy, %", 2, False)
    axis.set_xlabel(by)
    percent_axis(axis.yaxis)
    thousands(axis.xaxis, whole=shown[0].question.by == "steps")
    _label(axis, [end for end in ends if end[2] in lit or end[2] in others], height)


def _mean_curve(axis: Axes, curves: Sequence[Curve], colour: str, width: float) -> tuple[float, float]:
    """Draw the mean over seeds on a common grid of costs; its last point."""
    grid = np.linspace(0, min(curve.end for curve in curves), 60)
    heights = np.mean([[curve.accuracy_at(cost) for cost in grid] for curve in curves], axis=0)
    axis.plot(grid, heights, color=colour, linewidth=width)
    return float(grid[-1]), float(heights[-1])


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
