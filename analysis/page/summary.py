"""The one figure that shows the comparison at a glance: final accuracy, difference to the baseline, speedups."""

from __future__ import annotations

import math

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from analysis.comparable import NOT_COMPARABLE, at_end_beside_baseline, beside_baseline, said
from analysis.measures import AXES, Measures
from analysis.page.figures import panel_looks
from analysis.pictures import Picture
from analysis.statistics import Interval
from analysis.style import GREY, NARROW, WIDE, Look, percent_axis
from analysis.text import number, percent, plural


def summary(measures: Measures, prefix: str = "") -> Picture:
    """Final accuracy, difference to the baseline and speedups, each with its interval."""
    panel, series = measures.panel, measures.panel.series
    styles = panel_looks(measures)
    places = {one.label: -index for index, one in enumerate(series)}

    def draw(narrow: bool) -> Figure:
        height = 0.85 + 0.3 * len(series)
        if narrow:
            figure = Figure(figsize=(NARROW, 3 * height), layout="constrained")
            axes = list(figure.subplots(3, 1))
        else:
            figure = Figure(figsize=(WIDE, height + 0.1), layout="constrained")
            axes = list(figure.subplots(1, 3, width_ratios=(1.1, 1, 1)))
        _final_axis(axes[0], measures, styles, places)
        _difference_axis(axes[1], measures, styles, places)
        _speedup_axis(axes[2], measures, styles, places)
        for axis in axes:
            axis.set_ylim(-len(series) + 0.35, 0.65)
            axis.grid(axis="y", visible=False)
            axis.tick_params(axis="y", length=0)
            labelled = narrow or axis is axes[0]
            axis.set_yticks(list(places.values()), list(places) if labelled else [""] * len(places))
        return figure

    rows, apart = [], []
    for final in measures.finals:
        row: dict[str, object] = {"arm": final.series.label, "accuracy": final.accuracy.value}
        row |= {"accuracy_low": final.accuracy.low, "accuracy_high": final.accuracy.high}
        apart.append(at_end_beside_baseline(panel, final.series))
        if final.difference and not apart[-1]:
            row |= {"difference": final.difference.value}
            row |= {"difference_low": final.difference.low, "difference_high": final.difference.high}
        for axis, metric in AXES.items():
            speedup, why = measures.time(final.series.label, axis).speedup, beside_baseline(panel, final.series, metric)
            apart.append(why)
            if speedup and not why:
                key = axis.replace(" ", "_")
                row |= {f"speedup_{key}_from": speedup.point.low, f"speedup_{key}_to": speedup.point.high}
                row |= {f"speedup_{key}_low": speedup.low, f"speedup_{key}_high": speedup.high}
        rows.append(row)
    best = max(measures.finals, key=lambda final: final.accuracy.value)
    return Picture(
        f"{prefix}summary",
        "The comparison at a glance",
        "First: accuracy at the last evaluation, small marks are seeds. Second: paired difference to the baseline. "
        "Third: speedup to the target on a logarithmic scale; a triangle marks an end that censored runs leave open. "
        f"Bars are 95 % intervals.{said(apart)}",
        f"Final accuracy of {plural(len(series), 'arm')} with intervals, differences to the baseline and speedups; the "
        f"highest mean is {best.series.label} with {percent(best.accuracy)}.",
        pd.DataFrame(rows),
        draw,
    )


def _final_axis(axis: Axes, measures: Measures, styles: dict[str, Look], places: dict[str, int]) -> None:
    axis.set_title(measures.panel.main_series.label("Final accuracy, %"))
    for value, dash in ((measures.start.sampled.value, "-"), (measures.start.greedy, (0, (1, 2)))):
        if not math.isnan(value):
            axis.axvline(value, color=GREY, linewidth=1, linestyle=dash)
    for final in measures.finals:
        look, y = styles[final.series.label], places[final.series.label]
        _interval(axis, final.accuracy, y, look)
        axis.plot(final.per_seed, [y - 0.24] * len(final.per_seed), "|", color=look.color, markersize=5, alpha=0.8)
    percent_axis(axis.xaxis)
    greedy = "" if math.isnan(measures.start.greedy) else ", greedy (dots)"
    axis.set_xlabel(f"start policy: sampled (line){greedy}")


