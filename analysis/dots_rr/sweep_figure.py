"""The figure of a sweep of DOTS + RR: accuracy and groups with a gradient against the values of one field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from analysis.pictures import Picture
from analysis.statistics import share_interval
from analysis.style import canvas, in_order, percent_axis, shared_legend
from analysis.tables import numbers
from analysis.text import number

DRAWN = {
    "accuracy": "accuracy\nat the end, %",
    "by_steps": "mean accuracy\nby steps, %",
    "by_tokens": "mean accuracy\nby tokens, %",
    "effective": "groups with\na gradient, %",
}
"""What is drawn -> the words for its axis."""


@dataclass(frozen=True)
class Point:
    """One arm of a sweep. `values`: by the names of `DRAWN`, seed -> share in 0..1."""

    place: str
    part: str
    value: float
    headline: bool
    values: Mapping[str, Mapping[int, float]]


def sweep_picture(item: str, title: str, symbol: str, points: Sequence[Point]) -> Picture | None:
    """One small axis per measure, values of the field at equal distances; None without points."""
    if not points:
        return None
    several = len({point.place for point in points}) > 1
    lines: dict[str, list[Point]] = {}
    for point in points:
        lines.setdefault(f"{point.part}, {point.place}" if several else point.part, []).append(point)
    ticks = sorted({point.value for point in points})
    usual = {point.value for point in points if point.headline}
    rows: list[dict[str, Any]] = []
    for point in points:
        for name in DRAWN:
            rows.append({"model_data": point.place, "part": point.part, "value": point.value, "measure": name})
            rows[-1] |= {"headline": point.headline, **numbers("mean", share_interval([*point.values[name].values()]))}
            rows[-1] |= {f"seed_{seed}": value for seed, value in point.values[name].items()}

    def draw(narrow: bool) -> Figure:
        figure, axes = canvas(len(DRAWN), narrow, height=2.2, columns=4 if len(ticks) < 5 else 2)
        look = in_order(list(lines))
        for axis, name in zip(axes, DRAWN, strict=True):
            for index, (label, members) in enumerate(lines.items()):
                _line(axis, name, members, ticks, look[label].color, look[label].marker, index - (len(lines) - 1) / 2)
            axis.set_xticks(range(len(ticks)), [f"{v:g}\nusual" if v in usual else f"{v:g}" for v in ticks])
            axis.set(xlabel=symbol, ylabel=DRAWN[name], xlim=(-0.5, len(ticks) - 0.5))
            axis.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
            percent_axis(axis.yaxis)
        if len(lines) > 1:
            entries = [Line2D([], [], color=look[x].color, marker=look[x].marker) for x in lines]
            shared_legend(figure, entries, list(lines), narrow)
        return figure

    return Picture(
        f"dots_rr.ablation_{item}_figure",
        f"DOTS + RR, ablation: {title}",
        "Means with 95 % t-intervals over seeds; faint dots are single seeds. `usual` marks the headline arm, whose "
        "other fields all arms of the sweep share. Mean accuracy: over training, up to where the shortest run of the "
        "sweep ends. Values of the field stand at equal distances.",
        f"{title}: {_said(lines, symbol)}.",
        pd.DataFrame(rows),
        draw,
    )


def _line(
    axis: Axes, name: str, members: Sequence[Point], ticks: Sequence[float], color: str, marker: str, place: float
) -> None:
    xs = np.array([ticks.index(point.value) for point in members]) + 0.12 * place  # (values,)
    means = [share_interval([*point.values[name].values()]) for point in members]
    for x, point, mean in zip(xs, members, means, strict=True):
        seeds = [*point.values[name].values()]
        axis.plot([x + 0.1] * len(seeds), seeds, ".", color=color, alpha=0.4)
        if mean.known:
            axis.vlines(x, mean.low, mean.high, color=color, linewidth=1.2)
    axis.plot(xs, [mean.value for mean in means], color=color, marker=marker)


def _said(lines: Mapping[str, Sequence[Point]], symbol: str) -> str:
    told = []
    for label, members in lines.items():
        finals = [np.mean([*point.values["accuracy"].values()]) for point in members]
        values = [f"{point.value:g}: {number(100 * float(x))} %" for point, x in zip(members, finals, strict=True)]
        told.append(f"{label}, final accuracy by {symbol} {', '.join(values)}")
    return "; ".join(told)
