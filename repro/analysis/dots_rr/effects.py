"""What claims about DOTS + RR are judged by: times to the baseline's accuracy, areas, costs per step, predictions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from repro.analysis import axes
from repro.analysis.arms import find
from repro.analysis.comparable import Unfit, unfit
from repro.analysis.dots_rr.area import areas, common_end
from repro.analysis.dots_rr.arms import GRPO, Arms
from repro.analysis.dots_rr.cost import counts, described, rollout_share, rollout_volume
from repro.analysis.effects import Effect, Values, effect_of
from repro.analysis.equal_cost import Saving
from repro.analysis.measures import Measures
from repro.analysis.run import Run
from repro.analysis.runs import Series
from repro.analysis.statistics import Interval
from repro.analysis.text import amount, between, seconds
from repro.analysis.time_to_target import Runs, times_less
from repro.tracking.series import PREDICTOR_PEARSON

AXES = ("steps", "tokens", "seconds")
"""What training is measured by; tokens are generated ones, selection's included."""


def metric_of(axis: str, series: Series) -> str:
    """The cumulative metric behind an axis; for seconds that of the report's clock."""
    return axes.metric_of(LONG.get(axis, axis), series.clock)


LONG = {"tokens": axes.TOKENS}
"""Short name of an axis -> its name in `axes.AXES`, where they differ."""


# ---------------------------------------------------------------- time to the baseline's accuracy


def speedup(panels: Sequence[Measures], label: str | None, axis: str) -> Effect | None:
    """How many times less of `axis` an arm needed than the baseline to reach the baseline's final accuracy.

    See `time_to_target.times_less`, of one panel and of all together.
    """
    own: dict[str, Interval] = {}
    races: list[Runs] = []
    apart: dict[str, Unfit] = {}
    name = ""
    for measures in panels:
        series = find(measures, label)
        reference = measures.panel.baseline_of(series) if series is not None else None
        if series is None or reference is None:
            continue
        name = f"`{reference.label}` ÷ `{series.label}`"
        if why := unfit((series, reference), metric_of(axis, series)):
            apart[measures.panel.title] = next(iter(why.values()))
            continue
        long = LONG.get(axis, axis)
        race, time = measures.race(series, reference, long, measures.target(series)), measures.time(series.label, long)
        if race is not None and time.less is not None:
            races.append(race)
            own[measures.panel.title] = _interval(time.less)
    if not races:
        return effect_of(panels, name, "ratio", {}, apart)
    pooled = times_less(races)
    return Effect(name, "ratio", _interval(pooled), own, {}, apart, withheld=pooled.withheld)


def _interval(found: Saving) -> Interval:
    return Interval(found.value, found.low, found.high, found.n)


# ---------------------------------------------------------------- areas


def area(panels: Sequence[Measures], ours: str | None, theirs: str | None, axis: str) -> Effect | None:
    """Mean accuracy over training of ours - theirs, up to where the shorter of the two ends."""
    if ours is None or theirs is None:
        return None
    return weighted_area(panels, {ours: 1.0, theirs: -1.0}, axis, f"`{ours}` − `{theirs}` over training")


def weighted_area(panels: Sequence[Measures], weights: Mapping[str, float], axis: str, name: str) -> Effect | None:
    """Weighted sum of several arms' mean accuracy over training, by seed, up to where the shortest of them ends."""
    found: dict[str, np.ndarray] = {}
    apart: dict[str, Unfit] = {}
    ends: list[float] = []
    for measures in panels:
        several = {label: one for label in weights if (one := find(measures, label)) is not None}
        if len(several) < len(weights):
            continue
        metric = metric_of(axis, next(iter(several.values())))
        if why := unfit(list(several.values()), metric):
            apart[measures.panel.title] = next(iter(why.values()))
            continue
        end = common_end(measures, list(several.values()), metric)
        ends.append(end)
        heights = {label: areas(measures, one, metric, end) for label, one in several.items()}
        shared = set.intersection(*(set(one) for one in heights.values()))
        sums = [sum(weights[label] * heights[label][seed] for label in weights) for seed in sorted(shared)]
        found[measures.panel.title] = np.array(sums)
    effect = effect_of(panels, name, "points", found, apart)
    return replace(effect, up_to=_ends_said(ends, axis)) if effect is not None and ends else effect


def _ends_said(ends: Sequence[float], axis: str) -> str:
    """The smallest and the largest of the costs: `34 k to 41 k tokens`."""
    return f"{between(ends, seconds if axis == 'seconds' else amount)} {axis}"