def _difference_axis(axis: Axes, measures: Measures, styles: dict[str, Look], places: dict[str, int]) -> None:
    references = measures.panel.references
    axis.set_title(f"vs {references[0].label}, points" if len(references) == 1 else "vs baseline, points")
    axis.axvline(0, color="#1B1F24", linewidth=0.9)
    for final in measures.finals:
        label = final.series.label
        if final.difference is None:
            axis.text(0, places[label], " baseline", va="center", ha="left", color=GREY, fontsize=8)
        elif at_end_beside_baseline(measures.panel, final.series):
            axis.text(0, places[label], f" {NOT_COMPARABLE}", va="center", ha="left", color=GREY, fontsize=8)
        else:
            _interval(axis, final.difference, places[label], styles[label])
    axis.xaxis.set_major_formatter(FuncFormatter(lambda v, _: number(100 * v, 0, sign=True)))
    _symmetric(axis)
    axis.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    axis.set_xlabel("worse  ←     → better")


def _speedup_axis(axis: Axes, measures: Measures, styles: dict[str, Look], places: dict[str, int]) -> None:
    target = measures.target(measures.panel.references[0]) if measures.panel.references else math.nan
    goal = f" to {number(100 * target)} %" if len(measures.panel.references) == 1 else ""
    axis.set_title(f"Speedup{goal}, ×")
    axis.axvline(1, color="#1B1F24", linewidth=0.9)
    axis.set_xscale("log")
    found = []
    for time in measures.times:
        if time.speedup is None or beside_baseline(measures.panel, time.series, AXES[time.axis]):
            continue
        ends = (time.speedup.point.low, time.speedup.point.high, time.speedup.low, time.speedup.high)
        found += [end for end in ends if math.isfinite(end) and end > 0]
    low, high = min([0.5, *found]) / 1.25, max([2.0, *found]) * 1.25
    axis.set_xlim(low, high)
    for time in measures.times:
        if time.speedup is not None:
            y = places[time.series.label] + {"steps": 0.22, "generated tokens": 0.0, "seconds": -0.22}[time.axis]
            if beside_baseline(measures.panel, time.series, AXES[time.axis]):
                axis.text(1, y, f" {NOT_COMPARABLE}", va="center", ha="left", color=GREY, fontsize=6)
                continue
            _speedup_mark(axis, time, y, styles[time.series.label], low, high)
    for series in measures.panel.references:
        axis.text(1, places[series.label], " baseline", va="center", ha="left", color=GREY, fontsize=8)
    ticks = [v for v in (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50) if low <= v <= high]
    axis.xaxis.set_major_locator(FixedLocator(ticks))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
    axis.set_xlabel("● steps   ◆ tokens   ■ seconds")


def _speedup_mark(axis: Axes, time: object, y: float, look: Look, left: float, right: float) -> None:
    """Interval as a line, the point as a mark; open ends run to the border and end in a triangle."""
    speedup = time.speedup  # type: ignore[attr-defined]
    marker = {"steps": "o", "generated tokens": "D", "seconds": "s"}[time.axis]  # type: ignore[attr-defined]
    ends = [speedup.point.low, speedup.point.high]
    if speedup.known:
        ends += [speedup.low, speedup.high]
    low, high = max(min(ends), left), min(max(ends), right)
    axis.plot([low, high], [y, y], color=look.color, linewidth=1.2, alpha=0.75, solid_capstyle="butt")
    if min(ends) <= left:
        axis.plot([left], [y], "<", color=look.color, markersize=4.5, clip_on=False)
    if max(ends) >= right:
        axis.plot([right], [y], ">", color=look.color, markersize=4.5, clip_on=False)
    if speedup.point.exact:
        axis.plot([speedup.point.low], [y], marker, color=look.color, markersize=4.2)
    else:  # a bound, not a value: hollow, at the end that is known
        known = speedup.point.low if speedup.point.low > 0 else speedup.point.high
        if math.isfinite(known):
            axis.plot([known], [y], marker, color=look.color, markersize=4.2, markerfacecolor="white")


def _interval(axis: Axes, interval: Interval, y: float, look: Look) -> None:
    if interval.known:
        axis.plot([interval.low, interval.high], [y, y], color=look.color, linewidth=1.6, solid_capstyle="butt")
        axis.plot([interval.low, interval.high], [y, y], "|", color=look.color, markersize=6)
    axis.plot([interval.value], [y], look.marker, color=look.color, markersize=5.5)


def _symmetric(axis: Axes) -> None:
    reach = max(0.02, *(abs(v) for v in axis.get_xlim()))
    axis.set_xlim(-reach, reach)
