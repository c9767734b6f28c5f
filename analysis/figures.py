"""How the arms compare: the summary, accuracy against steps, tokens and seconds, and what it cost."""

from __future__ import annotations

import math

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from analysis.measures import AXES, Measures
from analysis.pictures import Picture
from analysis.runs import SPEND, Series
from analysis.statistics import Interval, share_interval
from analysis.style import (
    GREY,
    NARROW,
    PHASE_LOOKS,
    PHASE_NAMES,
    WIDE,
    Look,
    canvas,
    looks,
    percent_axis,
    shared_legend,
    thousands,
)
from analysis.text import number, percent, plural


def panel_looks(measures: Measures) -> dict[str, Look]:
    """One look per series, the same in every figure of a panel."""
    panel = measures.panel
    return looks([series.label for series in panel.series], [series.label for series in panel.references])


def handles(measures: Measures) -> tuple[list[Line2D], list[str]]:
    """Legend entries of all series."""
    styles = panel_looks(measures)
    lines = [Line2D([], [], marker=look.marker, **look.line()) for look in styles.values()]
    return lines, list(styles)


# ---------------------------------------------------------------- summary


def summary(measures: Measures, prefix: str = "") -> Picture:
    """Final accuracy, difference to the baseline and speedups, each with its interval."""
    series = measures.panel.series
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

    rows = []
    for final in measures.finals:
        row: dict[str, object] = {"arm": final.series.label, "accuracy": final.accuracy.value}
        row |= {"accuracy_low": final.accuracy.low, "accuracy_high": final.accuracy.high}
        if final.difference:
            row |= {"difference": final.difference.value}
            row |= {"difference_low": final.difference.low, "difference_high": final.difference.high}
        for axis in AXES:
            speedup = measures.time(final.series.label, axis).speedup
            if speedup:
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
        "Bars are 95 % intervals.",
        f"Final accuracy of {plural(len(series), 'arm')} with intervals, differences to the baseline and speedups; the "
        f"highest mean is {best.series.label} with {percent(best.accuracy)}.",
        pd.DataFrame(rows),
        draw,
    )


def _final_axis(axis: Axes, measures: Measures, styles: dict[str, Look], places: dict[str, int]) -> None:
    axis.set_title("Final accuracy, %")
    for value, dash in ((measures.start.sampled.value, "-"), (measures.start.greedy, (0, (1, 2)))):
        if not math.isnan(value):
            axis.axvline(value, color=GREY, linewidth=1, linestyle=dash)
    for final in measures.finals:
        look, y = styles[final.series.label], places[final.series.label]
        _interval(axis, final.accuracy, y, look)
        axis.plot(final.per_seed, [y - 0.24] * len(final.per_seed), "|", color=look.color, markersize=5, alpha=0.8)
    percent_axis(axis.xaxis)
    axis.set_xlabel("start policy: sampled (line), greedy (dots)")


def _difference_axis(axis: Axes, measures: Measures, styles: dict[str, Look], places: dict[str, int]) -> None:
    references = measures.panel.references
    axis.set_title(f"vs {references[0].label}, points" if len(references) == 1 else "vs baseline, points")
    axis.axvline(0, color="#1B1F24", linewidth=0.9)
    for final in measures.finals:
        label = final.series.label
        if final.difference is None:
            axis.text(0, places[label], " baseline", va="center", ha="left", color=GREY, fontsize=8)
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
        if time.speedup is None:
            continue
        ends = (time.speedup.point.low, time.speedup.point.high, time.speedup.low, time.speedup.high)
        found += [end for end in ends if math.isfinite(end) and end > 0]
    low, high = min([0.5, *found]) / 1.25, max([2.0, *found]) * 1.25
    axis.set_xlim(low, high)
    for time in measures.times:
        if time.speedup is not None:
            y = places[time.series.label] + {"steps": 0.22, "generated tokens": 0.0, "seconds": -0.22}[time.axis]
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


# ---------------------------------------------------------------- accuracy


def accuracy_curves(measures: Measures, prefix: str = "") -> Picture:
    """Accuracy against steps, generated tokens and seconds: raw seeds faint, their mean bold, its interval a band."""
    panel, styles = measures.panel, panel_looks(measures)
    labels = {"steps": "step", "generated tokens": "generated tokens", "seconds": "seconds (wall)"}
    rows = []
    for series in panel.series:
        for name, metric in AXES.items():
            for run in series.runs:
                for index, (x, y) in enumerate(zip(*run.evaluated_cost(metric, panel.main), strict=True)):
                    seed = run.place.seed
                    rows.append({"arm": series.label, "axis": name, "seed": seed, "evaluation": index, "x": x})
                    rows[-1]["accuracy"] = y
    data = pd.DataFrame(rows)
    # Bands over two or three seeds can be so wide that they would flatten the curves: they may leave the picture.
    drawn = [*data["accuracy"], *_heights(measures)]
    margin = 0.08 * (max(drawn) - min(drawn)) + 0.01
    limits = (max(0.0, min(drawn) - margin), min(1.0, max(drawn) + margin))

    def draw(narrow: bool) -> Figure:
        figure, axes = canvas(3, narrow, height=2.35 if narrow else 2.75)
        for axis, name in zip(axes, AXES, strict=True):
            _reference_lines(axis, measures)
            for series in panel.series:
                part = data[(data["arm"] == series.label) & (data["axis"] == name)]
                _curve(axis, part, styles[series.label])
            axis.set_ylim(*limits)
            axis.set_xlabel(labels[name])
            thousands(axis.xaxis)
            percent_axis(axis.yaxis)
            if narrow or axis is axes[0]:
                axis.set_ylabel("accuracy, %")
            else:
                axis.sharey(axes[0])
                axis.tick_params(labelleft=False)
        lines, names = handles(measures)
        shared_legend(figure, lines, names, narrow)
        return figure

    ends = ", ".join(f"{f.series.label} {number(100 * f.accuracy.value)} %" for f in measures.finals)
    return Picture(
        f"{prefix}accuracy",
        "Accuracy against steps, generated tokens and seconds",
        "Thin lines are single seeds, unsmoothed; bold lines their mean, bands its 95 % t-interval over seeds. The "
        "dotted line is the start policy decoded greedily, the dash-dotted one the target. Tokens and seconds include "
        "what selection cost and leave evaluation out.",
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


def _curve(axis: Axes, part: pd.DataFrame, look: Look) -> None:
    for _, one in part.groupby("seed"):
        axis.plot(one["x"], one["accuracy"], color=look.color, linewidth=0.7, alpha=0.35)
    mean_x, middle, low, high = [], [], [], []
    for _, at in part.groupby("evaluation"):
        interval = share_interval(at["accuracy"])
        mean_x.append(float(at["x"].mean()))
        middle.append(interval.value)
        low.append(interval.low)
        high.append(interval.high)
    axis.fill_between(mean_x, low, high, color=look.color, alpha=0.09, linewidth=0)
    axis.plot(mean_x, middle, marker=look.marker, **look.line())


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
        styles = looks(list(lines))
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
        axis.set(xlabel=path, ylabel="final accuracy, %")
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
    quantities = {"generated_tokens": "generated tokens", "flops": "FLOPs", "seconds": "seconds"}
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
