"""What claims are judged by: differences and ratios of two arms, paired by seed, over all models and datasets."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeVar

import numpy as np

from repro.analysis.arms import find
from repro.analysis.comparable import NOT_COMPARABLE, Unfit, titles_said, unfit_at_end
from repro.analysis.estimates import Estimate, differ, mean_of, over_tasks, over_these
from repro.analysis.measures import Measures
from repro.analysis.runs import Series
from repro.analysis.statistics import Interval, fixed_mean, t_interval
from repro.analysis.text import brackets, digits_beside, not_reached, number, p_value, points, spread

Unit = Literal["points", "ratio", "correlation", "percent"]

Values = Callable[[Measures, Series], Mapping[int, float]]
"""A number of each run of a series, by seed."""

DIFFER = 0.05
"""Largest p-value at which tasks are said to differ."""

Pairs = Sequence[tuple[Measures, Series, Series]]


SEEN = 1 + 0.8416 / 1.96
"""Half a 95 % interval times this is seen with a chance of 80 %: quantiles of the normal distribution."""

TASKS = 3
"""From this many tasks on, an interval over tasks says something of others."""


@dataclass(frozen=True)
class Effect:
    """One comparison over all panels. Points and percent are shares, 0.01 for one.

    `pooled` is the mean over these pairs of model and task, and speaks of no others: seeds vary. `panels` holds the
    same by title of the panel, `datasets` by task. `other_tasks` has tasks as units, None for fewer than three;
    `tasks_differ` is the p-value of all tasks being alike, NaN where it cannot be told. `unfit` names the panels that
    are in none of these, because the arms cannot be compared there. `withheld` says why a ratio is not told. `up_to`:
    the cost up to which the arms are compared, such as `34 k to 41 k tokens`; "" where that is the end of training.
    `counted`: every value is an exact count of these runs, so that there is nothing to estimate: it has no interval,
    and the number itself is judged.
    """

    name: str
    unit: Unit
    pooled: Interval
    panels: Mapping[str, Interval]
    datasets: Mapping[str, Interval]
    unfit: Mapping[str, Unfit] = field(default_factory=dict)
    other_tasks: Interval | None = None
    tasks_differ: float = math.nan
    withheld: str = ""
    counted: bool = False
    up_to: str = ""

    @property
    def comparable(self) -> bool:
        """Whether the arms can be compared on some panel."""
        return bool(self.panels) or not self.unfit

    def told(self, bars: Sequence[float] = ()) -> str:
        """The pooled effect, what it is over tasks, and where and why the arms cannot be compared.

        Bounds that would round to one of the `bars` get another digit.
        """
        text = self.text(bars=bars) + (f", up to {self.up_to}" if self.up_to else "")
        if self.other_tasks is not None:
            text += f"; over other tasks {self.text(self.other_tasks, bars)}"
        if self.tasks_differ <= DIFFER:
            said = p_value(self.tasks_differ)
            text += f"; the tasks differ (p {said if said.startswith('<') else f'= {said}'})"
        if not self.unfit:
            return text
        apart = titles_said(self.unfit)
        return f"{text}; {apart}" if self.comparable else apart

    @property
    def smallest_seen(self) -> float:
        """The smallest true distance from its bar that such an interval shows four times in five: `SEEN` times half of
        it, for a ratio as a factor. NaN without an interval."""
        if self.counted or not self.comparable or not (self.pooled.known and math.isfinite(self.pooled.high)):
            return math.nan
        if self.unit != "ratio":
            return SEEN * (self.pooled.high - self.pooled.low) / 2
        low = self.pooled.low
        return math.exp(SEEN * math.log(self.pooled.high / low) / 2) if low > 0 else math.nan

    def amount(self, value: float) -> str:
        """A size in the effect's unit, without a sign: `2.3 points`, `1.08×`."""
        return self._number(value).lstrip("+")

    @property
    def cell(self) -> str:
        """The pooled difference in points, or that the arms cannot be compared."""
        return points(self.pooled) if self.comparable else NOT_COMPARABLE

    def text(self, interval: Interval | None = None, bars: Sequence[float] = ()) -> str:
        """`+1.2 points [0.3, 2.1]`, of the pooled effect or of another interval of the same unit."""
        if interval is None and not self.comparable:
            return NOT_COMPARABLE
        if self.withheld:
            return f"not told: {self.withheld}"
        of = self.pooled if interval is None else interval
        if self.counted:
            return f"{self._number(of.value)} (counted)"
        if self.unit == "points":
            digits = digits_beside(of, bars or (0.0,), 100, 1)
            return f"{number(100 * of.value, digits, sign=True)} points {brackets(of, 100, digits, sign=True)}"
        if self.unit == "ratio":
            digits = digits_beside(of, bars or (1.0,), 1, 2)
            if math.isnan(of.value) and of.known:
                return not_reached(of.high, digits, "×")
            return f"{number(of.value, digits)}× {brackets(of, digits=digits)}"
        if self.unit == "percent":
            digits = digits_beside(of, bars, 100, 2)
            return f"{number(100 * of.value, digits)} % {brackets(of, 100, digits)}"
        return spread(of, digits=digits_beside(of, bars, 1, 2))

    def _number(self, value: float) -> str:
        """One value in its unit."""
        scale, digits, ending = {
            "points": (100, 1, " points"),
            "percent": (100, 2, " %"),
            "ratio": (1, 2, "×"),
            "correlation": (1, 2, ""),
        }[self.unit]
        return f"{number(scale * value, digits, sign=self.unit == 'points')}{ending}"


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
    """ours - theirs on the same seed, pooled over the panels that have both (see `Effect`)."""
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


