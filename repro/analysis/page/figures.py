"""How the arms of a panel compare: accuracy by steps, tokens and seconds, by an axis of the study, and what it cost."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator, NullLocator

from repro.analysis.axes import AXES, CLOCK_NAMES, label_of, metric_of
from repro.analysis.budgets import ends_said
from repro.analysis.lettering import fitted
from repro.analysis.measures import Measures
from repro.analysis.page.lit import faint_lines, handles, lit, named, of_all, panel_looks, shown
from repro.analysis.pictures import Picture
from repro.analysis.runs import Panel
from repro.analysis.statistics import Interval, share_interval
from repro.analysis.style import (
    GREY,
    LEVEL,
    LIT,
    NARROW,
    PHASE_LOOKS,
    PHASE_NAMES,
    REST,
    WIDE,
    Look,
    arm_ticks,
    canvas,
    looks,
    percent_axis,
    rows_height,
    shared_legend,
    thousands,
)
from repro.analysis.text import number
from repro.tracking.series import SPEND

BANDS = 2
"""With more series than this no intervals are drawn around curves: bands that overlap cannot be read."""


NAME_HEIGHT = 0.095
"""Share of the height of a panel that a line of letters takes."""


# ---------------------------------------------------------------- accuracy


def accuracy_curves(measures: Measures, prefix: str = "") -> Picture:
    """Accuracy against steps, generated tokens and seconds: raw seeds faint, their mean bold, its interval a band."""
    panel, styles = measures.panel, panel_looks(measures)
    labels = {name: label_of(name, panel.clock) for name in AXES}
    seeds = {
        (series.label, name): [run.evaluated_cost(metric_of(name, panel.clock), panel.main) for run in series.runs]
        for series in panel.series
        for name in AXES
    }
    data = _curves(panel, seeds)
    bright = lit(measures)
    banded = len(panel.series) <= BANDS and any(len(series.runs) > 1 for series in panel.series)
    # A band over two or three seeds can be so wide that it would flatten the curves: it may leave the picture.
    drawn = [*data["accuracy"], *_heights(measures)]
    margin = 0.08 * (max(drawn) - min(drawn)) + 0.01
    limits = (max(0.0, min(drawn) - margin), min(1.0, max(drawn) + margin))

    def draw(narrow: bool) -> Figure:
        figure, axes = canvas(3, narrow, height=2.0 if narrow else 2.6)
        for axis, name in zip(axes, AXES, strict=True):
            _level_lines(axis, measures, limits, told=narrow or axis is axes[-1])
            for series in panel.series:
                found = seeds[series.label, name]
                if series.label in bright:
                    _curve(axis, found, styles[series.label], banded)
                else:
                    axis.plot(*_mean(found)[:2], color=REST, linewidth=0.9, zorder=1)
            axis.set_ylim(*limits)
            axis.set_xlabel(labels[name])
            thousands(axis.xaxis, whole=name == "steps")
            percent_axis(axis.yaxis)
            if narrow or axis is axes[0]:
                axis.set_ylabel(panel.main_series.label("accuracy, %"))
            else:
                axis.sharey(axes[0])
                axis.tick_params(labelleft=False)
        shared_legend(figure, *handles(measures, bright, len(panel.series) - len(bright)), narrow)
        return figure

    ends = ", ".join(f"{f.series.label} {number(100 * f.accuracy.value)} %" for f in measures.finals)
    bands = ", bands 95 % t-intervals over seeds" if banded else ""
    ending = ends_said(panel.series, [[_mean(seeds[one.label, name])[0][-1] for one in panel.series] for name in AXES])
    return Picture(
        f"{prefix}accuracy",
        "Accuracy against steps, generated tokens and seconds",
        f"Thin: single seeds, bold: their mean{bands}; level lines: the start policy decoded greedily, and the target; "
        f"the cost of selection is counted, that of evaluation is not.{' ' * bool(ending)}{ending}",
        f"Three panels of accuracy curves by step, generated tokens and seconds; final means: {ends}.",
        data,
        draw,
    )


def _heights(measures: Measures) -> list[float]:
    """Where `_level_lines` draws: the target of each baseline, then the start policy decoded greedily."""
    values = [*dict.fromkeys(measures.target(series) for series in measures.panel.references), measures.start.greedy]
    return [value for value in values if not math.isnan(value)]


def _level_lines(axis: Axes, measures: Measures, limits: tuple[float, float], told: bool) -> None:
    """Lines at the targets and at the start policy's greedy accuracy, with their names right of the panel."""
    heights, low, size = _heights(measures), limits[0], limits[1] - limits[0]
    greedy = not math.isnan(measures.start.greedy)
    for height in heights:
        axis.axhline(height, color=GREY, linewidth=1, linestyle=LEVEL, zorder=1.5)
    if not told:
        return
    names = [*["target"] * (len(heights) - greedy), *["greedy\nstart"] * greedy]
    places = [(height - low) / size for height in heights]
    free = 1.0
    for place, name in sorted(zip(places, names, strict=True), reverse=True):
        lines = name.count("\n") + 1
        half = NAME_HEIGHT * lines / 2
        place = min(place, free - half)
        axis.text(1.02, place, name, transform=axis.transAxes, fontsize=7, color=GREY, va="center", linespacing=1.0)
        free = place - half