# ---------------------------------------------------------------- costs


def per_step(quantity: str | None) -> Values:
    """Ledger amount per training step by seed, evaluation left out; None for seconds (by the report's clock)."""

    def values(measures: Measures, series: Series) -> dict[int, float]:
        name = quantity or series.clock
        return {run.place.seed: run.cost(name) / _steps(run, measures.panel.main) for run in series.runs}

    return values


def _steps(run: Run, main: str) -> int:
    return int(run.evaluations(main)[-1].step)


def volume_error(panels: Sequence[Measures], adjusted: bool = True) -> Effect | None:
    """How far counted completions lie from delta + K / (mu B), as a share; the largest of all arms, runs and pairs.

    `adjusted`: after the warm-up, without top-ups and with reused groups (see `cost.Counted`); else as counted.
    """
    found: dict[str, Interval] = {}
    arms = Arms(panels)
    members: list[str] = []
    for measures in panels:
        worst: dict[int, float] = {}
        for series in measures.panel.series:
            reference = find(measures, one.label) if (one := arms.reference(series.label)) else None
            if reference is None or not described(series):
                continue
            plain = [one.whole for one in counts(reference).values()]
            each = {seed: one.adjusted if adjusted else one.whole for seed, one in counts(series).items()}
            ours = {seed: volume for seed, volume in each.items() if not math.isnan(volume)}
            if not plain or not ours:
                continue
            members.append(series.label)
            for seed, volume in ours.items():
                error = abs(volume / float(np.mean(plain)) / rollout_volume(series) - 1)
                worst[seed] = max(error, worst.get(seed, 0.0))
        if worst:
            found[measures.panel.title] = Interval(max(worst.values()), math.nan, math.nan, len(worst))
    if not found:
        return None
    labels = list(dict.fromkeys(members))
    whose = f"`{labels[0]}`" if len(labels) == 1 else f"{len(labels)} arms"
    name = f"largest error of {whose}{'' if adjusted else ', as counted'}"
    most = max(one.value for one in found.values())
    whole = Interval(most, math.nan, math.nan, sum(one.n for one in found.values()))
    return Effect(name, "percent", whole, found, {}, counted=True)


def time_error(panels: Sequence[Measures], label: str | None) -> Effect | None:
    """Time per step saved against GRPO, measured - predicted, in points of GRPO's step.

    Predicted: rollouts' share of GRPO's time x (1 - volume), the volume as the ledger counted it over the whole run.
    """
    found: dict[str, np.ndarray] = {}
    arms = Arms(panels)
    for measures in panels:
        series = find(measures, label)
        one = arms.reference(series.label) if series is not None else None
        reference = find(measures, one.label) if one is not None else None
        if series is None or reference is None or arms.of(reference.label).role != GRPO:
            continue
        volumes = [
            float(np.mean([found.whole for found in counts(each).values()] or [math.nan]))
            for each in (series, reference)
        ]
        predicted = rollout_share(measures, reference) * (1 - volumes[0] / volumes[1])
        times = [per_step(None)(measures, each) for each in (series, reference)]
        saved = [1 - times[0][seed] / times[1][seed] for seed in times[0] if times[1].get(seed, 0) > 0]
        found[measures.panel.title] = np.array(saved) - predicted
    return effect_of(panels, f"`{label}`, measured − predicted", "points", found)


# ---------------------------------------------------------------- predictions


def pearsons(_: Measures, series: Series) -> dict[int, float]:
    """Mean over evaluations of the correlation on uniform questions, by seed; runs without it left out."""
    found = {run.place.seed: run.metric(PREDICTOR_PEARSON) for run in series.runs}
    return {seed: float(metric.mean()) for seed, metric in found.items() if len(metric)}


def correlation(panels: Sequence[Measures], ours: str | None, theirs: str | None = None) -> Effect | None:
    """`pearsons` of an arm, or how much higher it is than that of another arm on the same seed."""
    found: dict[str, np.ndarray] = {}
    for measures in panels:
        one, other = find(measures, ours), find(measures, theirs)
        if one is None or (theirs is not None and other is None):
            continue
        a = pearsons(measures, one)
        b = pearsons(measures, other) if other is not None else dict.fromkeys(a, 0.0)
        found[measures.panel.title] = np.array([a[seed] - b[seed] for seed in a if seed in b])
    return effect_of(panels, f"`{ours}` − `{theirs}`" if theirs else f"`{ours}`", "correlation", found)
