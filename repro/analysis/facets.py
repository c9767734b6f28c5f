"""Small axes beside each other, one per model and dataset."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from repro.analysis.style import NARROW, WIDE, titled


def facets(titles: Sequence[str], narrow: bool) -> tuple[Figure, list[Axes]]:
    """One panel per model and dataset on one scale: three beside each other on a page, two in a column."""
    columns = min(len(titles), 2 if narrow else 3)
    rows = -(-len(titles) // columns)
    size = (NARROW if narrow else WIDE, (1.85 if columns > 1 else 2.1) * rows + 0.4)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel().tolist()
    for spare in axes[len(titles) :]:
        spare.set_axis_off()
    for axis, title in zip(axes, titles, strict=False):
        titled(axis, title, columns, narrow)
    return figure, axes[: len(titles)]


def outer(axis: Axes, xlabel: str, ylabel: str) -> None:
    axis.set_xlabel(xlabel)
    place = axis.get_subplotspec()
    if place is not None and place.is_first_col():
        axis.set_ylabel(ylabel)
