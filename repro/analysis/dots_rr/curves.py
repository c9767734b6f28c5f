"""The drawing core of DOTS + RR's curve figures: our arms panel by panel, the published curves dashed below them."""

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

from repro.analysis.axes import STEP, TOKENS
from repro.analysis.budgets import ends_said
from repro.analysis.dots_rr.arms import Arm, find, part_looks
from repro.analysis.lettering import fitted
from repro.analysis.measures import Measures
from repro.analysis.pictures import Picture
from repro.analysis.published import published_curves
from repro.analysis.run import Run
from repro.analysis.runs import Panel, Series
from repro.analysis.style import NARROW, REST, WIDE, Look, percent_axis, shared_legend, thousands, titled
from repro.analysis.text import number
from repro.tracking.series import GENERATED_TOKENS

Points = tuple[NDArray[np.float64], NDArray[np.float64]]
"""x and y of one run."""


@dataclass(frozen=True)
class Measured:
    """What is drawn of a run: `points(run, series, panel)`, with the words for both axes.

    `window` smooths the bold line over so many points; `limits` of y hold for all panels where heights may be compared
    between them.
    """

    x: str
    y: str
    points: Callable[[Run, Series, Panel], Points]
    window: int = 1
    limits: tuple[float, float] | None = None

    @property
    def accuracy(self) -> bool:
        """Whether y is the accuracy of the main series."""
        return self.y == "accuracy"


def by_tokens() -> Measured:
    """Accuracy at each evaluation, by generated tokens, those of selection among them."""

    def points(run: Run, _: Series, panel: Panel) -> Points:
        return run.evaluated_cost(GENERATED_TOKENS, panel.main)

    return Measured(TOKENS, "accuracy", points)


@dataclass(frozen=True)
class Facets:
    """What one picture shows. `lines`: legend entry -> our arm, five at most. `theirs`: what is published beside it, by
    the same entries (see `published`), under `heading`. `rest`: whether all other arms stand behind these in grey.

    A panel of ours on which fewer than `least` entries ran is left out.
    """

    item: str
    title: str
    caption: str
    measured: Measured
    panels: Sequence[Measures]
    lines: Mapping[str, Arm | None]
    theirs: pd.DataFrame
    heading: str = "Published"
    rest: bool = False
    least: int = 2


def picture(facets: Facets) -> Picture | None:
    """The panels in which enough of our arms ran, above the published ones; None without any such panel."""
    ours, theirs = _ours(facets), facets.theirs
    ran = {title: set(part["arm"]) & set(facets.lines) for title, part in ours.groupby("panel")}
    shown = [m for m in facets.panels if len(ran.get(m.panel.title, ())) >= facets.least]
    if not shown:
        return None
    ours = ours[ours["panel"].isin([measures.panel.title for measures in shown])]
    names = [name for name in facets.lines if name in set(ours["arm"]) | set(theirs["arm"])]
    styles = part_looks(names)
    main = shown[0].panel.main_series
    whose = f"Ours, {main.title}" if main.said and facets.measured.accuracy else "Ours"
    grids = [_Grid(whose, ours, [(m.panel.model, m.panel.dataset, facets.measured.x) for m in shown])]
    if len(theirs):
        x_name = str(theirs["x_name"].iloc[0])
        pairs = theirs[["model", "dataset"]].drop_duplicates()
        places = [(m, d, x_name) for m, d in zip(pairs["model"], pairs["dataset"], strict=True)]
        grids.append(_Grid(f"{facets.heading} (dashed)", theirs, places, dashed=True))

    def draw(narrow: bool) -> Figure:
        return _draw(grids, names, styles, facets.measured, narrow)

    drawn = [one for m in shown for one in m.panel.series if one.label in set(ours["label"])]
    ends = ours.groupby(["panel", "label"])["x"].max().groupby("panel")
    ending = ends_said(drawn, [list(part) for _, part in ends]) if facets.measured.x == TOKENS else ""
    data = pd.concat([ours.assign(source="ours"), theirs.assign(source="published")], ignore_index=True)
    columns = ["source", "panel", "model", "dataset", "arm", "label", "seed", "x_name", "x", facets.measured.y]
    return Picture(
        f"dots_rr.{facets.item}",
        f"DOTS + RR, {facets.title}",
        f"{facets.caption}{' ' * bool(ending)}{ending}",
        _alt(facets, ours, theirs),
        data.rename(columns={"y": facets.measured.y}).reindex(columns=columns),
        draw,
    )


# ---------------------------------------------------------------- numbers


def _ours(facets: Facets) -> pd.DataFrame:
    """One row per point: panel, model, dataset, arm (legend entry, else label), label, seed, index, x, y."""
    rows: list[dict[str, Any]] = []
    for measures in facets.panels:
        panel = measures.panel
        named = {one.label: name for name, arm in facets.lines.items() if (one := find(measures, arm)) is not None}
        for series in panel.series:
            for run in series.runs if facets.rest or series.label in named else ():
                for index, (x, y) in enumerate(zip(*facets.measured.points(run, series, panel), strict=True)):
                    rows.append({"panel": panel.title, "model": panel.model, "dataset": panel.dataset})
                    rows[-1] |= {"arm": named.get(series.label, series.label), "label": series.label}
                    rows[-1] |= {"seed": run.place.seed, "index": index, "x": x, "y": y}
                    rows[-1]["x_name"] = facets.measured.x
    columns = ["panel", "model", "dataset", "arm", "label", "seed", "index", "x_name", "x", "y"]
    return pd.DataFrame(rows, columns=columns)


