"""What was selected: the true difficulty of what was rolled out, over training or, of many arms, in all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.colors import LinearSegmentedColormap, PowerNorm
from matplotlib.figure import Figure

from repro.analysis.axes import STEP
from repro.analysis.contrast import written_fields
from repro.analysis.measures import Measures
from repro.analysis.page.groups import Fresh, outer_labels, small_multiples, step_columns
from repro.analysis.page.lit import of_all, shown
from repro.analysis.pictures import Picture
from repro.analysis.style import LIT, NARROW, WIDE, arm_ticks, percent_axis, rows_height, thousands
from repro.analysis.text import number

# White to dark blue: lightness falls all the way, so that it prints in grey.
SHARES = LinearSegmentedColormap.from_list("shares", ["#FFFFFF", "#C6DBEF", "#6BAED6", "#2171B5", "#08306B"])

POOL = "whole pool"

SOLUTION = "steps of the solution"
"""What true difficulty counts; the steps of training are another thing."""

EXPONENT = 0.6
"""Of the colour scale: lifted at the low end, so that a flat choice over ten levels and one that piles up on two belong
in one picture."""


def difficulty(measures: Measures, fresh: dict[str, Fresh], prefix: str = "") -> Picture | None:
    """Distribution of the true difficulty of what was rolled out; None where it is not known."""
    known = {label: q for label, q in fresh.items() if len(q.true) and not np.isnan(q.true).any()}
    if not known:
        return None
    levels = np.arange(min(q.true.min() for q in known.values()), max(q.true.max() for q in known.values()) + 1)
    pool = _pool(measures, levels)
    labels = [label for label in shown(measures) if label in known]
    over_training = len(labels) <= LIT
    grids = {label: _grid(questions, levels) for label, questions in known.items()}
    whole = ({POOL: pool} if pool is not None else {}) | {
        label: np.array([(known[label].true == level).mean() for level in levels]) for label in known
    }

    means = {label: [float(q.true[c].mean()) for c, _ in step_columns(q.step)] for label, q in known.items()}

    def draw(narrow: bool) -> Figure:
        if over_training:
            return _panels(levels, pool, {label: grids[label] for label in labels}, means, narrow)
        return _matrix(levels, {name: whole[name] for name in (POOL, *labels) if name in whole}, narrow)

    rows = [
        {"arm": label, "step": step, "difficulty": level, "share": float(share)}
        for label, (steps, grid) in grids.items()
        for step, column in zip(steps, grid.T, strict=True)
        for level, share in zip(levels, column, strict=True)
    ]
    rows += [
        {"arm": label, "difficulty": level, "share": float(share)}
        for label, shares in whole.items()
        for level, share in zip(levels, shares, strict=True)
    ]
    said = ", ".join(f"{label} {number(each[0])} to {number(each[-1])}" for label, each in means.items())
    cut = of_all(measures, len(labels)) if len(labels) < len(known) else ""
    return Picture(
        f"{prefix}difficulty",
        f"What was selected: true difficulty{' over training' if over_training else ''}{cut}",
        "Each column: how many steps the solutions took of what was rolled out then, seeds pooled; the line is the "
        f"mean. No arm sees these numbers. Shades grow as the share to the power of {EXPONENT}."
        if over_training
        else "Each row: how many steps the solutions took of what was rolled out, in %, seeds pooled. No arm sees "
        f"these numbers. Shades grow as the share to the power of {EXPONENT}.",
        f"Heat map of true difficulty for each arm; mean difficulty from the first steps to the last: {said}.",
        pd.DataFrame(rows),
        draw,
    )


def _grid(questions: Fresh, levels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(centres of spans of steps, shares [levels, spans])."""
    columns = list(step_columns(questions.step))
    shares = np.array([[(questions.true[c] == level).mean() for c, _ in columns] for level in levels])
    return np.array([centre for _, centre in columns]), shares


def _pool(measures: Measures, levels: np.ndarray) -> np.ndarray | None:
    """Share of the pool at each level; None where no run recorded it."""
    for series in measures.panel.series:
        for run in series.runs:
            true = run.json("selection.json").get("steps_true")
            if true:
                values = np.array(list(true.values()), float)
                return np.array([(values == level).mean() for level in levels])
    return None


def _panels(
    levels: np.ndarray,
    pool: np.ndarray | None,
    grids: Mapping[str, tuple[np.ndarray, np.ndarray]],
    means: Mapping[str, Sequence[float]],
    narrow: bool,
) -> Figure:
    """A panel for each arm: steps across, levels up."""
    scale = PowerNorm(EXPONENT, 0, max(float(grid.max()) for _, grid in grids.values()))
    figure, axes = small_multiples([*([POOL] if pool is not None else []), *grids], narrow)
    image = None
    for index, (axis, label) in enumerate(axes):
        axis.grid(visible=False)
        axis.set_ylim(levels[0] - 0.5, levels[-1] + 0.5)
        axis.set_yticks(levels[:: 1 if len(levels) <= 6 else 2])
        if label not in grids and pool is not None:
            axis.barh(levels, pool, 0.8, color="#8D96A3")
            percent_axis(axis.xaxis)
            axis.set_xlabel("share, %")
        else:
            centres, grid = grids[label]
            width = (centres[1] - centres[0]) / 2 if len(centres) > 1 else 0.5
            box = (centres[0] - width, centres[-1] + width, levels[0] - 0.5, levels[-1] + 0.5)
            image = axis.imshow(
                grid, origin="lower", aspect="auto", extent=box, cmap=SHARES, norm=scale, interpolation="none"
            )
            axis.plot(centres, means[label], color="white", linewidth=3.2)
            axis.plot(centres, means[label], color="#000000", linewidth=1.4)
            axis.set_xlabel(STEP)
            thousands(axis.xaxis, whole=True)
        outer_labels(axis, index, narrow, SOLUTION, below=False)
    if image is not None:
        place: Any = {"location": "bottom", "aspect": 40} if narrow else {"location": "right", "aspect": 30}
        bar = figure.colorbar(image, ax=[a for a, _ in axes], shrink=0.9, pad=0.02, **place)
        long_axis = bar.ax.xaxis if narrow else bar.ax.yaxis
        long_axis.set_major_formatter(lambda value, _: f"{100 * value:.0f}")
        bar.set_label("share of questions, %")
        bar.outline.set_visible(False)
    return figure


def _matrix(levels: np.ndarray, shares: Mapping[str, np.ndarray], narrow: bool) -> Figure:
    """A row for each arm, levels across, the share written in each field."""
    import seaborn as sns  # takes a second

    names = list(shares)
    size = (NARROW if narrow else WIDE, 0.7 + rows_height(names, narrow))
    figure = Figure(figsize=size, layout="constrained")
    axis = figure.subplots()
    sns.heatmap(
        pd.DataFrame(100 * np.array([*shares.values()]), columns=[f"{level:g}" for level in levels]),
        annot=len(levels) <= (8 if narrow else 16), fmt=".0f", annot_kws={"size": 7}, cmap=SHARES,
        norm=PowerNorm(EXPONENT, 0, 100 * max(map(np.max, shares.values()))), cbar=False, linewidths=0.5,
        yticklabels=False, ax=axis,
    )  # fmt: skip
    if axis.texts:
        written_fields(axis)
    arm_ticks(axis, names, narrow, first=0.5)
    axis.set_ylim(len(names), 0)
    axis.tick_params(axis="x", rotation=0, length=0)
    axis.set_xlabel(f"{SOLUTION}\nin fields: % of the row" if axis.texts else SOLUTION)
    return figure
