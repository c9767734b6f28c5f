"""The figure of the first screen: each arm's difference at equal cost, and the curves that it comes from."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from analysis.comparison import Comparison
from analysis.equal_cost import Curve
from analysis.measures import Measures
from analysis.page.figures import panel_looks
from analysis.pictures import Picture
from analysis.primary import AXIS, Judged
from analysis.style import GREY, NARROW, WIDE, Look, percent_axis, thousands
from analysis.text import joined, number, points

SHOWN = 12
"""Arms at most; of more those furthest from zero."""

TITLE = 32
"""Characters of a line of a title, which a column has room for."""

LIT = 5
"""Curves in colour at most, the others grey."""


def forest(panels: Sequence[Measures], judged: Sequence[Judged]) -> Picture:
    """Differences of the primary claims with their intervals; beside them, on one model and task, the curves.

    At least one claim has runs of both its arms.
    """
    answered = sorted((one for one in judged if one.pairs), key=lambda one: -abs(one.difference.value))
    kept = {id(one) for one in answered[:SHOWN]}
    shown = [one for one in judged if id(one) in kept]
    looks = {label: look for measures in panels for label, look in panel_looks(measures).items()}
    single = len(panels) == 1

    def draw(narrow: bool) -> Figure:
        height = max(2.3, 0.75 + 0.3 * len(shown))
        if narrow or not single:
            figure = Figure(figsize=(NARROW if narrow else WIDE, height), layout="constrained")
            left = figure.subplots()
        else:
            figure = Figure(figsize=(WIDE, height), layout="constrained")
            left, right = figure.subplots(1, 2, width_ratios=(1, 1))
            _curves(right, panels[0], shown, looks)
        _differences(left, shown, looks)
        return figure

    of = joined([f"{one.question.arm} {points(one.difference.interval())} points" for one in shown])
    by = shown[0].question.by
    several = "" if single else " Small marks are single pairs of model and task."
    hidden = f" Not drawn: {len(answered) - len(shown)} arms nearer to zero." if len(answered) > len(shown) else ""
    curves = " Right: accuracy against the same cost, mean over seeds." if single else ""
    return Picture(
        "answer",
        "Who learns more from the same cost",
        f"{'Left: mean' if single else 'Mean'} accuracy over training up to equal {AXIS[by]}, minus that of the "
        f"baseline; bars are 95 % intervals over seeds and questions.{several}{curves}{hidden}",
        f"Differences to the baseline at equal {AXIS[by]}: {of}.",
        _data(shown),
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


def _differences(axis: Axes, shown: Sequence[Judged], looks: dict[str, Look]) -> None:
    axis.axvline(0, color="#1B1F24", linewidth=0.9)
    for place, one in enumerate(shown):
        look, interval = looks[one.question.arm], one.difference.interval()
        if interval.known:
            axis.plot([interval.low, interval.high], [place, place], color=look.color, linewidth=2.2)
        axis.plot([interval.value], [place], "o", color=look.color, markersize=6)
    pairs = [(place, pair) for place, one in enumerate(shown) for pair in one.pairs if len(one.pairs) > 1]
    if pairs:
        sns.stripplot(
            x=[pair.difference.value for _, pair in pairs], y=[place for place, _ in pairs], orient="h",
            native_scale=True, jitter=False, size=4, color=GREY, marker="D", alpha=0.75, ax=axis, zorder=3,
        )  # fmt: skip
    axis.set_yticks(range(len(shown)), [one.question.arm for one in shown])
    axis.set_ylim(len(shown) - 0.4, -0.6)
    axis.tick_params(axis="y", length=0)
    axis.grid(axis="y", visible=False)
    axis.margins(x=0.02)
    reach = 1.08 * max(0.02, *(abs(value) for value in axis.get_xlim()))
    axis.set_xlim(-reach, reach)
    axis.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: number(100 * value, 0, sign=True)))
    against = list(dict.fromkeys(one.question.against for one in shown))
    axis.set_title(fill(f"Points against {joined(against)}", TITLE))
    axis.set_xlabel(f"less accurate  ←     → more accurate\nat equal {AXIS[shown[0].question.by]}")
    axis.set_ylabel("")


def _curves(axis: Axes, measures: Measures, shown: Sequence[Judged], looks: dict[str, Look]) -> None:
    """Mean accuracy over seeds against cost; the arms furthest from the baseline and the baseline in colour."""
    by = AXIS[shown[0].question.by]
    found: dict[str, Comparison] = {}
    for one in sorted(shown, key=lambda one: -abs(one.difference.value)):
        found[one.question.arm] = one.pairs[0]
    lit = list(found)[: LIT - 1]
    ends: list[tuple[float, float, str, str]] = []
    for label, pair in reversed(found.items()):
        colour = looks[label].color if label in lit else "#C9CED6"
        ends.append((*_mean_curve(axis, pair.pair.arm, colour, 1.8 if label in lit else 1.0), label, colour))
    first = next(iter(found.values()))
    colour = looks[first.other.label].color
    ends.append((*_mean_curve(axis, first.pair.baseline, colour, 2.2), first.other.label, colour))
    _label(axis, [end for end in ends if end[2] in lit or end is ends[-1]])
    axis.set_title("Accuracy, %")
    axis.set_xlabel(by)
    percent_axis(axis.yaxis)
    thousands(axis.xaxis)


def _mean_curve(axis: Axes, curves: Sequence[Curve], colour: str, width: float) -> tuple[float, float]:
    """Draw the mean over seeds on a common grid of costs; its last point."""
    grid = np.linspace(0, min(curve.end for curve in curves), 60)
    heights = np.mean([[curve.accuracy_at(cost) for cost in grid] for curve in curves], axis=0)
    axis.plot(grid, heights, color=colour, linewidth=width)
    return float(grid[-1]), float(heights[-1])


def _label(axis: Axes, ends: Sequence[tuple[float, float, str, str]]) -> None:
    """Names beside the longest line, at the height of each line's end, moved apart."""
    edge = max(x for x, *_ in ends)
    low, high = axis.get_ylim()
    gap, last = 0.075 * (high - low), -np.inf
    for _, y, label, colour in sorted(ends, key=lambda end: end[1]):
        last = max(y, last + gap)
        axis.annotate(
            label, (edge, last), (6, 0), textcoords="offset points", va="center", color=colour, fontsize=8,
            annotation_clip=False,
        )  # fmt: skip
    left, right = axis.get_xlim()
    axis.set_xlim(left, right + 0.2 * (right - left))
