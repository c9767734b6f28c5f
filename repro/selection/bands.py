"""Bands of a score: around a centre, at an end, or between two bounds. Their fields, and which questions they keep."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

import numpy as np
from pydantic import BeforeValidator, Discriminator, Field, GetJsonSchemaHandler, Tag, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from repro.fields import MOST_QUESTIONS, Strict
from repro.selection.pool import subset_size
from repro.selection.ties import ranked


class CenterBand(Strict):
    """The items nearest a centre; how many is the `fraction` beside it."""

    center: Literal["mean", "median"] | float = Field("mean", description="of the scores, or a value on their scale")


class CalibratedBand(Strict):
    """The items nearest the score at which a measured pass rate is expected: the `fraction` beside it.

    A few questions are rolled out under the start policy; a monotone fit of pass rate on score finds the centre.
    """

    pass_rate: float = Field(ge=0, le=1, description="the pass rate whose score is the centre, e.g. 0.5")
    questions: int = Field(64, ge=8, le=MOST_QUESTIONS, description="questions rolled out to calibrate")
    samples: int = Field(8, ge=1, le=10_000, description="completions of each")


class EndBand(Strict):
    """The items at one end of the score; the words `highest` and `lowest` are short for it."""

    end: Literal["highest", "lowest"] = Field(description="which end; how many is the fraction beside it")


class RangeBand(Strict):
    """The items between two bounds, as values of the score or as quantiles of it."""

    low: float = Field(description="lower bound")
    high: float = Field(description="upper bound")
    scale: Literal["value", "quantile"] = Field("value", description="what the bounds count: scores or ranks")

    @model_validator(mode="after")
    def _ordered(self) -> RangeBand:
        if self.low >= self.high:
            raise ValueError(f"got low {self.low:g} and high {self.high:g}, expected low < high")
        if self.scale == "quantile" and not 0 <= self.low < self.high <= 1:
            raise ValueError(f"got quantiles {self.low:g} to {self.high:g}, expected them between 0 and 1")
        return self


def _band_kind(value: Any) -> str:
    for key, kind in (("end", EndBand), ("pass_rate", CalibratedBand), ("low", RangeBand), ("high", RangeBand)):
        if isinstance(value, kind) or (isinstance(value, dict) and key in value):
            return f"<{kind.__name__}>"
    return "<CenterBand>"


class _EndWords:
    """In the JSON schema: the words that are short for a band at an end."""

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        ends = {"enum": list(get_args(EndBand.model_fields["end"].annotation)), "type": "string"}
        return {"anyOf": [ends, *handler(schema)["oneOf"]]}


Band = Annotated[
    Annotated[CenterBand, Tag("<CenterBand>")]
    | Annotated[CalibratedBand, Tag("<CalibratedBand>")]
    | Annotated[EndBand, Tag("<EndBand>")]
    | Annotated[RangeBand, Tag("<RangeBand>")],
    Discriminator(_band_kind),
    BeforeValidator(lambda value: {"end": value} if isinstance(value, str) else value),
    _EndWords(),
]


LEVEL = 1e-9  # fitted rates this near the target are the target: means of rollouts carry rounding


def center_of(scores: np.ndarray, center: float | Literal["mean", "median"]) -> float:
    """The centre as a value on the scale of scores (N,)."""
    if center == "mean":
        return float(scores.mean())
    return float(np.median(scores)) if center == "median" else float(center)


def calibrated_center(scores: np.ndarray, rates: np.ndarray, target: float) -> float:
    """The score at which a pass rate of `target` is expected, from measured questions: scores and rates (n,).

    Isotonic least squares of rate on score (equal scores count as one point, weighted), rising or falling by the sign
    of Spearman's rank correlation (rising where there is none). The fit is linear between neighbouring scores, so the
    centre lies between the last score below the target and the first above it; where the fit is level at the target,
    it is the middle of that level. A fit that stays on one side of the target ends nearest to it at the highest or
    lowest measured score: that is the centre then. ValueError unless n >= 1 and the lengths agree.
    """
    from scipy.optimize import isotonic_regression

    if len(scores) != len(rates) or not len(scores):
        raise ValueError(f"{len(scores)} scores and {len(rates)} rates, expected as many and at least one")
    falls = _falls(scores, rates)
    points, group = np.unique(scores, return_inverse=True)  # (m,) ascending
    weights = np.bincount(group)  # (m,)
    means = np.bincount(group, weights=rates) / weights  # (m,)
    fit = isotonic_regression(means, weights=weights, increasing=not falls).x  # (m,)
    if falls:
        points, fit = points[::-1], fit[::-1]  # ascending by rate from here on
    below, above = np.flatnonzero(fit <= target + LEVEL), np.flatnonzero(fit >= target - LEVEL)
    if not len(below) or not len(above):
        return float(points[-1] if len(below) else points[0])
    low, high = below[-1], above[0]
    if low >= high:  # from high to low the fit is level at the target
        return float((points[low] + points[high]) / 2)
    share = (target - fit[low]) / (fit[high] - fit[low])
    return float(points[low] + share * (points[high] - points[low]))


def _falls(scores: np.ndarray, rates: np.ndarray) -> bool:
    """Whether rates fall with scores by rank; False where either is constant."""
    from scipy.stats import rankdata

    left, right = (2 * rankdata(values) - (len(values) + 1) for values in (scores, rates))  # whole numbers, sum 0
    return float((left * right).sum()) < 0


def nearest_to(
    scores: np.ndarray, center: float | Literal["mean", "median"], count: int, places: np.ndarray
) -> np.ndarray:
    """Indices of the `count` scores (N,) nearest the centre, nearest first, ties by `places` (N,).

    In [0, 1] by UFO-RL's fuzziness score 1 - (s - mu)^2, whose rounding makes ties as in its release.
    """
    distance = scores - center_of(scores, center)  # (N,)
    unit = bool(((scores >= 0) & (scores <= 1)).all())
    return ranked(-(1.0 - distance**2) if unit else np.abs(distance), places)[:count]


def at_end(scores: np.ndarray, end: Literal["highest", "lowest"], count: int, places: np.ndarray) -> np.ndarray:
    """Indices of the `count` highest (or lowest) scores (N,), the extreme first, ties by `places` (N,)."""
    return ranked(-scores if end == "highest" else scores, places)[:count]


def between_values(scores: np.ndarray, low: float, high: float) -> np.ndarray:
    """Indices of scores in [low, high], both included, ascending by index. May be empty."""
    return np.flatnonzero((scores >= low) & (scores <= high))


def between_quantiles(scores: np.ndarray, low: float, high: float, places: np.ndarray) -> np.ndarray:
    """Indices whose rank lies in [low * N, high * N), lowest score (N,) first, ties by `places` (N,).

    By rank and not by quantile value, so that bands with common bounds share no question and miss none even where
    many scores are equal (pass rates of 8 samples take nine values).
    """
    total = len(scores)
    first, last = (int(np.floor(bound * total + 1e-9)) for bound in (low, high))
    return ranked(scores, places)[first:last]


def in_range(scores: np.ndarray) -> np.ndarray:
    """The scores as float64 (N,). ValueError for one that is not finite or not in [0, 1]."""
    scores = np.asarray(scores, dtype=np.float64)
    wrong = np.flatnonzero(~((scores >= 0) & (scores <= 1)))  # NaN compares false
    if len(wrong):
        raise ValueError(f"{len(wrong)} scores are outside [0, 1], the first is row {wrong[0]}: {scores[wrong[0]]}")
    return scores


def band_center(scores: np.ndarray, band: Band) -> float | None:
    """The centre that the scores alone give a band; None where it has none, or where rollouts have to find it."""
    return center_of(scores, band.center) if isinstance(band, CenterBand) else None


def band_indices(
    scores: np.ndarray, band: Band, fraction: float | None, places: np.ndarray, center: float | None = None
) -> np.ndarray:
    """Sorted indices that `band` keeps of finite `scores` (N,).

    `places` (N,) says which of equal scores at a cut are kept (`ties.tie_places`). `fraction` goes with every band but
    that of low and high: k = max(1, int(fraction * N)). `center` is the measured one of a calibrated band
    (`calibrated_center`). ValueError where one of the two is missing.
    """
    if isinstance(band, CenterBand | CalibratedBand | EndBand):
        if fraction is None:
            raise ValueError("a band around a centre or at an end needs a fraction")
        count = subset_size(fraction, len(scores))
        if isinstance(band, EndBand):
            return np.sort(at_end(scores, band.end, count, places))
        middle = band.center if isinstance(band, CenterBand) else center
        if middle is None:
            raise ValueError("a calibrated band needs the measured centre")
        return np.sort(nearest_to(scores, middle, count, places))
    if band.scale == "value":
        return between_values(scores, band.low, band.high)
    return np.sort(between_quantiles(scores, band.low, band.high, places))
