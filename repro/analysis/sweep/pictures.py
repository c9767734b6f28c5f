"""The figures of a sweep: history, slices, importance, contour, Pareto front and timeline."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from matplotlib.tri import Triangulation
from numpy.typing import NDArray

from repro.analysis.pictures import Picture
from repro.analysis.style import BASELINE, GREY, PALETTE, canvas, percent_axis, shared_legend, thousands
from repro.analysis.sweep.search import Search
from repro.analysis.text import amount, number
from repro.spec.sweep_spec import Choice
from repro.tracking.trials import StoredTrial

NAMES = {
    "validation_accuracy": "validation accuracy, %",
    "validation_accuracy_auc": "mean validation\naccuracy, %",
    "generated_tokens": "generated tokens",
}
"""Metric -> the words for its axis."""

STATES = {"complete": PALETTE[0], "pruned": PALETTE[4], "fail": PALETTE[1]}


def pictures(searches: Sequence[Search]) -> list[Picture]:
    """The figures of each search, those that its trials allow."""
    made: list[Picture] = []
    for search in searches:
        prefix = f"{search.slug}_" if len(searches) > 1 else ""
        drawn = [history, slices, importance, contour, pareto, timeline]
        made += [picture for draw in drawn if (picture := draw(search, prefix)) is not None]
    return made


def history(search: Search, prefix: str = "") -> Picture:
    """Each metric by trial, with the best so far."""
    trials = search.finished
    bests = {name: _best_so_far(search, name) for name, _ in search.sweep.objectives}

    def draw(narrow: bool) -> Figure:
        figure, axes = canvas(len(bests), narrow)
        for axis, (name, best) in zip(axes, bests.items(), strict=True):
            axis.plot([t.number for t in trials], [t.values[name] for t in trials], "o", color=PALETTE[0])
            axis.step([t.number for t in trials], best, where="post", color=BASELINE)
            axis.set(xlabel="trial", ylabel=NAMES[name])
            axis.xaxis.set_major_locator(MaxNLocator(integer=True))
            _metric_axis(axis.yaxis, name)
        handles = [Line2D([], [], color=PALETTE[0], marker="o", linestyle=""), Line2D([], [], color=BASELINE)]
        shared_legend(figure, handles, ["trial", "best so far"], narrow)
        return figure

    data = search.data()
    for name, best in bests.items():
        data[f"best_{name}"] = data["trial"].map(dict(zip([t.number for t in trials], best, strict=True)))
    counts = ", ".join(f"{sum(t.state == state for t in search.trials)} {state}" for state in STATES)
    told = ", ".join(f"best {_words(name)} {said(name, best[-1])}" for name, best in bests.items())
    return Picture(
        f"{prefix}sweep.history",
        _title(search, "sweep, trial by trial"),
        f"Mean over seeds of each finished trial ({counts}). The line is the best so far.",
        f"{len(trials)} finished trials: {told}.",
        data,
        draw,
    )


def slices(search: Search, prefix: str = "") -> Picture:
    """The first metric by each field alone."""
    name, fields, trials = search.sweep.objectives[0][0], list(search.sweep.space), search.finished

    def draw(narrow: bool) -> Figure:
        figure, axes = canvas(len(fields), narrow, columns=min(len(fields), 3))
        for axis, path in zip(axes, fields, strict=True):
            values = [t.values[name] for t in trials]
            axis.plot(_places(search, path, trials), values, "o", color=PALETTE[0], alpha=0.7)
            _field_axis(axis, search, path, "x")
            axis.set_ylabel(NAMES[name])
            _metric_axis(axis.yaxis, name)
        return figure

    return Picture(
        f"{prefix}sweep.slice",
        _title(search, "sweep, by each field"),
        "Each point is a finished trial; the other fields differ too.",
        f"{_words(name)} of {len(trials)} trials by {_listed(fields)}.",
        search.data(trials),
        draw,
    )


def importance(search: Search, prefix: str = "") -> Picture | None:
    """Share of the variance that each field explains; None below enough trials."""
    found = search.importance
    if not found:
        return None
    rows = [{"metric": m, "field": f, "share": s} for m, shares in found.items() for f, s in shares.items()]

    def draw(narrow: bool) -> Figure:
        longest = max(len(shares) for shares in found.values())
        figure, axes = canvas(len(found), narrow, height=0.9 + 0.28 * longest)
        for axis, (name, shares) in zip(axes, found.items(), strict=True):
            axis.barh(list(shares)[::-1], list(shares.values())[::-1], color=PALETTE[0])
            axis.set(xlabel=f"share of the variance of\n{_words(name)}, %", xlim=(0, 1))
            percent_axis(axis.xaxis)
        return figure

    told = "; ".join(
        f"{_words(m)}: " + ", ".join(f"{f} {number(100 * s, 0)} %" for f, s in shares.items())
        for m, shares in found.items()
    )
    return Picture(
        f"{prefix}sweep.importance",
        _title(search, "sweep, what mattered"),
        f"fANOVA over {len(search.finished)} finished trials; with few trials it is a hint at most.",
        f"Share of the variance explained. {told}.",
        pd.DataFrame(rows),
        draw,
    )


def contour(search: Search, prefix: str = "") -> Picture | None:
    """The first metric over two fields, the most important ones where that is known; None with one field."""
    name, trials = search.sweep.objectives[0][0], search.finished
    fields = list(search.importance.get(name, search.sweep.space))[:2]
    if len(fields) < 2:
        return None
    values = np.array([t.values[name] for t in trials])  # (trials,)
    scale = 1.0 if name == "generated_tokens" else 100.0

    def draw(narrow: bool) -> Figure:
        figure, (axis,) = canvas(1, narrow, height=3.2)
        xs, ys = (_places(search, path, trials) for path in fields)
        for path, way in zip(fields, "xy", strict=True):
            _field_axis(axis, search, path, way)
        shared = {"cmap": "cividis", "vmin": scale * values.min(), "vmax": scale * values.max()}
        flat = [np.log10(one) if _log(search, path) else one for one, path in zip((xs, ys), fields, strict=True)]
        mesh = _triangles(*flat)
        if mesh is not None and np.ptp(values) > 0:
            plane = Triangulation(xs, ys, mesh)
            axis.tricontourf(plane, scale * values, levels=8, alpha=0.6, **shared)
        points = axis.scatter(xs, ys, c=scale * values, edgecolors=BASELINE, linewidths=0.6, clip_on=False, **shared)
        figure.colorbar(points, ax=axis, label=NAMES[name])
        return figure

    return Picture(
        f"{prefix}sweep.contour",
        _title(search, "sweep, over two fields"),
        "Each point is a finished trial; colours between points are interpolated, and the other fields differ too.",
        f"{_words(name)} of {len(trials)} trials over {_listed(fields)}.",
        search.data(trials),
        draw,
    )


def pareto(search: Search, prefix: str = "") -> Picture | None:
    """The two metrics against each other, with the trials that no other beats in both; None with one metric."""
    if len(search.sweep.objectives) < 2:
        return None
    (first, _), (second, _) = search.sweep.objectives
    front = sorted(search.front, key=lambda t: t.values[second])
    numbers = {t.number for t in front}

    def draw(narrow: bool) -> Figure:
        figure, (axis,) = canvas(1, narrow, height=3.0)
        others = [t for t in search.finished if t.number not in numbers]
        axis.plot([t.values[second] for t in others], [t.values[first] for t in others], "o", color=GREY, alpha=0.6)
        axis.plot([t.values[second] for t in front], [t.values[first] for t in front], "-s", color=PALETTE[1])
        axis.set(xlabel=NAMES[second], ylabel=NAMES[first])
        _metric_axis(axis.xaxis, second)
        _metric_axis(axis.yaxis, first)
        handles = [
            Line2D([], [], color=PALETTE[1], marker="s"),
            Line2D([], [], color=GREY, marker="o", linestyle="", alpha=0.6),
        ]
        shared_legend(figure, handles, ["no trial is better in both", "other trials"], narrow)
        return figure

    metrics = (first, second)
    told = ", ".join(f"trial {t.number} ({', '.join(said(m, t.values[m]) for m in metrics)})" for t in front)
    data = search.data(search.finished)
    data["front"] = data["trial"].isin(numbers)
    return Picture(
        f"{prefix}sweep.pareto",
        _title(search, "sweep, both metrics"),
        "Means over seeds. A trial on the line is beaten in both metrics by none.",
        f"{len(front)} of {len(search.finished)} trials are beaten in both metrics by none: {told}.",
        data,
        draw,
    )


def timeline(search: Search, prefix: str = "") -> Picture | None:
    """When each trial began and ended; None where the store does not say."""
    known = [(t, t.times) for t in search.trials if t.times is not None]
    if not known:
        return None
    zero = min(times[0] for _, times in known)
    longest = max(times[1] for _, times in known) - zero
    unit, seconds = ("minutes", 60.0) if longest < 2 * 3600 else ("hours", 3600.0)

    def draw(narrow: bool) -> Figure:
        figure, (axis,) = canvas(1, narrow, height=min(1.2 + 0.13 * len(known), 6.0))
        for trial, (start, end) in known:
            width = max(end - start, 0.002 * longest) / seconds
            axis.barh(trial.number, width, left=(start - zero) / seconds, color=STATES.get(trial.state, GREY))
        axis.set(xlabel=f"{unit} since the first trial", ylabel="trial")
        numbers = [trial.number for trial, _ in known]
        axis.set_ylim(max(numbers) + 0.6, min(numbers) - 0.6)
        axis.yaxis.set_major_locator(MaxNLocator("auto", integer=True))
        shown = [state for state in STATES if any(t.state == state for t, _ in known)]
        shared_legend(figure, [Line2D([], [], color=STATES[s], linewidth=5) for s in shown], shown, narrow)
        return figure

    rows = [{"trial": t.number, "state": t.state, "began": a - zero, "ended": b - zero} for t, (a, b) in known]
    return Picture(
        f"{prefix}sweep.timeline",
        _title(search, "sweep, when trials ran"),
        "Trials of one batch begin together. A trial that was interrupted counts from when it first began.",
        f"{len(known)} trials in {number(longest / seconds, 1)} {unit}.",
        pd.DataFrame(rows),
        draw,
    )


# ---------------------------------------------------------------- axes and words


def _best_so_far(search: Search, name: str) -> list[float]:
    best = np.maximum if (name, "maximize") in search.sweep.objectives else np.minimum
    return [float(value) for value in best.accumulate([trial.values[name] for trial in search.finished])]


def _metric_axis(axis: object, name: str) -> None:
    thousands(axis) if name == "generated_tokens" else percent_axis(axis)


def _log(search: Search, path: str) -> bool:
    return bool(getattr(search.sweep.space[path], "log", False))


def _places(search: Search, path: str, trials: Sequence[StoredTrial]) -> NDArray[np.float64]:
    """Where the trials' values of a field are drawn: choices at equal distances."""
    values = search.sweep.space[path]
    if isinstance(values, Choice):
        return np.array([values.choice.index(trial.params[path]) for trial in trials], float)
    return np.array([trial.params[path] for trial in trials], float)


