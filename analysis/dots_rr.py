"""DOTS + rollout replay (arXiv 2506.05316): its tables and figures from our runs, beside the published ones."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.figures import panel_looks
from analysis.groups import WINDOW
from analysis.measures import Measures
from analysis.pictures import Picture
from analysis.published import published_curves, published_table
from analysis.runs import SPEND, Series
from analysis.style import canvas, percent_axis, shared_legend
from analysis.tables import Table
from analysis.text import NOTHING, number
from analysis.times import Bounds

PAPER_ROLLOUT_SHARES = (0.46, 0.54)
"""Rollouts' share of a GRPO step's time in the paper."""

PAPER_VOLUME = 0.75
"""Rollout volume against GRPO in the paper: delta + K / (mu B) = 0.5 + 256 / (2 x 512)."""


def rollout_volume(series: Series) -> float:
    """Completions per step against plain GRPO: delta + K / (mu B), K scaled where a reference has other samples than G.

    `series.cell` must be an arm with online difficulty or replay; 1 for plain GRPO.
    """
    train, selection = series.cell["train"], series.selection
    volume = float(series.replay["fresh"]) if series.replay else 1.0
    if selection["method"] == "difficulty":
        samples = selection.get("samples") or train["group_size"]
        references = selection["references"] * samples / train["group_size"]
        volume += references / (selection["every"] * train["questions_per_step"])
    return volume


def rollout_share(measures: Measures, series: Series) -> float:
    """Share of the wall time of a series' training that is spent on rollouts; NaN without a ledger."""
    total = sum(measures.cost(series.label, phase, "seconds") for phase in SPEND)
    return measures.cost(series.label, "rollout", "seconds") / total if total else math.nan


def table_1(panels: Sequence[Measures]) -> list[Table | Picture]:
    """Steps, time per step and total time saved, with what the cost model predicts, above the published rows."""
    header = ["model, data", "arm", "steps saved, %", "time per step saved, %", "total time saved, %"]
    header += ["cost model: time per step saved, %"]
    rows, data = [], []
    for measures in panels:
        for series in measures.panel.series:
            reference = measures.panel.baseline_of(series)
            if reference is None or not (series.replay or series.selection["method"] == "difficulty"):
                continue
            steps = _saved(measures, series, "steps")
            total = _saved(measures, series, "seconds")
            per_step = 1 - _seconds_per_step(series) / _seconds_per_step(reference)
            predicted = rollout_share(measures, reference) * (1 - rollout_volume(series))
            rows.append([measures.panel.title, f"`{series.label}`", _percent(steps), number(100 * per_step)])
            rows[-1] += [_percent(total), number(100 * predicted)]
            data.append(_record("ours", measures.panel.title, series.label, steps, per_step, total, predicted))
    ours = len(rows)
    for (model, dataset), part in published_table("dots_rr", "table_1").groupby(["model", "dataset"], sort=False):
        value = dict(zip(part["metric"], part["value"] / 100, strict=True))
        steps, per_step = value["steps_saved_percent"], value["time_per_step_saved_percent"]
        total = value["total_time_saved_percent"]
        low, high = ((1 - PAPER_VOLUME) * share for share in PAPER_ROLLOUT_SHARES)
        cells = [number(100 * v) for v in (steps, per_step, total)]
        rows.append(
            [f"{model}, {dataset} (published)", "DOTS+RR", *cells, f"{number(100 * low)} to {number(100 * high)}"]
        )
        exact = [Bounds(v, v) for v in (steps, total)]
        name = f"{model}, {dataset}"
        data.append(_record("published", name, "DOTS+RR", exact[0], per_step, exact[1], (low + high) / 2))
    caption = (
        "Saved against the baseline to reach the target; negative means more was needed. Steps and total time are from "
        "the ratio of medians over seeds, time per step from whole runs. Cost model: rollouts' share of the baseline's "
        "time × (1 − volume), volume = δ + K / (μ B); for the published rows 0.75 and a share of 46 to 54 %. The "
        "published models and data differ from ours: compare signs and the cost model, not sizes."
    )
    title = "DOTS + RR, Table 1: what was saved"
    emphasis = frozenset(range(ours))
    return [Table("dots_rr.table_1", title, header, rows, pd.DataFrame(data), caption, 2, emphasis)]


def _saved(measures: Measures, series: Series, axis: str) -> Bounds:
    """1 - 1 / speedup, as the range that censored runs allow."""
    speedup = measures.time(series.label, axis).speedup
    assert speedup is not None
    low = 1 - 1 / speedup.point.low if speedup.point.low > 0 else -math.inf
    high = 1 - 1 / speedup.point.high if speedup.point.high > 0 else -math.inf
    return Bounds(low, high)


