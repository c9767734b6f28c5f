"""What the published curves of DOTS + RR say, read as the paper does: its printed savings come out of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from repro.analysis.published import published_curves
from repro.analysis.statistics import area_under_curve
from repro.analysis.text import number

ERROR = 0.0002
"""Error of a digitised accuracy, as a share: 0.02 points."""

READ_OFF = (
    "Published curves are smoothed by the authors, with a point every 2 steps; those of Figure 3 are means of 3 runs, "
    "of the others the paper does not say it. They were digitised to "
    f"about {100 * ERROR:g} points, which moves a crossing by one point at most."
)

Curve = NDArray[np.float64]
"""[points, 2]: x, and the accuracy as a share."""


@dataclass(frozen=True)
class Reading:
    """One published curve beside another of the same panel. Accuracies are shares.

    `speedup` is how many times less of x the arm needed than the other, to hold the other's final accuracy; `between`
    is what it may be with an error of `ERROR` in both curves. A NaN or a 0 says that the arm never held it.
    """

    figure: str
    place: str  # model and dataset
    arm: str
    against: str
    speedup: float
    between: tuple[float, float]
    end: float  # accuracy at the last point, arm - other
    mean: float  # mean accuracy over the range that both curves cover, arm - other
    saved: float  # 1 - x of a point of the arm ÷ that of the other: time saved per step, where x is time


def readings(figure: str, arm: str, against: str, model: str | None = None) -> list[Reading]:
    """One reading for each panel of a figure, of one model where it is named. KeyError where nothing is published."""
    found = []
    for (name, dataset), panel in published_curves("dots_rr", figure).groupby(["model", "dataset"], sort=False):
        if model in (None, name):
            ours, theirs = (_curve(panel[panel["arm"] == one]) for one in (arm, against))
            found.append(_read(figure, f"{name}, {dataset}", (arm, ours), (against, theirs)))
    return found


def _curve(points: pd.DataFrame) -> Curve:
    return np.column_stack([points["x"], points["y"] / 100])


def _read(figure: str, place: str, one: tuple[str, Curve], other: tuple[str, Curve]) -> Reading:
    (arm, ours), (against, theirs) = one, other
    exact, *shifted = (speedup(ours, theirs, shift) for shift in (0.0, 2 * ERROR, -2 * ERROR))
    low, high = (0.0 if math.isnan(value) else value for value in shifted)
    end, mean = float(ours[-1, 1] - theirs[-1, 1]), mean_gap(ours, theirs)
    per_point = [float(curve[-1, 0]) / len(curve) for curve in (ours, theirs)]  # a curve may end before the other
    return Reading(figure, place, arm, against, exact, (low, high), end, mean, 1 - per_point[0] / per_point[1])


def speedup(ours: Curve, theirs: Curve, shift: float = 0.0) -> float:
    """How many times less of x one curve needs to hold the final value of another, raised by `shift`; NaN where never.

    The other counts with its whole range, and the first point of two in a row that reach the value counts, without
    interpolation: so read, the curves give the savings that the paper prints.
    """
    there = ours[:, 1] >= float(theirs[-1, 1]) + shift
    held = np.flatnonzero(there[:-1] & there[1:])
    return float(theirs[-1, 0] / ours[held[0], 0]) if len(held) else math.nan


def mean_gap(ours: Curve, theirs: Curve) -> float:
    """Mean of one curve minus that of another by trapezoids, over the range of x that both cover."""
    low, high = max(ours[0, 0], theirs[0, 0]), min(ours[-1, 0], theirs[-1, 0])
    heights = []
    for curve in (ours, theirs):
        inside = curve[(curve[:, 0] > low) & (curve[:, 0] < high), 0]
        grid = np.array([low, *inside, high])
        heights.append(area_under_curve(grid, np.interp(grid, curve[:, 0], curve[:, 1])))
    return heights[0] - heights[1]


# ---------------------------------------------------------------- in words


def times_said(found: Sequence[Reading]) -> str:
    """`1.36 to 1.88×`: the speedups of those that got there."""
    return f"{_range([one.speedup for one in found], 2)}×"


def points_said(values: Sequence[float], digits: int = 1) -> str:
    """`+0.8 to +0.9 points` for shares."""
    return f"{_range([100 * value for value in values], digits, sign=True)} points"


def percent_said(values: Sequence[float]) -> str:
    """`22 to 23 %` for shares."""
    return f"{_range([100 * value for value in values], 0)} %"


def _range(values: Sequence[float], digits: int, sign: bool = False) -> str:
    known = [value for value in values if not math.isnan(value)]
    low, high = (number(value, digits, sign) for value in (min(known), max(known)))
    return low if low == high else f"{low} to {high}"