def ratio(
    panels: Sequence[Measures], ours: str | None, theirs: str | None, values: Values, counted: bool = False
) -> Effect | None:
    """theirs ÷ ours on the same seed, as a geometric mean, pooled over the panels that have both."""
    return ratio_of(panels, both(panels, ours, theirs), values, counted)


def ratio_of(panels: Sequence[Measures], arms: Pairs, values: Values, counted: bool = False) -> Effect | None:
    """The same for pairs of arms that may have other labels on other panels. `counted`: as in `Effect`."""
    found: dict[str, np.ndarray] = {}
    name = ""
    for measures, one, other in arms:
        a, b = values(measures, one), values(measures, other)
        logs = log_ratios(b, a)
        if len(logs):
            found[measures.panel.title], name = logs, f"`{other.label}` ÷ `{one.label}`"
    return effect_of(panels, name, "ratio", found, counted=counted)


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
    counted: bool = False,
) -> Effect | None:
    """The effect behind values of seeds by title of panel; those of a ratio are logarithms.

    `unfit`: why the arms cannot be compared on further panels. `counted`: as in `Effect`. None without a value and
    without such a panel.
    """
    known = {title: values for title, values in found.items() if len(values) and not np.isnan(values).all()}
    if not known and not unfit:
        return None
    scale = exponential if unit == "ratio" else _same
    if counted:
        exact = {title: _exact(scale(t_interval(values))) for title, values in known.items()}
        whole = _exact(scale(fixed_mean(list(known.values()))))
        return Effect(name, unit, whole, exact, {}, unfit or {}, counted=True)
    own = {title: scale(t_interval(values)) for title, values in known.items()}
    datasets = {dataset: scale(one) for dataset, one in apart(panels, known, fixed_mean).items()}
    by_task = _by_task(panels, {title: mean_of(values) for title, values in known.items()})
    others = over_tasks(by_task).interval() if len(by_task) >= TASKS else None
    if others is not None and not others.known:
        others = None
    return Effect(
        name,
        unit,
        scale(fixed_mean(list(known.values()))),
        own,
        datasets,
        unfit or {},
        None if others is None else scale(others),
        differ([over_these(task) for task in by_task]),
    )


def _by_task(panels: Sequence[Measures], found: Mapping[str, Estimate]) -> list[list[Estimate]]:
    """The estimates of each task, by the titles of its panels."""
    tasks: dict[str, list[Estimate]] = {}
    for measures in panels:
        if measures.panel.title in found:
            tasks.setdefault(measures.panel.dataset, []).append(found[measures.panel.title])
    return list(tasks.values())


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


def _exact(interval: Interval) -> Interval:
    """The value alone: what is counted has no interval."""
    return Interval(interval.value, math.nan, math.nan, interval.n)


def _same(interval: Interval) -> Interval:
    return interval
