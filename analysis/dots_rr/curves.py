"""The drawing core of DOTS + RR's curve figures: our arms panel by panel, the published curves dashed beside them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from analysis.axes import CLOCK_NAMES
from analysis.dots_rr.arms import Arm, find, part_looks
from analysis.measures import Measures
from analysis.pictures import Picture
from analysis.published import published_curves
from analysis.run import Run
from analysis.runs import Panel, Series
from analysis.style import NARROW, WIDE, Look, percent_axis, shared_legend, thousands
from analysis.text import joined, number
from repro.tracking.series import cost_of

Points = tuple[NDArray[np.float64], NDArray[np.float64]]
"""x and y of one run."""

SCALES = (
    "Their policies, data and evaluation are others, so each panel has a scale of its own: compare the order and the "
    "distance of curves inside a panel, not heights between panels."
)
ONE_SCALE = "A share has one scale everywhere, but their policies, data and group size are others."


@dataclass(frozen=True)
class Measured:
    """What is drawn of a run: `points(run, series, panel)`, with the words for both axes.

    `x_of` names the x axis of a panel (its clock may differ); `window` smooths the bold line over so many points;
    `limits` of y hold for all panels where heights may be compared between them.
    """

    x: str
    y: str
    points: Callable[[Run, Series, Panel], Points]
    x_of: Callable[[Panel], str]
    window: int = 1
    limits: tuple[float, float] | None = None

    @property
    def accuracy(self) -> bool:
        """Whether y is the accuracy of the main series."""
        return self.y == "accuracy"


def by_step() -> Measured:
    """Accuracy at each evaluation, by step."""
    return Measured("step", "accuracy", lambda run, _, panel: run.evaluated_cost("step", panel.main), lambda _: "step")


def by_time() -> Measured:
    """Accuracy at each evaluation, by the seconds spent on selection and training (by the report's clock)."""

    def points(run: Run, series: Series, panel: Panel) -> Points:
        return run.evaluated_cost(cost_of(series.clock), panel.main)

    def named(panel: Panel) -> str:
        return CLOCK_NAMES[panel.clock]

    return Measured("seconds", "accuracy", points, named)


@dataclass(frozen=True)
class Facets:
    """What one picture shows. `lines`: legend entry -> our arm; `published`: their name of an arm -> legend entry.

    `subjects` are the entries that it is about: a panel of ours without any of them is left out (default: all), and one
    on which fewer than `least` entries ran.
    """

    item: str
    title: str
    said: str
    measured: Measured
    panels: Sequence[Measures]
    lines: Mapping[str, Arm | None]
    published: Mapping[str, str]
    subjects: Sequence[str] = ()
    least: int = 2


def picture(facets: Facets) -> Picture | None:
    """The panels in which enough of our arms ran, above the published ones; None without any such panel.

    A figure for which nothing is published (`published` is empty) shows ours alone.
    """
    ours = _ours(facets)
    ran = {title: set(part["arm"]) for title, part in ours.groupby("panel")}
    about = set(facets.subjects or facets.lines)
    shown = [m for m in facets.panels if len(found := ran.get(m.panel.title, set())) >= facets.least and found & about]
    if not shown:
        return None
    titles = [measures.panel.title for measures in shown]
    ours = ours[ours["panel"].isin(titles)]
    theirs = _published(facets)
    names = [name for name in facets.lines if name in set(ours["arm"]) | set(theirs["arm"])]
    styles = part_looks(names)
    main = shown[0].panel.main_series
    whose = f"Ours, {main.title}" if main.said and facets.measured.accuracy else "Ours"
    grids = [_Grid(whose, ours, [(m.panel.model, m.panel.dataset, facets.measured.x_of(m.panel)) for m in shown])]
    if len(theirs):
        x_name = str(theirs["x_name"].iloc[0])
        pairs = theirs[["model", "dataset"]].drop_duplicates()
        places = [(m, d, x_name) for m, d in zip(pairs["model"], pairs["dataset"], strict=True)]
        grids.append(_Grid("Published (dashed)", theirs, places, dashed=True))

    def draw(narrow: bool) -> Figure:
        return _draw(grids, names, styles, facets.measured, narrow)

    data = pd.concat([ours.assign(source="ours"), theirs.assign(source="published")], ignore_index=True)
    columns = ["source", "panel", "model", "dataset", "arm", "label", "seed", "x_name", "x", facets.measured.y]
    return Picture(
        f"dots_rr.{facets.item}",
        f"DOTS + RR, {facets.title}",
        _caption(facets, shown, ours, len(grids) > 1),
        _alt(facets, ours, theirs),
        data.rename(columns={"y": facets.measured.y}).reindex(columns=columns),
        draw,
    )


# ---------------------------------------------------------------- numbers


def _ours(facets: Facets) -> pd.DataFrame:
    """One row per point: panel, model, dataset, arm (legend entry), label, seed, index, x, y."""
    rows: list[dict[str, Any]] = []
    for measures in facets.panels:
        panel = measures.panel
        for name, arm in facets.lines.items():
            series = find(measures, arm)
            for run in series.runs if series is not None else ():
                assert series is not None
                for index, (x, y) in enumerate(zip(*facets.measured.points(run, series, panel), strict=True)):
                    rows.append({"panel": panel.title, "model": panel.model, "dataset": panel.dataset, "arm": name})
                    rows[-1] |= {"label": series.label, "seed": run.place.seed, "index": index, "x": x, "y": y}
                    rows[-1]["x_name"] = facets.measured.x_of(panel)
    columns = ["panel", "model", "dataset", "arm", "label", "seed", "index", "x_name", "x", "y"]
    return pd.DataFrame(rows, columns=columns)


def _published(facets: Facets) -> pd.DataFrame:
    """The same of the published curves, accuracies as shares; empty where nothing is published."""
    if not facets.published:
        return pd.DataFrame(columns=["panel", "model", "dataset", "arm", "x_name", "x", "y"])
    found = published_curves("dots_rr", facets.item)
    found = found[found["arm"].isin(list(facets.published))]
    percent = found["y_name"].str.endswith("_percent")
    return found.assign(
        panel=found["model"] + ", " + found["dataset"],
        arm=found["arm"].map(dict(facets.published)),
        y=found["y"].where(~percent, found["y"] / 100),
    ).drop(columns=["paper", "figure", "y_name"])


def mean_curve(part: pd.DataFrame, window: int = 1) -> pd.DataFrame:
    """Mean x and y over the runs of one arm at each evaluation that all of them have, y smoothed where asked."""
    if "seed" not in part or part["seed"].isna().all():
        return part[["x", "y"]]
    by_index = part.groupby("index")
    whole = by_index["seed"].nunique() == part["seed"].nunique()
    mean = by_index[["x", "y"]].mean()[whole]
    if window > 1:
        mean["y"] = mean["y"].rolling(window, center=True, min_periods=1).mean()
    return mean


# ---------------------------------------------------------------- words


def _caption(facets: Facets, shown: Sequence[Measures], ours: pd.DataFrame, beside: bool) -> str:
    labels = ours.groupby("arm", sort=False)["label"].first()
    arms = joined([f"{name} is `{label}`" for name, label in labels.items()])
    seeds = ours.groupby(["panel", "arm"])["seed"].nunique()
    count = f"{seeds.min()}" if seeds.min() == seeds.max() else f"{seeds.min()} to {seeds.max()}"
    smooth = f", smoothed over {facets.measured.window} steps" if facets.measured.window > 1 else ""
    text = f"{facets.said} Ours: thin lines are single seeds ({count} per arm), unsmoothed; bold lines their mean"
    text += f"{smooth}. {arms}. "
    absent = len(facets.panels) - len(shown)
    text += "These arms did not run on our other models and datasets. " if absent else ""
    scales = SCALES if facets.measured.limits is None else ONE_SCALE
    return text + (f"Dashed: the published curves. {scales}" if beside else "The paper has no such comparison.")


def _alt(facets: Facets, ours: pd.DataFrame, theirs: pd.DataFrame) -> str:
    """Where the curves end, in words."""

    def ends(part: pd.DataFrame) -> str:
        last = {name: float(mean_curve(one)["y"].iloc[-1]) for name, one in part.groupby("arm", sort=False)}
        return ", ".join(f"{name} {number(100 * last[name])} %" for name in facets.lines if name in last)

    told = [f"{panel}: {ends(part)}" for panel, part in ours.groupby("panel", sort=False)]
    told += [f"{panel} (published): {ends(part)}" for panel, part in theirs.groupby("panel", sort=False)]
    return f"Curves of {facets.measured.y} by {facets.measured.x}, at their ends: {'; '.join(told)}."


# ---------------------------------------------------------------- drawing


@dataclass(frozen=True)
class _Grid:
    """Panels under one heading: `places` are (model, dataset, name of the x axis), `points` their curves."""

    heading: str
    points: pd.DataFrame
    places: Sequence[tuple[str, str, str]]
    dashed: bool = False

    def shape(self, narrow: bool) -> tuple[int, int]:
        """(rows, columns): a row per model where each ran on the same datasets, at most three columns (two narrow)."""
        columns = min(len(self.places), 2 if narrow else 2 if len(self.places) == 4 else 3)
        return -(-len(self.places) // columns), columns


def _draw(
    grids: Sequence[_Grid], names: Sequence[str], styles: Mapping[str, Look], measured: Measured, narrow: bool
) -> Figure:
    widths = [len(grid.places) for grid in grids]
    if narrow or sum(widths) > 3:
        heights = [(1.72 if narrow else 1.95) * grid.shape(narrow)[0] + 0.3 for grid in grids]
        figure = Figure(figsize=(NARROW if narrow else WIDE, sum(heights) + 0.4), layout="constrained")
        parts = figure.subfigures(len(grids), 1, height_ratios=heights, squeeze=False).ravel()
    else:  # few enough to stand side by side
        figure = Figure(figsize=(WIDE, 2.8), layout="constrained")
        parts = figure.subfigures(1, len(grids), width_ratios=widths, squeeze=False).ravel()
    for part, grid in zip(parts, grids, strict=True):
        _draw_grid(part, grid, names, styles, measured, narrow)
    entries = [Line2D([], [], color=styles[name].color, marker=styles[name].marker) for name in names]
    shared_legend(figure, entries, names, narrow)
    return figure


def _draw_grid(
    part: SubFigure, grid: _Grid, names: Sequence[str], styles: Mapping[str, Look], measured: Measured, narrow: bool
) -> None:
    rows, columns = grid.shape(narrow)
    axes = part.subplots(rows, columns, squeeze=False).ravel().tolist()
    for spare in axes[len(grid.places) :]:
        spare.set_axis_off()
    part.suptitle(grid.heading, fontsize=9, fontweight="bold", x=0.01, ha="left")
    for index, (axis, (model, dataset, x_name)) in enumerate(zip(axes, grid.places, strict=False)):
        here = grid.points[(grid.points["model"] == model) & (grid.points["dataset"] == dataset)]
        for name in names:
            _curve(axis, here[here["arm"] == name], styles[name], measured.window, grid.dashed)
        axis.set_title(f"{_short(model)}\n{dataset}", fontsize=8, fontweight="normal")
        percent_axis(axis.yaxis)
        axis.set_ylim(*(measured.limits or (None, None)))
        axis.yaxis.set_major_locator(MaxNLocator(5, min_n_ticks=3, steps=[1, 2, 4, 5, 10]))  # whole percents
        _few_ticks(axis, x_name)
        if index % columns == 0:
            axis.set_ylabel(f"{measured.y}, %")
        if index + columns >= len(grid.places):
            axis.set_xlabel(x_name)


def _curve(axis: Axes, part: pd.DataFrame, look: Look, window: int, dashed: bool) -> None:
    if part.empty:
        return
    if not dashed:
        for _, one in part.groupby("seed"):
            axis.plot(one["x"], one["y"], color=look.color, linewidth=0.6, alpha=0.35)
    mean = mean_curve(part, 1 if dashed else window)
    every = max(1, len(mean) // 6)
    style: dict[str, Any] = (
        {"linestyle": (0, (4, 1.4)), "linewidth": 1.3} if dashed else {"linestyle": "-", "linewidth": 1.7}
    )
    axis.plot(mean["x"], mean["y"], color=look.color, marker=look.marker, markevery=every, markersize=3.4, **style)


def _few_ticks(axis: Axes, x_name: str) -> None:
    if x_name == "hours":
        axis.locator_params(axis="x", nbins=4)
    else:
        thousands(axis.xaxis)


def _short(model: str) -> str:
    """The last part of a hub's name, and no longer than a panel is wide."""
    name = re.sub(r"^.*/", "", model)
    return name if len(name) <= 24 else f"{name[:23]}…"
