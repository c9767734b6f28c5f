"""What was selected: groups with and without gradient, difficulty, pass rates, predictions, and the pool."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from repro.analysis.axes import STEP
from repro.analysis.measures import Measures
from repro.analysis.page.difficulty import difficulty
from repro.analysis.page.groups import (
    FAINT,
    Fresh,
    fresh_questions,
    outcomes,
    seeds_of,
    zero_variance_curves,
)
from repro.analysis.page.lit import faint_lines, handles, lit, panel_looks
from repro.analysis.page.rates import rates
from repro.analysis.pictures import Picture
from repro.analysis.statistics import t_interval
from repro.analysis.style import GREY, LEVEL, REST, Look, canvas, percent_axis, shared_legend, thousands
from repro.analysis.text import number
from repro.numbers import pearson
from repro.tracking.series import SELECT_PEARSON
from repro.words import plural


def pictures(measures: Measures, prefix: str = "") -> list[Picture]:
    """Those of this room for which the store has data."""
    fresh = {series.label: fresh_questions(series) for series in measures.panel.series}
    made: list[Picture | None] = [
        zero_variance_curves(measures, prefix),
        outcomes(measures, fresh, prefix),
        difficulty(measures, fresh, prefix),
        rates(measures, fresh, prefix),
        predictor(measures, fresh, prefix),
        pool(measures, prefix),
    ]
    return [picture for picture in made if picture is not None]


# ---------------------------------------------------------------- predictions


def predictor(measures: Measures, fresh: dict[str, Fresh], prefix: str = "") -> Picture | None:
    """Predicted against measured pass rate, and the predictor's correlation on uniformly drawn references."""
    known = {label: q for label, q in fresh.items() if len(q.predicted) and not np.isnan(q.predicted).all()}
    if not known:
        return None
    styles, rows = panel_looks(measures), []
    for label, q in known.items():
        good = ~np.isnan(q.predicted)
        edges = np.unique(np.quantile(q.predicted[good], np.linspace(0, 1, 9)))
        which = np.clip(np.searchsorted(edges, q.predicted, side="right") - 1, 0, max(0, len(edges) - 2))
        for index in range(max(1, len(edges) - 1)):
            inside = good & (which == index)
            if inside.sum() >= 5:
                interval = t_interval(q.rate[inside])
                rows.append(
                    {"arm": label, "questions": int(inside.sum()), "predicted": float(q.predicted[inside].mean())}
                )
                rows[-1] |= {"measured": interval.value, "low": interval.low, "high": interval.high}
    # Named columns: in a short run no bin may hold enough questions.
    data = pd.DataFrame(rows, columns=["arm", "questions", "predicted", "measured", "low", "high"])
    references = {label: measures.step_metric(measures.panel.get(label), SELECT_PEARSON) for label in known}
    references = {label: frame for label, frame in references.items() if not frame.empty}
    by_step = [
        {"arm": label, "step": step, "correlation": seeds.mean(), "seeds": int(seeds.notna().sum())}
        for label, frame in references.items()
        for step, seeds in frame.iterrows()
        if seeds.notna().any()
    ]

    bright = [label for label in lit(measures) if label in known] or list(known)[:1]

    def draw(narrow: bool) -> Figure:
        figure, axes = canvas(2 if references else 1, narrow, height=2.5, columns=2)
        axes[0].plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=LEVEL)
        for label in known:
            _calibration(axes[0], data[data["arm"] == label], styles[label] if label in bright else None)
        axes[0].set(xlim=(0, 1), ylim=(0, 1), xlabel="predicted pass rate", ylabel="measured pass rate")
        axes[0].set_title("On the questions it chose")
        if references:
            for label, frame in references.items():
                look, mean = styles[label], frame.mean(axis=1)
                if label not in bright:
                    axes[1].plot(mean.index, mean, color=REST, linewidth=0.9, zorder=1)
                    continue
                if len(bright) <= FAINT:
                    faint_lines(axes[1], seeds_of(frame), look, 0.6, 0.25)
                axes[1].plot(mean.index, mean, **look.line())
            axes[1].axhline(0, color=GREY, linewidth=0.8)
            axes[1].set(xlabel=STEP, ylabel="Pearson's r", ylim=(min(-0.1, axes[1].get_ylim()[0]), 1))
            thousands(axes[1].xaxis, whole=True)
            axes[1].set_title("On uniform references")
        shared_legend(figure, *handles(measures, bright, len(known) - len(bright)), narrow)
        return figure

    said = ", ".join(f"{label} r = {number(_pearson(q), 2)}" for label, q in known.items())
    return Picture(
        f"{prefix}predictor",
        "Predicted against measured pass rate",
        "Chosen questions in eight groups by prediction, with 95 % t-intervals over questions, and the correlation on "
        "references, drawn uniformly, before they are used.",
        f"Calibration of the difficulty predictor on chosen questions ({said}), and its correlation on references by "
        "step.",
        pd.concat([data, pd.DataFrame(by_step)]) if by_step else data,
        draw,
    )