def _percent(saved: Bounds) -> str:
    if saved.exact:
        return number(100 * saved.low)
    if math.isinf(saved.low):
        return NOTHING if saved.high >= 1 else f"< {number(100 * saved.high)}"
    return (
        f"> {number(100 * saved.low)}"
        if saved.high >= 1
        else f"{number(100 * saved.low)} to {number(100 * saved.high)}"
    )


def _seconds_per_step(series: Series) -> float:
    each = []
    for run in series.runs:
        seconds = run.metric("cost/seconds")
        each.append(float(seconds.iloc[-1]) / float(seconds.index[-1]))
    return float(np.mean(each))


def _record(
    source: str, panel: str, arm: str, steps: Bounds, per_step: float, total: Bounds, predicted: float
) -> dict[str, object]:
    return {
        "source": source,
        "model_data": panel,
        "arm": arm,
        "steps_saved_from": steps.low,
        "steps_saved_to": steps.high,
        "time_per_step_saved": per_step,
        "total_time_saved_from": total.low,
        "total_time_saved_to": total.high,
        "cost_model_time_per_step_saved": predicted,
    }


def figure_4(panels: Sequence[Measures]) -> list[Table | Picture]:
    """Share of groups with a gradient by step, ours beside the six published settings (dashed)."""
    published = published_curves("dots_rr", "figure_4")
    out: list[Table | Picture] = []
    for position, measures in enumerate(panels):
        chosen = [
            series
            for series in measures.panel.series
            if series in measures.panel.references or series.selection["method"] == "difficulty"
        ]
        out.append(_effective(measures, chosen, published, position, len(panels)))
    return out


def _effective(
    measures: Measures, chosen: Sequence[Series], published: pd.DataFrame, position: int, panels: int
) -> Picture:
    styles = panel_looks(measures)
    frames = {series.label: 1 - measures.step_metric(series, "train/zero_variance") for series in chosen}
    rows = [
        {"source": "ours", "arm": label, "seed": seed, "step": step, "effective_ratio": value}
        for label, frame in frames.items()
        for seed in frame
        for step, value in frame[seed].dropna().items()
    ]
    theirs = published.rename(columns={"x": "step", "y": "effective_ratio"})
    theirs = theirs[["model", "dataset", "arm", "step", "effective_ratio"]].assign(source="published")
    looks = {"GRPO": ("#000000", "GRPO (published)"), "DOTS": ("#009E73", "DOTS (published)")}

    def draw(narrow: bool) -> Figure:
        figure, axes = canvas(2, narrow, height=2.7)
        for label, frame in frames.items():
            look = styles[label]
            for seed in frame:
                axes[0].plot(frame.index, frame[seed], color=look.color, linewidth=0.6, alpha=0.22)
            smooth = frame.mean(axis=1).rolling(WINDOW, center=True, min_periods=1).mean()
            axes[0].plot(smooth.index, smooth, marker=look.marker, markevery=max(1, len(smooth) // 8), **look.line())
        axes[0].set_title(measures.panel.title)
        for (_, _, arm), one in published.groupby(["model", "dataset", "arm"]):
            axes[1].plot(one["x"], one["y"], color=looks[arm][0], linewidth=0.6, alpha=0.3, linestyle="--")
        for arm, one in published.groupby("arm"):
            mean = one.groupby("x")["y"].mean()
            axes[1].plot(mean.index, mean, color=looks[arm][0], linewidth=1.8, linestyle="--")
        axes[1].set_title("Published: six settings")
        for axis in axes:
            axis.set(ylim=(0, 1), xlabel="step")
            percent_axis(axis.yaxis)
        axes[0].set_ylabel("groups with gradient, %")
        lines = [Line2D([], [], marker=styles[label].marker, **styles[label].line()) for label in frames]
        lines += [Line2D([], [], color=color, linestyle="--") for color, _ in looks.values()]
        shared_legend(figure, lines, [*frames, *(name for _, name in looks.values())], narrow)
        return figure

    means = ", ".join(f"{label} {number(100 * float(np.nanmean(frame)))} %" for label, frame in frames.items())
    paper = published_table("dots_rr", "figure_4").groupby("arm")["value"].mean()
    return Picture(
        "dots_rr.figure_4" + (f"_{position + 1}" if panels > 1 else ""),
        "DOTS + RR, Figure 4: share of questions with a gradient",
        f"First: ours, thin lines seeds, bold their mean over {WINDOW} steps ({means} on average). Second: the "
        f"published curves, thin the six settings, bold their mean (GRPO {number(100 * paper['GRPO'])} %, DOTS "
        f"{number(100 * paper['DOTS'])} %). A share has one scale in every setting, but policies, data and group size "
        "differ.",
        f"Share of groups with a gradient by step: {means}; beside it the published curves of GRPO and DOTS.",
        pd.concat([pd.DataFrame(rows), theirs], ignore_index=True),
        draw,
    )
