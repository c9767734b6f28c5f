"""What the methods that keep a band of a score share: their fields, their size and their selector."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache
from typing import Any, ClassVar, Self

import numpy as np
from pydantic import Field, model_validator

from repro.errors import UserError
from repro.fields import Fraction, mistake
from repro.selection.bands import (
    Band,
    CalibratedBand,
    CenterBand,
    EndBand,
    RangeBand,
    band_center,
    band_indices,
    calibrated_center,
    in_range,
)
from repro.selection.base import Run, Selector
from repro.selection.method import Costs, Mistake, Selection, Setting, Smoke
from repro.selection.pool import align
from repro.selection.subset import SubsetSelector
from repro.selection.ties import tie_places

BATCH_HINT = "lower train.questions_per_step"


class Banded(Selection):
    """A fixed subset: the questions whose score lies in a band, drawn uniformly.

    A method may have further names for one of its bands: `method: easiest` is `method: pass_rate, band: highest`.
    """

    ENDS: ClassVar[dict[str, tuple[str, str]]] = {}
    """Short name of a method -> the method's own name and the end of its scores."""
    UNIT: ClassVar[bool] = True
    """Whether scores lie in [0, 1]."""
    SMOKE_FIELDS: ClassVar[tuple[str, ...]] = ("band", "samples")

    band: Band = Field(default_factory=CenterBand, description="which scores are kept")
    fraction: Fraction | None = Field(None, description="share kept (default 0.1); not with low/high")

    @model_validator(mode="before")
    @classmethod
    def _written_out(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        value = dict(value)
        method = value.get("method")
        if isinstance(method, str) and method in cls.ENDS:
            if "band" in value:
                raise ValueError(f"got a band with method {method}, expected none: the method is a band by its name")
            value["method"], value["band"] = cls.ENDS[method]
        band = value.get("band")
        bounded = isinstance(band, RangeBand) or (isinstance(band, dict) and ("low" in band or "high" in band))
        if value.get("fraction") is None and not bounded:
            value["fraction"] = 0.1
        return value

    @model_validator(mode="after")
    def _band_fits(self) -> Self:
        if isinstance(self.band, RangeBand) and self.fraction is not None:
            raise ValueError(
                f"got fraction {self.fraction:g} with a band of low and high, expected one of them: the band fixes"
                " the size; fraction goes with the other bands"
            )
        if self.UNIT:
            for name in ("center", "low", "high"):
                value = getattr(self.band, name, None)
                if isinstance(value, int | float) and not 0 <= value <= 1:
                    word = "one of mean, median or " if name == "center" else ""
                    raise mistake(f"got {value:g}, expected {word}a number >= 0 and <= 1", value, "band", name)
        return self

    def score(self, run: Run) -> np.ndarray:
        """(N,) finite numbers of the run's questions in dataset order. UserError where a question has none."""
        raise NotImplementedError

    def tokens(self, run: Run) -> np.ndarray | None:
        """(N,) tokens of the targets behind scores that are confidences."""
        return None

    @property
    def version(self) -> int:
        """2 where the band has a cut at which ties are drawn."""
        return 1 if isinstance(self.band, RangeBand) and self.band.scale == "value" else 2

    def banded(self, score: str) -> str:
        """`trains_on` for a score of this name: 10 % of the questions, those whose measured pass rate is near 0.5."""
        share = "questions" if self.fraction is None else f"{100 * self.fraction:g} % of the questions, those"
        band = self.band
        if isinstance(band, EndBand):
            return f"{share} whose {score} is {band.end}"
        if isinstance(band, RangeBand):
            bounds = f"{band.low:g} and {band.high:g}"
            rank = "" if band.scale == "value" else "rank by "
            return f"{share} whose {rank}{score} lies between {bounds}"
        if isinstance(band, CalibratedBand):
            return f"{share} whose {score} goes with a pass rate near {band.pass_rate:g}"
        center = f"the {band.center}" if isinstance(band.center, str) else f"{band.center:g}"
        return f"{share} whose {score} is near {center}"

    @property
    def offline(self) -> bool:
        """It keeps a fixed subset."""
        return True

    @property
    def size_field(self) -> str:
        """The band where it fixes the size."""
        return "band" if self.fraction is None else "fraction"

    def kept_of(self, pool: int) -> int | None:
        """See `Selection`; a range of values keeps what the scores decide."""
        if not isinstance(self.band, RangeBand):
            return super().kept_of(pool)
        ends = [math.floor(bound * pool + 1e-9) for bound in (self.band.low, self.band.high)]
        return ends[1] - ends[0] if self.band.scale == "quantile" else None

    def costs(self, pool: int | None, group_size: int) -> Costs:
        """The rollouts that calibrate a band."""
        band = self.band
        return Costs(calibration=band.questions * band.samples if isinstance(band, CalibratedBand) else 0)

    def mistakes(self, setting: Setting) -> Iterator[Mistake]:
        """See `Selection`; questions that calibrate a band come from the pool."""
        yield from super().mistakes(setting)
        if isinstance(self.band, CalibratedBand) and setting.pool is not None and self.band.questions > setting.pool:
            text = f"got {self.band.questions} questions, expected at most {setting.pool}, those of {setting.dataset}"
            yield Mistake("band", text)

    def smoke(self, sizes: Smoke) -> Self:
        """Bands wide enough for two batches, few questions to calibrate on."""
        band: Band = self.band
        if isinstance(band, CalibratedBand):
            band = band.model_copy(update={"questions": sizes.questions_per_step, "samples": sizes.group_size})
        elif isinstance(band, RangeBand):
            # Few questions fall into a narrow band of a small pool; quantiles count them exactly.
            low, high = (band.low, band.high) if self.UNIT or band.scale == "quantile" else (0.0, 1.0)
            width = max(high - low, sizes.least_fraction)
            low = min(max((low + high) / 2 - width / 2, 0.0), 1.0 - width)
            band = RangeBand(low=low, high=min(low + width, 1.0), scale="quantile")
        return super().smoke(sizes).model_copy(update={"band": band})

    def build(self, run: Run) -> Selector:
        """UFO-RL is the band of single-pass confidences around their mean.

        A calibrated band rolls out questions that the run's seed draws. UserError where the pool has fewer than that.
        """
        band, ids = self.band, run.ids
        if isinstance(band, CalibratedBand) and band.questions > len(ids):
            raise UserError(
                f"selection.band.questions: {band.questions}, expected at most the {len(ids)} questions of the pool; "
                f"lower it"
            )

        @cache
        def scores() -> np.ndarray:
            values = self.score(run)
            return in_range(values) if self.UNIT else values

        @cache
        def center() -> float | None:
            if not isinstance(band, CalibratedBand):
                return band_center(scores(), band)
            drawn = np.sort(run.generator("calibration").choice(len(ids), band.questions, replace=False))
            rates = run.resources.pass_rates(band.samples, drawn.tolist())
            return calibrated_center(scores()[drawn], rates, band.pass_rate)

        def tokens() -> np.ndarray | None:
            return self.tokens(run)

        ranged = isinstance(band, RangeBand)
        return SubsetSelector(
            run,
            self.method,
            lambda: band_indices(scores(), band, self.fraction, tie_places(ids, run.generator("ties")), center()),
            scores=scores,
            center=center,
            target_tokens=tokens,
            remedy=f"{'widen selection.band.low and .high' if ranged else 'raise selection.fraction'} or {BATCH_HINT}",
        )


def start_scores(values: np.ndarray, run: Run) -> np.ndarray:
    """Values that belong to the rows of `run.resources`, in the order of the run's questions."""
    return align(values, run.resources.ids, run.ids)