def _pearson(fresh: Fresh) -> float:
    """Predicted against measured pass rate of fresh groups; NaN for fewer than three of them."""
    both = ~(np.isnan(fresh.predicted) | np.isnan(fresh.rate))
    return pearson(fresh.predicted[both], fresh.rate[both]) if both.sum() > 2 else math.nan


def _calibration(axis: Axes, part: pd.DataFrame, look: Look | None) -> None:
    """One arm, grey where it has no look."""
    if look is None:
        axis.plot(part["predicted"], part["measured"], color=REST, linewidth=0.9, zorder=1)
        return
    axis.vlines(part["predicted"], part["low"], part["high"], color=look.color, linewidth=1, alpha=0.7)
    axis.plot(part["predicted"], part["measured"], marker=look.marker, **look.line())


# ---------------------------------------------------------------- the pool


def pool(measures: Measures, prefix: str = "") -> Picture | None:
    """Pass rates of the start policy over the pool, and over what offline selections kept of it."""
    found = None
    for series in measures.panel.series:
        for run in series.runs:
            found = found or run.json("base.json").get("pool")
    if not found or not found.get("pass_rates"):
        return None
    rates, samples = found["pass_rates"], int(found["samples"])
    edges = (np.arange(samples + 2) - 0.5) / samples
    centres = np.arange(samples + 1) / samples
    kept: dict[str, np.ndarray] = {}
    for series in measures.panel.series:
        chosen = [run.json("selection.json").get("kept") or [] for run in series.runs]
        if any(chosen) and max(map(len, chosen)) < len(rates):
            values = np.array([rates[q] for ids in chosen for q in ids if q in rates])
            kept[series.label] = np.histogram(values, edges)[0] / max(1, len(values))
    whole = np.histogram(np.array(list(rates.values())), edges)
    share = whole[0] / len(rates)
    rows = [{"of": "pool", "pass_rate": c, "share": s} for c, s in zip(centres, share, strict=True)]
    for label, values in kept.items():
        rows += [{"of": label, "pass_rate": c, "share": s} for c, s in zip(centres, values, strict=True)]
    styles = panel_looks(measures)
    bright = [label for label in lit(measures) if label in kept]

    def draw(narrow: bool) -> Figure:
        figure, (axis,) = canvas(1, narrow, height=2.4)
        axis.bar(centres, share, 0.8 / samples, color="#C9CED6", edgecolor="#6B7280", linewidth=0.6)
        for label, values in kept.items():
            if label in bright:
                axis.plot(centres, values, marker=styles[label].marker, **styles[label].line())
            else:
                axis.plot(centres, values, color=REST, linewidth=0.9, zorder=1)
        percent_axis(axis.yaxis)
        axis.set(xlabel=f"pass rate of the start policy ({samples} samples)", ylabel="questions, %")
        every = centres[:: 2 if narrow and samples % 2 == 0 else 1]
        axis.set_xticks(every if samples <= 8 and len(every) <= 9 else np.linspace(0, 1, 6))
        axis.xaxis.set_major_formatter(lambda value, _: f"{value:.3g}")
        axis.grid(axis="x", visible=False)
        entries: list[Artist] = [Patch(facecolor="#C9CED6", edgecolor="#6B7280", linewidth=0.6)]
        lines, names = handles(measures, bright, len(kept) - len(bright))
        shared_legend(figure, [*entries, *lines], ["whole pool", *(f"kept by {name}" for name in names)], narrow)
        return figure

    mixed = float(np.mean([0 < rate < 1 for rate in rates.values()]))
    return Picture(
        f"{prefix}pool",
        "The pool under the start policy",
        f"The {plural(len(rates), 'training question')} by pass rate before training; lines are what an offline "
        "selection kept, seeds pooled.",
        f"Histogram of base pass rates over the pool; {number(100 * mixed)} % of questions lie strictly between 0 and "
        "1.",
        pd.DataFrame(rows),
        draw,
    )
