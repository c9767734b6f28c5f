"""What each arm selected: how hard its questions were, and how many of its groups had a signal over training."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from repro.analysis.arms import find
from repro.analysis.leaderboard.board import Board
from repro.analysis.leaderboard.chosen import PHASES, RATES, RolledOut, pool, rolled_out, signals
from repro.analysis.leaderboard.heat import columns, heat, height
from repro.analysis.pictures import Picture
from repro.analysis.style import NARROW, WIDE
from repro.analysis.tables import Table
from repro.analysis.text import joined, number

POOL = "whole pool"
"""The row that the arms are read against."""

MOST_LEVELS = 12
"""Levels of difficulty that have columns of their own; of more, equal parts of their range."""

MOST_ROWS = 21
"""Arms that the figure shows, the best: in a column its heat maps stand below each other."""


@dataclass(frozen=True)
class _Grid:
    """One heat map: shares 0..1 [rows, columns], NaN where nothing is known. `most` is where the colours end."""

    title: str
    label: str
    names: tuple[str, ...]
    rows: tuple[str, ...]
    values: np.ndarray
    most: float


def selected(board: Board) -> list[Table | Picture]:
    """The heat maps of what the store tells; nothing without any."""
    arms = [*board.order, *board.uncompared][:MOST_ROWS]
    found: dict[str, list[RolledOut]] = {POOL: [pool(one.panel.series[0]) for one in board.panels]}
    training: dict[str, pd.Series] = {POOL: pd.Series(dtype=float)}
    for label in arms:
        own = [series for one in board.panels if (series := find(one, label)) is not None]
        found[label] = [rolled_out(series) for series in own]
        training[label] = _mean([signals(series) for series in own])
    levels = {label: _mean([one.levels for one in ones]) for label, ones in found.items()}
    rates = {label: _mean([one.rates for one in ones]) for label, ones in found.items()}
    grids = [grid for grid in (_difficulties(levels), _start_rates(rates), _signals(training)) if grid is not None]
    return [_picture(grids)] if grids else []


def _mean(parts: Sequence[pd.Series]) -> pd.Series:
    """Mean of shares over pairs of policy and task; those that tell nothing are left out."""
    known = [part for part in parts if len(part)]
    return pd.concat(known, axis=1).fillna(0.0).mean(axis=1) if known else pd.Series(dtype=float)


def _difficulties(found: Mapping[str, pd.Series]) -> _Grid | None:
    levels = sorted({float(level) for shares in found.values() for level in shares.index})
    if not levels:
        return None
    if len(levels) <= MOST_LEVELS:
        places, names = {level: place for place, level in enumerate(levels)}, [f"{level:g}" for level in levels]
    else:
        edges = np.linspace(levels[0], levels[-1], MOST_LEVELS + 1)
        at = np.clip(np.searchsorted(edges, levels, side="right") - 1, 0, MOST_LEVELS - 1)
        places = dict(zip(levels, map(int, at), strict=True))
        names = [f"{(low + high) / 2:.3g}" for low, high in itertools.pairwise(edges)]
    return _grid("True difficulty", "steps", names, found, places)


def _start_rates(found: Mapping[str, pd.Series]) -> _Grid | None:
    if not any(len(shares) for shares in found.values()):
        return None
    names = [f"{100 * place // RATES}–{100 * (place + 1) // RATES}" for place in range(RATES)]
    places = {float(place): place for place in range(RATES)}
    return _grid("Start policy", "pass rate before training, %", names, found, places)


def _signals(found: Mapping[str, pd.Series]) -> _Grid | None:
    if not any(len(shares) for shares in found.values()):
        return None
    names = [f"{100 * (place + 1) // PHASES}" for place in range(PHASES)]
    places = {float(place): place for place in range(PHASES)}
    return _grid("Groups with a gradient", "training, %", names, found, places, sums=False)


def _grid(
    title: str,
    label: str,
    names: Sequence[str],
    found: Mapping[str, pd.Series],
    places: Mapping[float, int],
    sums: bool = True,
) -> _Grid:
    """`sums`: whether what is not listed has a share of 0."""
    values = np.full((len(found), len(names)), np.nan)
    for row, shares in enumerate(found.values()):
        if len(shares):
            if sums:
                values[row] = 0.0
            for level, share in shares.items():
                place = places[float(str(level))]
                values[row, place] = share + (values[row, place] if sums else 0.0)
    return _Grid(title, label, tuple(names), tuple(found), values, float(np.nanmax(values)))


def _picture(grids: Sequence[_Grid]) -> Picture:
    rows = grids[0].rows  # the same in all

    def draw(narrow: bool) -> Figure:
        tall = 0.75 + height(rows, narrow)
        size = (NARROW if narrow else WIDE, tall * (len(grids) if narrow else 1) + 0.2)
        figure = Figure(figsize=size, layout="constrained")
        shape = (len(grids), 1) if narrow else (1, len(grids))
        axes = figure.subplots(*shape, squeeze=False).ravel().tolist()
        for place, (axis, grid) in enumerate(zip(axes, grids, strict=True)):
            heat(axis, grid.values, rows, narrow, cmap="Blues", vmin=0, vmax=grid.most)
            axis.axhline(1, color="#3A3F47", linewidth=0.9)
            columns(axis, grid.names, 2 if len(grid.names) > 6 else 1, upright=False)
            axis.set_title(grid.title)
            axis.set_xlabel(f"{grid.label}\n(darkest: {100 * grid.most:.0f} %)")
            if place and not narrow:
                axis.tick_params(labelleft=False)
        return figure

    data: list[dict[str, Any]] = [
        {"shown": grid.title, "arm": arm, grid.label: name, "share": float(share)}
        for grid in grids
        for arm, values in zip(grid.rows, grid.values, strict=True)
        for name, share in zip(grid.names, values, strict=True)
        if not np.isnan(share)
    ]
    return Picture(
        "leaderboard.selected",
        "What each arm selected, and how many of its groups had a signal",
        "Shares of the questions that were rolled out anew, mean over seeds, policies and tasks: by their true "
        "difficulty, where the task knows it, and by their pass rate under the start policy, where it was measured. "
        "Right: groups with a gradient over training. White: not known.",
        f"Heat maps with a row for each arm. {_told(grids[-1])}",
        pd.DataFrame(data),
        draw,
    )


def _told(grid: _Grid) -> str:
    """The mean of the last heat map by arm."""
    means = {
        arm: float(np.nanmean(row)) for arm, row in zip(grid.rows, grid.values, strict=True) if not np.isnan(row).all()
    }
    return f"{grid.title}, mean: {joined([f'{arm} {number(100 * value, 0)} %' for arm, value in means.items()])}."
