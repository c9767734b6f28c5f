"""Marks in a figure: means with their intervals, hollow where nothing says how sure a mean is, single runs, words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.colors import to_rgba_array
from matplotlib.markers import MarkerStyle
from matplotlib.transforms import IdentityTransform

from repro.analysis.statistics import Interval
from repro.analysis.style import GREY, SMALLEST


def interval_marks(
    axis: Axes,
    places: Sequence[float],
    intervals: Sequence[Interval],
    colours: Sequence[str],
    upright: bool = False,
    marker: str = "o",
    size: float = 6.0,
    width: float = 2.2,
) -> None:
    """A mark for each mean and a line for its interval, at places along y, or along x where they stand `upright`.

    Set ticks, limits and labels of the axis afterwards. `size` and `width` are in points.
    """
    dot = MarkerStyle(marker)
    path = dot.get_path().transformed(dot.get_transform())
    for known in (False, True):
        part = [one for one in zip(places, intervals, colours, strict=True) if one[1].known == known]
        if not part:
            continue
        edges = to_rgba_array([colour for _, _, colour in part])
        faces = edges * ([1, 1, 1, 1] if known else [1, 1, 1, 0])
        turn = slice(None) if upright else slice(None, None, -1)
        if known:
            ends = [np.array([(at, one.low), (at, one.high)], float)[:, turn] for at, one, _ in part]
            axis.add_collection(LineCollection(ends, colors=edges, linewidths=width, capstyle="round"))
        axis.add_collection(
            PathCollection(
                [path], [size**2], offsets=np.array([(at, one.value) for at, one, _ in part], float)[:, turn],
                facecolors=faces, edgecolors=edges, linewidths=1.2, offset_transform=axis.transData,
                transform=IdentityTransform(),
            )
        )  # fmt: skip
    axis.autoscale_view()


def word(axis: Axes, row: float, text: str) -> None:
    """What a row says that has no difference: on the line at 0, where half of it has room on either side."""
    around = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}
    axis.annotate(text, (0, row), ha="center", va="center", color=GREY, fontsize=SMALLEST, bbox=around)


def single_dots(
    axis: Axes, places: Sequence[float], values: Sequence[Sequence[float]], colour: str, upright: bool = False
) -> None:
    """The single seeds or pairs behind each mean as faint dots, at places as those of `interval_marks`."""
    at = [float(place) for place, several in zip(places, values, strict=True) for _ in several]
    each = [value for several in values for value in several]
    if each:
        import seaborn as sns  # takes a second

        sns.stripplot(
            x=at if upright else each, y=each if upright else at, orient="v" if upright else "h", native_scale=True,
            jitter=False, size=3.3, color=colour, alpha=0.6, legend=False, zorder=3, ax=axis,
        )  # fmt: skip
