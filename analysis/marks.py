"""Marks in a figure: means with their intervals, hollow where nothing says how sure a mean is, single runs, words."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes

from analysis.statistics import Interval
from analysis.style import GREY, SMALLEST


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
    import seaborn.objects as so  # takes a second

    data = pd.DataFrame({"place": [float(place) for place in places], "colour": list(colours)})
    for name in ("value", "low", "high", "known"):
        data[name] = [getattr(interval, name) for interval in intervals]
    along, across = "yx" if upright else "xy"
    ends = {f"{along}min": "low", f"{along}max": "high"}
    for known, part in data.groupby("known"):
        plot = so.Plot(part, **{across: "place"}, color="colour").scale(color=None)
        if known:
            plot = plot.add(so.Range(linewidth=width), orient=across, legend=False, **ends)
        dot = so.Dot(marker=marker, pointsize=size, fill=bool(known), stroke=1.2, edgewidth=1.2)
        plot = plot.add(dot, legend=False, **{along: "value"}).label(x="", y="")
        with warnings.catch_warnings():
            # seaborn 0.13 still passes `copy` to pandas, which ignores it.
            warnings.filterwarnings("ignore", "The copy keyword is deprecated")
            plot.on(axis).plot()


def word(axis: Axes, row: float, text: str) -> None:
    """What a row says that has no difference: on the line at 0, where half of it has room on either side."""
    around = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}
    axis.annotate(text, (0, row), ha="center", va="center", color=GREY, fontsize=SMALLEST, bbox=around)


def single_dots(
    axis: Axes, places: Sequence[float], values: Sequence[Sequence[float]], colour: str, upright: bool = False
) -> None:
    """The single seeds or pairs behind each mean as faint dots, at places as those of `interval_marks`."""
    import seaborn as sns  # takes a second

    at = [float(place) for place, several in zip(places, values, strict=True) for _ in several]
    each = [value for several in values for value in several]
    if each:
        sns.stripplot(
            x=at if upright else each, y=each if upright else at, orient="v" if upright else "h", native_scale=True,
            jitter=False, size=3.3, color=colour, alpha=0.6, legend=False, zorder=3, ax=axis,
        )  # fmt: skip