Curve = tuple[np.ndarray, np.ndarray]
"""x and accuracy of one run at its evaluations."""


def _curves(panel: Panel, seeds: Mapping[tuple[str, str], Sequence[Curve]]) -> pd.DataFrame:
    """One row per arm, axis, seed and evaluation."""
    columns: dict[str, list[Any]] = {"arm": [], "axis": [], "seed": []}
    for series in panel.series:
        for name in AXES:
            for run, (x, _) in zip(series.runs, seeds[series.label, name], strict=True):
                for column, value in zip(columns.values(), (series.label, name, run.place.seed), strict=True):
                    column += [value] * len(x)
    curves = [curve for found in seeds.values() for curve in found]
    numbers = {"evaluation": np.concatenate([np.arange(len(x)) for x, _ in curves])}
    numbers |= {"x": np.concatenate([x for x, _ in curves]), "accuracy": np.concatenate([y for _, y in curves])}
    return pd.DataFrame({**columns, **numbers})


def _mean(seeds: Sequence[Curve]) -> tuple[list[float], list[float], list[Interval]]:
    """(mean x, mean accuracy, its interval over seeds) at each evaluation."""
    places, intervals = [], []
    for index in range(max(len(x) for x, _ in seeds)):
        at = [(x[index], y[index]) for x, y in seeds if index < len(x)]
        places.append(float(np.mean([x for x, _ in at])))
        intervals.append(share_interval([y for _, y in at]))
    return places, [one.value for one in intervals], intervals


def _curve(axis: Axes, seeds: Sequence[Curve], look: Look, banded: bool) -> None:
    faint_lines(axis, [np.column_stack(one) for one in seeds], look, 0.7, 0.3)
    places, means, intervals = _mean(seeds)
    if banded:
        low, high = [one.low for one in intervals], [one.high for one in intervals]
        axis.fill_between(places, low, high, color=look.color, alpha=0.09, linewidth=0)
    axis.plot(places, means, **look.line())


# ---------------------------------------------------------------- axes of the study


def axis_curves(measures: Measures, prefix: str = "") -> list[Picture]:
    """Final accuracy against each numeric axis of the study that takes several values."""
    values: dict[str, set[float]] = {}
    for series in measures.panel.series:
        for path, value in series.axis.items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                values.setdefault(path, set()).add(float(value))
    return [_axis_curve(measures, path, prefix) for path, found in values.items() if len(found) > 1]