def _field_axis(axis: Axes, search: Search, path: str, way: str) -> None:
    values = search.sweep.space[path]
    getattr(axis, f"set_{way}label")(path)
    if isinstance(values, Choice):
        getattr(axis, f"set_{way}ticks")(range(len(values.choice)), [str(value) for value in values.choice])
        getattr(axis, f"set_{way}lim")(-0.5, len(values.choice) - 0.5)
    elif _log(search, path):
        getattr(axis, f"set_{way}scale")("log")
        ticks = getattr(axis, f"{way}axis")
        ticks.set_major_locator(LogLocator(numticks=5))
        ticks.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        ticks.set_minor_formatter(NullFormatter())


def _triangles(xs: NDArray[np.float64], ys: NDArray[np.float64]) -> NDArray[np.int_] | None:
    """Triangles between points, None where there is no area between them."""
    places = np.unique(np.stack([xs, ys], axis=1), axis=0)
    if len(places) < 4 or np.linalg.matrix_rank(places - places[0], tol=1e-9) < 2:
        return None
    try:
        return np.asarray(Triangulation(xs, ys).triangles)
    except (RuntimeError, ValueError):
        return None


def _title(search: Search, what: str) -> str:
    return f"{search.title}: {what}"


def _words(name: str) -> str:
    return NAMES[name].removesuffix(", %").replace("\n", " ")


def said(name: str, value: float) -> str:
    """A value of a metric with its unit."""
    return f"{amount(value)} tokens" if name == "generated_tokens" else f"{number(100 * value)} %"


def _listed(fields: Sequence[str]) -> str:
    return ", ".join(fields[:-1]) + " and " + fields[-1] if len(fields) > 1 else fields[0]
