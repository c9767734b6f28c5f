"""What claims are judged by: differences and ratios of two arms, paired by seed, over all models and datasets."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeVar

import numpy as np

from analysis.arms import find
from analysis.comparable import NOT_COMPARABLE, Unfit, titles_said, unfit_at_end
from analysis.measures import Measures
from analysis.runs import Series
from analysis.statistics import Interval, fixed_mean, pooled_mean, t_interval
from analysis.text import brackets, number, points, ratio_point, spread
from analysis.times import Bounds

Unit = Literal["points", "ratio", "correlation", "percent"]

Values = Callable[[Measures, Series], Mapping[int, float]]
"""A number of each run of a series, by seed."""

Pairs = Sequence[tuple[Measures, Series, Series]]


@dataclass(frozen=True)
class Effect:
    """One comparison over all panels. Points and percent are shares, 0.01 for one.

    `panels` holds the same by title of the panel, `datasets` by dataset (its models fixed, seeds the replicates).
    `unfit` names the panels that are in none of these, because the arms cannot be compared there. `point` is the pooled
    ratio where runs that never reached their target leave it a range; its value is NaN then.
    """

    name: str
    unit: Unit
    pooled: Interval
    panels: Mapping[str, Interval]
    datasets: Mapping[str, Interval]
    point: Bounds | None = None
    unfit: Mapping[str, Unfit] = field(default_factory=dict)

    @property
    def comparable(self) -> bool:
        """Whether the arms can be compared on some panel."""
        return bool(self.panels) or not self.unfit

    @property
    def told(self) -> str:
        """The pooled effect, and where and why the arms cannot be compared."""
        if not self.unfit:
            return self.text()
        apart = titles_said(self.unfit)
        return f"{self.text()}; {apart}" if self.comparable else apart

    @property
    def cell(self) -> str:
        """The pooled difference in points, or that the arms cannot be compared."""
        return points(self.pooled) if self.comparable else NOT_COMPARABLE

    def text(self, interval: Interval | None = None) -> str:
        """`+1.2 points [0.3, 2.1]`, of the pooled effect or of another interval of the same unit."""
        if interval is None and not self.comparable:
            return NOT_COMPARABLE
        of = self.pooled if interval is None else interval
        if self.unit == "points":
            return f"{number(100 * of.value, sign=True)} points {brackets(of, 100, sign=True)}"
        if self.unit == "ratio":
            ranged = interval is None and self.point is not None and not self.point.exact
            told = ratio_point(self.point) if ranged and self.point is not None else f"{number(of.value, 2)}×"
            return f"{told} {brackets(of, digits=2)}"
        if self.unit == "percent":
            return f"{number(100 * of.value, 2)} % {brackets(of, 100, 2)}"
        return spread(of, digits=2)

    @property
    def apart(self) -> str:
        """`arithmetic −1.0 points [−2.0, 0.0], shuffle ...`; empty where there is one dataset."""
        if len(self.datasets) < 2:
            return ""
        return ", ".join(f"{name} {self.text(interval)}" for name, interval in self.datasets.items())


def named(effect: Effect | None, more: str) -> Effect | None:
    """The same effect with `more` added to its name, where the arms alone do not say what was measured."""
    return replace(effect, name=effect.name + more) if effect is not None else None


# ---------------------------------------------------------------- numbers of runs


def finals(measures: Measures, series: Series) -> Mapping[int, float]:
    """Accuracy at the last evaluation by seed."""
    return dict(zip(series.seeds, measures.final(series.label).per_seed, strict=True))


def zeros(measures: Measures, series: Series) -> Mapping[int, float]:
    """Zero-variance share of groups, averaged over training, by seed."""
    return dict(zip(series.seeds, measures.zero(series.label).per_seed, strict=True))


def effective(measures: Measures, series: Series) -> Mapping[int, float]:
    """Share of groups with a gradient, averaged over training, by seed."""
    return {seed: 1 - share for seed, share in zeros(measures, series).items()}


# ---------------------------------------------------------------- two arms


def both(panels: Sequence[Measures], ours: str | None, theirs: str | None) -> Pairs:
    """(panel, our arm, their arm) of every panel that has both."""
    found = ((measures, find(measures, ours), find(measures, theirs)) for measures in panels)
    return [(measures, one, other) for measures, one, other in found if one and other]


def difference(panels: Sequence[Measures], ours: str | None, theirs: str | None, values: Values) -> Effect | None:
    """ours - theirs on the same seed, pooled over the panels that have both (see `statistics.pooled_mean`)."""
    return difference_of(panels, both(panels, ours, theirs), values)


def difference_of(panels: Sequence[Measures], arms: Pairs, values: Values) -> Effect | None:
    """The same for pairs of arms that may have other labels on other panels."""
    found: dict[str, np.ndarray] = {}
    name, unfit = "", {}
    for measures, one, other in arms:
        why = unfit_at_end(one, other) if values is finals else None
        if why is not None:
            unfit[measures.panel.title], name = why, f"`{one.label}` − `{other.label}`"
            continue
        a, b = values(measures, one), values(measures, other)
        pairs = np.array([a[seed] - b[seed] for seed in a if seed in b])
        if not np.isnan(pairs).all():
            found[measures.panel.title], name = pairs, f"`{one.label}` − `{other.label}`"
    return effect_of(panels, name, "points", found, unfit)


def ratio(panels: Sequence[Measures], ours: str | None, theirs: str | None, values: Values) -> Effect | None:
    """theirs ÷ ours on the same seed, as a geometric mean, pooled over the panels that have both."""
    return ratio_of(panels, both(panels, ours, theirs), values)


def ratio_of(panels: Sequence[Measures], arms: Pairs, values: Values) -> Effect | None:
    """The same for pairs of arms that may have other labels on other panels."""
    found: dict[str, np.ndarray] = {}
    name = ""
    for measures, one, other in arms:
        a, b = values(measures, one), values(measures, other)
        logs = log_ratios(b, a)
        if len(logs):
            found[measures.panel.title], name = logs, f"`{other.label}` ÷ `{one.label}`"
    return effect_of(panels, name, "ratio", found)


def log_ratios(above: Mapping[int, float], below: Mapping[int, float]) -> np.ndarray:
    """(seeds,) logarithms of above ÷ below on the seeds that both have, where both are positive."""
    shared = [seed for seed in below if above.get(seed, 0) > 0 and below[seed] > 0]
    return np.array([math.log(above[seed] / below[seed]) for seed in shared])


# ---------------------------------------------------------------- pooling


def effect_of(
    panels: Sequence[Measures],
    name: str,
    unit: Unit,
    found: Mapping[str, np.ndarray],
    unfit: Mapping[str, Unfit] | None = None,
) -> Effect | None:
    """The effect behind values of seeds by title of panel; those of a ratio are logarithms.

    `unfit`: why the arms cannot be compared on further panels. None without a value and without such a panel.
    """
    known = {title: values for title, values in found.items() if len(values) and not np.isnan(values).all()}
    if not known and not unfit:
        return None
    scale = exponential if unit == "ratio" else _same
    own = {title: scale(t_interval(values)) for title, values in known.items()}
    datasets = {dataset: scale(one) for dataset, one in apart(panels, known, fixed_mean).items()}
    return Effect(name, unit, scale(pooled_mean(list(known.values()))), own, datasets, None, unfit or {})


T = TypeVar("T")


def apart(
    panels: Sequence[Measures], found: Mapping[str, T], pool: Callable[[list[T]], Interval]
) -> dict[str, Interval]:
    """What was found by title of panel, pooled inside each dataset."""
    by_dataset: dict[str, list[T]] = {}
    for measures in panels:
        if measures.panel.title in found:
            by_dataset.setdefault(measures.panel.dataset, []).append(found[measures.panel.title])
    return {dataset: pool(values) for dataset, values in by_dataset.items()}


def exponential(interval: Interval) -> Interval:
    """An interval of logarithms as one of ratios."""
    return Interval(math.exp(interval.value), math.exp(interval.low), math.exp(interval.high), interval.n)


def _same(interval: Interval) -> Interval:
    return interval
