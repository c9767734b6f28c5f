"""How the arms compare: the summary, accuracy against steps, tokens and seconds, and what it cost."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import NullLocator

from analysis.axes import AXES, CLOCK_NAMES, metric_of, name_of
from analysis.measures import Measures
from analysis.pictures import Picture
from analysis.runs import Panel, Series
from analysis.statistics import Interval, share_interval
from analysis.style import (
    GREY,
    PHASE_LOOKS,
    PHASE_NAMES,
    Look,
    canvas,
    in_order,
    looks,
    percent_axis,
    shared_legend,
    thousands,
)
from analysis.text import number
from repro.tracking.series import SPEND


def panel_looks(measures: Measures) -> dict[str, Look]:
    """One look per series, the same in every figure of the study: a panel that lacks an arm shifts no colour."""
    panel = measures.panel
    own = {series.label: series.way for series in panel.series}
    chosen = looks(panel.known or own, panel.known_baselines or [series.label for series in panel.references])
    return {label: chosen[label] for label in own}


def handles(measures: Measures) -> tuple[list[Line2D], list[str]]:
    """Legend entries of all series."""
    styles = panel_looks(measures)
    lines = [Line2D([], [], marker=look.marker, **look.line()) for look in styles.values()]
    return lines, list(styles)


# ---------------------------------------------------------------- accuracy


def accuracy_curves(measures: Measures, prefix: str = "") -> Picture:
    """Accuracy against steps, generated tokens and seconds: raw seeds faint, their mean bold, its interval a band."""
    panel, styles = measures.panel, panel_looks(measures)
    labels = {name: name_of(name, panel.clock) for name in AXES} | {"steps": "step"}
    seeds = {
        (series.label, name): [run.evaluated_cost(metric_of(name, panel.clock), panel.main) for run in series.runs]
        for series in panel.series
        for name in AXES
    }
    data = _curves(panel, seeds)
    # Bands over two or three seeds can be so wide that they would flatten the curves: they may leave the picture.
    drawn = [*data["accuracy"], *_heights(measures)]
    margin = 0.08 * (max(drawn) - min(drawn)) + 0.01
    limits = (max(0.0, min(drawn) - margin), min(1.0, max(drawn) + margin))

    def draw(narrow: bool) -> Figure:
        figure, axes = canvas(3, narrow, height=2.35 if narrow else 2.75)
        for axis, name in zip(axes, AXES, strict=True):
            _reference_lines(axis, measures)
            for series in panel.series:
                _curve(axis, seeds[series.label, name], styles[series.label])
            axis.set_ylim(*limits)
            axis.set_xlabel(labels[name])
            thousands(axis.xaxis)
            percent_axis(axis.yaxis)
            if narrow or axis is axes[0]:
                axis.set_ylabel(panel.main_series.label("accuracy, %"))
            else:
                axis.sharey(axes[0])
                axis.tick_params(labelleft=False)
        lines, names = handles(measures)
        shared_legend(figure, lines, names, narrow)
        return figure

    greedy = "The dotted line is the start policy decoded greedily, the dash-dotted one the target."
    if math.isnan(measures.start.greedy):
        greedy = "The dash-dotted line is the target."
    ends = ", ".join(f"{f.series.label} {number(100 * f.accuracy.value)} %" for f in measures.finals)
    return Picture(
        f"{prefix}accuracy",
        "Accuracy against steps, generated tokens and seconds",
        "Thin lines are single seeds, unsmoothed; bold lines their mean, bands its 95 % t-interval over seeds. "
        f"{greedy} Tokens and seconds include what selection cost and leave evaluation out.",
        f"Three panels of rising accuracy curves by step, generated tokens and seconds; final means: {ends}.",
        data,
        draw,
    )


def _heights(measures: Measures) -> list[float]:
    """Where `_reference_lines` draws."""
    values = [measures.start.greedy, *(measures.target(series) for series in measures.panel.references)]
    return [value for value in values if not math.isnan(value)]


def _reference_lines(axis: Axes, measures: Measures) -> None:
    if not math.isnan(measures.start.greedy):
        axis.axhline(measures.start.greedy, color=GREY, linewidth=1, linestyle=(0, (1, 2)))
    for target in {measures.target(series) for series in measures.panel.references}:
        axis.axhline(target, color=GREY, linewidth=0.9, linestyle=(0, (6, 2, 1, 2)))


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


def _curve(axis: Axes, seeds: Sequence[Curve], look: Look) -> None:
    faint_lines(axis, [np.column_stack(one) for one in seeds], look, 0.7, 0.35)
    mean_x, middle, low, high = [], [], [], []
    for index in range(max(len(x) for x, _ in seeds)):
        at = [(x[index], y[index]) for x, y in seeds if index < len(x)]
        interval = share_interval([y for _, y in at])
        mean_x.append(float(np.mean([x for x, _ in at])))
        middle.append(interval.value)
        low.append(interval.low)
        high.append(interval.high)
    axis.fill_between(mean_x, low, high, color=look.color, alpha=0.09, linewidth=0)
    axis.plot(mean_x, middle, marker=look.marker, **look.line())


def faint_lines(axis: Axes, lines: Sequence[np.ndarray], look: Look, width: float, alpha: float) -> None:
    """Single seeds, each [points, x and y]: one artist for all of them, for a study may have hundreds."""
    axis.add_collection(
        LineCollection(
            lines, colors=look.color, linewidths=width, alpha=alpha, capstyle="projecting", joinstyle="round"
        )
    )
    axis.autoscale_view()


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
    lines: dict[str, list[tuple[float, Interval]]] = {}
    for final in measures.finals:
        one = final.series
        if path in one.axis:
            rest = [f"{key.rsplit('.', 1)[-1]} {value}" for key, value in sorted(one.axis.items()) if key != path]
            lines.setdefault(", ".join([one.arm, *rest]), []).append((float(one.axis[path]), final.accuracy))
    lines = {label: sorted(points, key=lambda point: point[0]) for label, points in lines.items()}
    fixed = [final for final in measures.finals if path not in final.series.axis]
    rows = [
        {"arm": label, path: x, "accuracy": y.value, "accuracy_low": y.low, "accuracy_high": y.high}
        for label, points in lines.items()
        for x, y in points
    ]
    every = sorted({x for points in lines.values() for x, _ in points})
    logarithmic = every[0] > 0 and every[-1] / every[0] >= 8

    def draw(narrow: bool) -> Figure:
        figure, (axis,) = canvas(1, narrow, height=2.8)
        styles = in_order(list(lines))
        entries: list[Line2D] = []
        for label, points in lines.items():
            xs, ys, look = [x for x, _ in points], [y for _, y in points], styles[label]
            axis.vlines(xs, [y.low for y in ys], [y.high for y in ys], color=look.color, linewidth=1.2)
            entries += axis.plot(xs, [y.value for y in ys], marker=look.marker, **look.line())
        for index, final in enumerate(fixed):
            dash = ("-", (0, (1, 2)), (0, (6, 2, 1, 2)), (0, (5, 1.6)))[index % 4]
            entries.append(axis.axhline(final.accuracy.value, color=GREY, linewidth=1.2, linestyle=dash))
        if logarithmic:
            axis.set_xscale("log")
            axis.xaxis.set_minor_locator(NullLocator())
        axis.set_xticks(every, [f"{x:g}" for x in every])
        axis.set(xlabel=path, ylabel=measures.panel.main_series.label("final accuracy, %"))
        percent_axis(axis.yaxis)
        shared_legend(figure, entries, [*lines, *(final.series.label for final in fixed)], narrow)
        return figure

    return Picture(
        f"{prefix}axis_{path}",
        f"Final accuracy against {path}",
        "Mean over seeds with its 95 % t-interval; grey lines are arms that the axis does not apply to.",
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

    def draw(narrow: bool) -> Figure:
        height = 0.75 + 0.27 * len(series)
        figure, axes = canvas(3, narrow, height=height if narrow else height + 0.3)
        for axis, (quantity, title) in zip(axes, quantities.items(), strict=True):
            for index, one in enumerate(series):
                _stack(axis, measures, one, -index, quantity, phases)
            axis.set_title(title)
            labelled = narrow or axis is axes[0]
            axis.set_yticks([-i for i in range(len(series))], [s.label if labelled else "" for s in series])
            axis.tick_params(axis="y", length=0)
            axis.grid(axis="y", visible=False)
            longest = max(sum(measures.cost(s.label, p, quantity) for p in phases) for s in series)
            axis.set_xlim(0, 1.06 * longest or 1)
            thousands(axis.xaxis)
        patches = [
            Patch(facecolor=PHASE_LOOKS[p][0], hatch=PHASE_LOOKS[p][1], edgecolor="#1B1F24", linewidth=0.5)
            for p in phases
        ]
        shared_legend(figure, patches, [PHASE_NAMES[p] for p in phases], narrow)
        return figure

    return Picture(
        f"{prefix}cost",
        "What a run cost, by phase",
        "Mean per run over seeds, to the end of training. Evaluation, and the warm start common to all arms, are left "
        "out.",
        "Stacked bars per arm of generated tokens, FLOPs and seconds, split into selection, rollouts and updates.",
        pd.DataFrame(rows),
        draw,
    )


def _stack(axis: Axes, measures: Measures, series: Series, y: int, quantity: str, phases: list[str]) -> None:
    left = 0.0
    for phase in phases:
        value = measures.cost(series.label, phase, quantity)
        color, hatch = PHASE_LOOKS[phase]
        axis.barh(y, value, 0.66, left=left, color=color, hatch=hatch, edgecolor="#1B1F24", linewidth=0.5)
        left += value