def published(figures: Mapping[str, Mapping[str, str]]) -> pd.DataFrame:
    """Published curves as `_ours` has them, accuracies as shares. `figures`: figure -> their name of an arm -> entry.

    A curve that stands in several figures is taken from the first of them.
    """
    parts = []
    for figure, names in figures.items():
        found = published_curves("dots_rr", figure)
        found = found[found["arm"].isin(list(names))]
        percent = found["y_name"].str.endswith("_percent")
        parts.append(
            found.assign(
                panel=found["model"] + ", " + found["dataset"],
                arm=found["arm"].map(dict(names)),
                x_name=found["x_name"].replace("step", STEP),
                y=found["y"].where(~percent, found["y"] / 100),
            )
        )
    every = pd.concat(parts, ignore_index=True)
    first = every.groupby(["panel", "arm"], sort=False)["figure"].transform("first")
    return every[every["figure"] == first].drop(columns=["paper", "figure", "y_name"])


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
    beside = not narrow and sum(widths) <= 3  # few enough to stand side by side
    if beside:
        figure = Figure(figsize=(WIDE, 2.6), layout="constrained")
        parts = figure.subfigures(1, len(grids), width_ratios=widths, squeeze=False).ravel()
    else:
        heights = [(1.6 if narrow else 1.8) * grid.shape(narrow)[0] + 0.3 for grid in grids]
        figure = Figure(figsize=(NARROW if narrow else WIDE, sum(heights) + 0.4), layout="constrained")
        parts = figure.subfigures(len(grids), 1, height_ratios=heights, squeeze=False).ravel()
    for part, grid in zip(parts, grids, strict=True):
        _draw_grid(part, grid, names, styles, measured, narrow, sum(widths) if beside else grid.shape(narrow)[1])
    entries = [Line2D([], [], color=styles[name].color) for name in names]
    others = any(set(grid.points["arm"]) - set(names) for grid in grids)
    told = [*names, *(["other arms"] if others else [])]
    shared_legend(figure, [*entries, *([Line2D([], [], color=REST)] if others else [])], told, narrow)
    return figure


def _draw_grid(
    part: SubFigure,
    grid: _Grid,
    names: Sequence[str],
    styles: Mapping[str, Look],
    measured: Measured,
    narrow: bool,
    across: int,
) -> None:
    rows, columns = grid.shape(narrow)
    axes = part.subplots(rows, columns, squeeze=False).ravel().tolist()
    for spare in axes[len(grid.places) :]:
        spare.set_axis_off()
    part.suptitle(grid.heading, fontsize=8.5, fontweight="bold", x=0.01, ha="left")
    for index, (axis, (model, dataset, x_name)) in enumerate(zip(axes, grid.places, strict=False)):
        here = grid.points[(grid.points["model"] == model) & (grid.points["dataset"] == dataset)]
        for _, curve in here[~here["arm"].isin(list(names))].groupby("arm", sort=False):
            _rest(axis, curve, grid.dashed)
        for name in names:
            _curve(axis, here[here["arm"] == name], styles[name], measured.window, grid.dashed)
        known = here[here["arm"].isin(list(names))]
        if len(known):  # other arms may have run for longer
            axis.set_xlim(-0.02 * known["x"].max(), 1.04 * known["x"].max())
        titled(axis, f"{re.sub(r'^.*/', '', model)}\n{dataset}", across, narrow, bold=False)
        percent_axis(axis.yaxis)
        axis.set_ylim(*(measured.limits or (None, None)))
        axis.yaxis.set_major_locator(MaxNLocator(5, min_n_ticks=3, steps=[1, 2, 4, 5, 10]))
        thousands(axis.xaxis, whole=x_name == STEP)
        if narrow or across == 3:
            axis.xaxis.set_major_locator(MaxNLocator(4, min_n_ticks=2, steps=[1, 2, 4, 5, 10], integer=True))
        if index % columns == 0:
            axis.set_ylabel(fitted(f"{measured.y}, %", 1.1, 8, lines=2))
        if index + columns >= len(grid.places):
            axis.set_xlabel(x_name)


def _curve(axis: Axes, part: pd.DataFrame, look: Look, window: int, dashed: bool) -> None:
    if part.empty:
        return
    if not dashed:
        for _, one in part.groupby("seed"):
            axis.plot(one["x"], one["y"], color=look.color, linewidth=0.5, alpha=0.3)
    mean = mean_curve(part, 1 if dashed else window)
    style: dict[str, Any] = (
        {"linestyle": (0, (4, 1.4)), "linewidth": 1.2} if dashed else {"linestyle": "-", "linewidth": 1.6}
    )
    axis.plot(mean["x"], mean["y"], color=look.color, **style)


def _rest(axis: Axes, part: pd.DataFrame, dashed: bool) -> None:
    mean = mean_curve(part)
    axis.plot(mean["x"], mean["y"], color=REST, linewidth=0.8, linestyle="--" if dashed else "-", zorder=1)