def _axis_curve(measures: Measures, path: str, prefix: str) -> Picture:
    panel = measures.panel
    lines: dict[str, list[tuple[float, Interval]]] = {}
    ways: dict[str, str] = {}
    for final in measures.finals:
        one = final.series
        if path in one.axis:
            rest = [f"{key.rsplit('.', 1)[-1]} {value}" for key, value in sorted(one.axis.items()) if key != path]
            label = ", ".join([one.arm, *rest])
            lines.setdefault(label, []).append((float(one.axis[path]), final.accuracy))
            ways.setdefault(label, one.way)
    lines = {label: sorted(points, key=lambda point: point[0]) for label, points in lines.items()}
    fixed = [final for final in measures.finals if final.series in panel.references and path not in final.series.axis]
    rows = [
        {"arm": label, path: x, "accuracy": y.value, "accuracy_low": y.low, "accuracy_high": y.high}
        for label, points in lines.items()
        for x, y in points
    ]
    every = sorted({x for points in lines.values() for x, _ in points})
    logarithmic = every[0] > 0 and every[-1] / every[0] >= 8
    spans = {label: max(y.value for _, y in points) for label, points in lines.items()}
    bright = sorted(lines, key=lambda label: -spans[label])[: LIT - len(fixed[:1])]
    bright = [label for label in lines if label in bright]

    def draw(narrow: bool) -> Figure:
        figure, (axis,) = canvas(1, narrow, height=2.6)
        styles = looks(ways)
        entries: list[Line2D] = []
        for label, points in lines.items():
            xs, ys, look = [x for x, _ in points], [y for _, y in points], styles[label]
            if label not in bright:
                axis.plot(xs, [y.value for y in ys], color=REST, linewidth=0.9, zorder=1)
                continue
            axis.vlines(xs, [y.low for y in ys], [y.high for y in ys], color=look.color, linewidth=1.2)
            entries += axis.plot(xs, [y.value for y in ys], marker=look.marker, **look.line())
        names = list(bright)
        if len(bright) < len(lines):
            entries.append(Line2D([], [], color=REST))
            names.append(f"{len(lines) - len(bright)} more")
        for final in fixed[:1]:
            entries.append(axis.axhline(final.accuracy.value, color=GREY, linewidth=1.2, linestyle=LEVEL))
            names.append(final.series.label)
        if logarithmic:
            axis.set_xscale("log")
            axis.xaxis.set_minor_locator(NullLocator())
        ticks = every if len(every) <= (6 if narrow else 12) else every[:: -(-len(every) // (6 if narrow else 12))]
        axis.set_xticks(ticks, [f"{x:g}" for x in ticks])
        axis.set(xlabel=path, ylabel=panel.main_series.label("final accuracy, %"))
        percent_axis(axis.yaxis)
        shared_legend(figure, entries, names, narrow)
        return figure

    return Picture(
        f"{prefix}axis_{path}",
        f"Final accuracy against {path}",
        "Mean over seeds with its 95 % t-interval; a level line is a baseline that the axis does not apply to.",
        f"Final accuracy against {path} for {', '.join(lines)}.",
        pd.DataFrame(rows),
        draw,
    )


# ---------------------------------------------------------------- cost


def cost_bars(measures: Measures, prefix: str = "") -> Picture:
    """Tokens, FLOPs and seconds per run, split by phase."""
    clock = measures.panel.clock
    quantities = {"generated_tokens": "generated tokens", "flops": "FLOPs", clock: CLOCK_NAMES[clock]}
    series = measures.panel.series
    phases = [p for p in SPEND if any(measures.cost(s.label, p, q) for s in series for q in quantities)]
    rows = [
        {"arm": s.label, "phase": p, "quantity": q, "mean_per_run": measures.cost(s.label, p, q)}
        for s in series
        for p in phases
        for q in quantities
    ]
    labels = shown(measures)

    def draw(narrow: bool) -> Figure:
        names = [named(measures, label) for label in labels]
        size = (NARROW if narrow else WIDE, 1.0 + rows_height(names, narrow))
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots(1, 3, squeeze=False).ravel().tolist()
        for axis, (quantity, title) in zip(axes, quantities.items(), strict=True):
            for index, label in enumerate(labels):
                _stack(axis, measures, label, index, quantity, phases)
            axis.set_title(fitted(title, 0.75, 7.5, 2, bold=True) if narrow else title, fontsize=7.5 if narrow else 8.5)
            arm_ticks(axis, names, narrow)
            axis.tick_params(labelleft=axis is axes[0])
            longest = max(sum(measures.cost(label, p, quantity) for p in phases) for label in labels)
            axis.set_xlim(0, 1.06 * longest or 1)
            thousands(axis.xaxis)
            if narrow:
                axis.xaxis.set_major_locator(MaxNLocator(2, steps=[1, 2, 5, 10]))
        patches = [
            Patch(facecolor=PHASE_LOOKS[p][0], hatch=PHASE_LOOKS[p][1], edgecolor="#1B1F24", linewidth=0.5)
            for p in phases
        ]
        shared_legend(figure, patches, [PHASE_NAMES[p] for p in phases], narrow)
        return figure

    return Picture(
        f"{prefix}cost",
        f"What a run cost, by phase{of_all(measures, len(labels))}",
        "Mean over seeds to the end of training, without evaluation and the warm start that all arms share.",
        "Stacked bars per arm of generated tokens, FLOPs and seconds, split into selection, rollouts and updates.",
        pd.DataFrame(rows),
        draw,
    )


def _stack(axis: Axes, measures: Measures, label: str, y: int, quantity: str, phases: list[str]) -> None:
    left = 0.0
    for phase in phases:
        value = measures.cost(label, phase, quantity)
        color, hatch = PHASE_LOOKS[phase]
        axis.barh(y, value, 0.66, left=left, color=color, hatch=hatch, edgecolor="#1B1F24", linewidth=0.5)
        left += value
