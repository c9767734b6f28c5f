"""A heat map with an arm in each row: what the figures of ranks and of selected questions share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from repro.analysis.contrast import written_fields
from repro.analysis.lettering import fitted
from repro.analysis.style import NARROW, RC, SMALLEST, WIDE

TALLEST = 1.2
"""Inches that a name above a column may take."""


def height(arms: Sequence[str], narrow: bool) -> float:
    """Inches of so many rows."""
    return (0.15 if narrow else 0.2) * len(arms)


def heat(axis: Axes, grid: NDArray[np.float64], arms: Sequence[str], narrow: bool, **more: Any) -> None:
    """Draw [arms, columns] with seaborn; a cell without a number stays white. `more`: for `seaborn.heatmap`."""
    import seaborn as sns  # takes a second

    sns.heatmap(
        grid, ax=axis, linewidths=0.4, mask=np.isnan(grid), xticklabels=False, cbar=False,
        annot_kws={"fontsize": SMALLEST}, **more,
    )  # fmt: skip
    if axis.texts:
        written_fields(axis)
    room = (NARROW if narrow else WIDE) / (2.6 if narrow else 4)
    names = [fitted(name, room, float(RC["ytick.labelsize"])) for name in arms]
    axis.set_yticks(np.arange(len(arms)) + 0.5, names, rotation=0)
    axis.tick_params(axis="y", length=0)
    axis.set_ylabel("")
    axis.set_ylim(len(arms), 0)
    axis.grid(visible=False)


def columns(axis: Axes, names: Sequence[str], every: int = 1, upright: bool = True) -> None:
    """Names of the columns, upright above them or lying below them; every so many."""
    places = list(range(0, len(names), every))
    told = [fitted(names[place], TALLEST, SMALLEST) for place in places]
    axis.set_xticks([place + 0.5 for place in places], told, rotation=90 if upright else 0, fontsize=SMALLEST)
    axis.tick_params(axis="x", length=0, top=upright, bottom=False, labeltop=upright, labelbottom=not upright)
