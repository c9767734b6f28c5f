"""The figure of all sweeps of DOTS + RR: what each value of a field changes against the usual one, at equal cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from repro.analysis.dots_rr.arms import HEADLINE, part_looks
from repro.analysis.facets import facets, outer
from repro.analysis.lettering import fitted
from repro.analysis.marks import interval_marks
from repro.analysis.pictures import Picture
from repro.analysis.statistics import Interval
from repro.analysis.style import GREY, shared_legend, signed_tick
from repro.analysis.tables import numbers
from repro.analysis.text import joined, names, number

SHAPES = {"by_tokens": ("o", "equal tokens"), "by_steps": ("^", "equal steps")}
"""Measure (see `ablations.COLUMNS`) -> its shape, and its words."""


@dataclass(frozen=True)
class Point:
    """One arm of a sweep. `differences`: measure -> mean accuracy over training minus that at the usual value."""

    place: str
    part: str
    symbol: str
    value: float
    usual: float
    differences: Mapping[str, Interval]
    arm: str


def ablation_grid(points: Sequence[Point]) -> Picture | None:
    """A panel for each field with its values at equal distances; None without points."""
    if not points:
        return None
    symbols = list(dict.fromkeys(point.symbol for point in points))
    parts = [part for part in HEADLINE if any(point.part == part for point in points)]
    measured = [name for name in SHAPES if any(name in point.differences for point in points)]
    looks = part_looks([])

    def draw(narrow: bool) -> Figure:
        figure, axes = facets(symbols, narrow)
        for axis, symbol in zip(axes, symbols, strict=True):
            _panel(axis, [point for point in points if point.symbol == symbol], parts, measured)
            outer(axis, fitted(symbol, 1.2, 8, lines=2) if narrow else symbol, "points to the usual")
            axis.set_title("")
        entries = [Line2D([], [], color=looks[part].color, linewidth=4) for part in parts]
        entries += [Line2D([], [], color=GREY, marker=SHAPES[name][0], linestyle="none") for name in measured]
        shared_legend(figure, entries, [*parts, *(SHAPES[name][1] for name in measured)], narrow)
        return figure

    rows: list[dict[str, Any]] = []
    for point in points:
        for name, interval in point.differences.items():
            rows.append({"model_data": point.place, "part": point.part, "field": point.symbol, "value": point.value})
            rows[-1] |= {"usual": point.usual, "measure": name, **numbers("difference", interval)}
    return Picture(
        "dots_rr.ablation_grid",
        "DOTS + RR, ablations as differences to the usual setting",
        "Mean accuracy over training minus that of the same arm at the usual value (bold), with 95 % t-intervals over "
        f"paired seeds.{_not_comparable(points)}",
        f"Differences to the usual setting by field, at equal tokens or steps: {_said(points)}.",
        pd.DataFrame(rows),
        draw,
    )


def _not_comparable(points: Sequence[Point]) -> str:
    """Arms whose selection costs too much to compare them at the tokens of the usual one; empty without any."""
    found = list(dict.fromkeys(point.arm for point in points if "by_tokens" not in point.differences))
    return f" Not comparable at equal tokens: {names(found)}." if found else ""


def _panel(axis: Axes, points: Sequence[Point], parts: Sequence[str], measured: Sequence[str]) -> None:
    looks, usual = part_looks([]), {point.usual for point in points}
    ticks = sorted({point.value for point in points} | usual)
    lanes = [(part, place, name) for part in parts for name in measured for place in _places(points, part)]
    axis.axhline(0, color="#1B1F24", linewidth=0.9, zorder=1)
    for lane, (part, place, name) in enumerate(lanes):
        shift = 0.16 * (lane - (len(lanes) - 1) / 2) if len(lanes) < 5 else 0.7 * ((lane + 0.5) / len(lanes) - 0.5)
        here = [point for point in points if (point.part, point.place) == (part, place) and name in point.differences]
        xs = [ticks.index(point.value) + shift for point in here]
        intervals, colours = [point.differences[name] for point in here], [looks[part].color] * len(here)
        interval_marks(axis, xs, intervals, colours, upright=True, marker=SHAPES[name][0], size=4.0, width=1.2)
    axis.set_xticks(range(len(ticks)), [f"{tick:g}" for tick in ticks])
    for tick, label in zip(ticks, axis.get_xticklabels(), strict=True):
        label.set_fontweight("bold" if tick in usual else "normal")
    axis.set_xlim(-0.5, len(ticks) - 0.5)
    axis.grid(axis="x", visible=False)
    axis.yaxis.set_major_locator(MaxNLocator(5, min_n_ticks=3, steps=[1, 2, 5, 10]))
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: signed_tick(value)))


def _places(points: Sequence[Point], part: str) -> list[str]:
    return list(dict.fromkeys(point.place for point in points if point.part == part))


def _said(points: Sequence[Point]) -> str:
    told = []
    for point in points:
        interval = point.differences.get("by_tokens", point.differences.get("by_steps"))
        if interval is not None:
            told.append(f"{point.part}, {point.symbol} {point.value:g}: {number(100 * interval.value, sign=True)}")
    return joined(told)
