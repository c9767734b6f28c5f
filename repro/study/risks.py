"""Settings of a valid spec that do what they say and are hardly meant: worth a warning."""

from __future__ import annotations

import math
from collections.abc import Iterator

from repro.models.model_spec import ModelSpec
from repro.models.sources import resolved
from repro.spec.document import Problem
from repro.spec.schema import Spec
from repro.study.points import points

BITS = {"bfloat16": 8, "float16": 11}
"""Significant bits of the half-precision types."""

TYPICAL_WEIGHT = 0.02
"""The standard deviation that transformers are initialised with."""


def risky_settings(spec: Spec) -> list[Problem]:
    """One warning for updates that vanish in half precision, for each model; one for all hub models not pinned."""
    return [*_vanishing(spec), *_moving(spec)]


def least_rate(dtype: str) -> float:
    """The smallest AdamW rate that still moves a weight of typical size in a half-precision type.

    An update moves a weight by about the rate. The numbers beside w lie 2^(floor(log2 w) + 1 - bits) apart, and a
    change by less than half of that is rounded away.
    """
    return float(2.0 ** (math.floor(math.log2(TYPICAL_WEIGHT)) - BITS[dtype]))


def _vanishing(spec: Spec) -> Iterator[Problem]:
    told: set[str] = set()
    for point in points(spec):
        cell = point.valid()
        model, rate = cell.model, cell.train.learning_rate
        if model.lora is not None or model.dtype not in BITS or model.label in told or rate >= least_rate(model.dtype):
            continue
        told.add(model.label)
        index = next(i for i, one in enumerate(spec.model) if one.label == model.label)
        yield Problem(
            ("model", index, "dtype"),
            f"warning: got {model.dtype} with train.learning_rate {rate:g}: AdamW moves a weight by about that, and "
            f"beside a weight of {TYPICAL_WEIGHT:g} a change below {least_rate(model.dtype):.1e} is rounded away, so "
            "next to nothing trains; expected dtype float32 with train.precision bfloat16, or lora",
        )


def _moving(spec: Spec) -> Iterator[Problem]:
    named: list[ModelSpec] = list(spec.model)
    for predictor in (spec.predictor, *(arm.predictor for arm in spec.arms.values())):
        if predictor is not None:
            named += [*predictor.policies, *([predictor.embedder] if predictor.embedder else [])]
    named = [resolved(model) for model in named]
    loose = list(dict.fromkeys(str(m.hub) for m in named if m.hub and m.revision is None and not m.stand_in))
    if loose:
        rest = f" and {len(loose) - 1} more" if len(loose) > 1 else ""
        text = f"warning: {loose[0]}{rest} without a revision: what is trained changes when its authors upload again"
        yield Problem(("model",), f"{text}; expected revision: a commit")
