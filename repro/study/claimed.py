"""How many pairs of model and dataset, and seeds, a study's primary claims rest on, known before anything has run."""

from __future__ import annotations

from dataclasses import dataclass

from repro.spec.schema import Spec
from repro.study.raw_fields import axis_points, runs_on


@dataclass(frozen=True)
class Claimed:
    """One comparison: `pairs` of model and dataset on which both arms run, and the `seeds` that both have."""

    arm: str
    against: str
    pairs: int
    seeds: int


def claimed(spec: Spec) -> tuple[Claimed, ...]:
    """The claims of `report.claims`, each once for every axis point of its arm.

    Without any, every arm that runs on all models and datasets is compared with the baseline. Arms that share no pair
    are compared nowhere.
    """
    baseline = spec.report.baseline or next(iter(spec.arms))
    pairs = [(model, dataset) for model in spec.model for dataset in spec.dataset]
    asked = [(claim.arm, claim.against or baseline) for claim in spec.report.claims]
    if not asked:
        everywhere = [name for name, arm in spec.arms.items() if all(runs_on(arm, *pair) for pair in pairs)]
        asked = [(name, baseline) for name in everywhere if name != baseline]
    found: list[Claimed] = []
    for arm, against in asked:
        both = [pair for pair in pairs if runs_on(spec.arms[arm], *pair) and runs_on(spec.arms[against], *pair)]
        seeds = len(set(spec.seeds_of(arm)) & set(spec.seeds_of(against)))
        if both:
            found += [Claimed(arm, against, len(both), seeds)] * axis_points(spec, *both[0], arm)
    return tuple(found)
