"""What claims about UFO-RL are judged by: differences, ratios and correlations over all models and datasets."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np

from analysis.measures import Measures
from analysis.runs import Series
from analysis.statistics import (
    Interval,
    deviation_ratio,
    fixed_mean,
    pooled_correlation,
    pooled_mean,
    rank_correlation,
    t_interval,
)
from analysis.text import brackets, number, spread
from analysis.ufo_strategies import SCORING, clock, counterpart, find, fraction, matching, seconds_by_seed, strategy

Unit = Literal["points", "ratio", "correlation"]

Values = Callable[[Measures, Series], Mapping[int, float]]


@dataclass(frozen=True)
class Effect:
    """One comparison over all panels. Points are shares in 0..1.

    `panels` holds the same by title of the panel, `datasets` by dataset (its models fixed, seeds the replicates).
    """

    name: str
    unit: Unit
    pooled: Interval
    panels: Mapping[str, Interval]
    datasets: Mapping[str, Interval]

    def text(self, interval: Interval | None = None) -> str:
        """`+1.2 points [0.3, 2.1]`, of the pooled effect or of another interval of the same unit."""
        of = self.pooled if interval is None else interval
        if self.unit == "points":
            return f"{number(100 * of.value, sign=True)} points {brackets(of, 100, sign=True)}"
        if self.unit == "ratio":
            return f"{number(of.value, 2)}× {brackets(of, digits=2)}"
        return spread(of, digits=2)

    @property
    def apart(self) -> str:
        """`arithmetic −1.0 points [−2.0, 0.0], shuffle ...`; empty where there is one dataset."""
        if len(self.datasets) < 2:
            return ""
        return ", ".join(f"{name} {self.text(interval)}" for name, interval in self.datasets.items())


def finals(measures: Measures, series: Series) -> Mapping[int, float]:
    """Accuracy at the last evaluation by seed."""
    return dict(zip(series.seeds, measures.final(series.label).per_seed, strict=True))


def zeros(measures: Measures, series: Series) -> Mapping[int, float]:
    """Zero-variance share of groups, averaged over training, by seed."""
    return dict(zip(series.seeds, measures.zero(series.label).per_seed, strict=True))


def difference(panels: Sequence[Measures], ours: str | None, theirs: str | None, values: Values) -> Effect | None:
    """ours - theirs on the same seed, pooled over the panels that have both (see `statistics.pooled_mean`)."""
    pairs = ((measures, find(measures, ours), find(measures, theirs)) for measures in panels)
    return _difference(panels, [(m, one, other) for m, one, other in pairs if one and other], values)


def at_budget(panels: Sequence[Measures], name: str, budget: str, size: float | None) -> Effect | None:
    """Final accuracy of strategy `name` - full data that stops at the same `budget` (steps, epochs, tokens)."""
    return _difference(panels, list(_beside_full(panels, name, budget, size)), finals)


def _difference(
    panels: Sequence[Measures], arms: Sequence[tuple[Measures, Series, Series]], values: Values
) -> Effect | None:
    found: dict[str, np.ndarray] = {}
    name = ""
    for measures, one, other in arms:
        a, b = values(measures, one), values(measures, other)
        pairs = [a[seed] - b[seed] for seed in a if seed in b]
        if pairs and not all(map(math.isnan, pairs)):
            found[measures.panel.title], name = np.array(pairs), f"`{one.label}` − `{other.label}`"
    if not found:
        return None
    own = {title: t_interval(pairs) for title, pairs in found.items()}
    return Effect(name, "points", pooled_mean(list(found.values())), own, _apart(panels, found, fixed_mean))


def _beside_full(
    panels: Sequence[Measures], name: str, budget: str, size: float | None
) -> Iterator[tuple[Measures, Series, Series]]:
    """On each panel the first arm of strategy `name` and that size that stops at `budget`, with its full data."""
    for measures in panels:
        for series in measures.panel.series:
            own = strategy(series.selection, series.replay) == name and matching(series)[0] == budget
            full = counterpart(measures, series, "full") if own and fraction(series.selection) == size else None
            if full is not None:
                yield measures, series, full
                break


T = TypeVar("T")


def _apart(
    panels: Sequence[Measures], found: Mapping[str, T], pool: Callable[[list[T]], Interval]
) -> dict[str, Interval]:
    """What was found by title of panel, pooled inside each dataset."""
    by_dataset: dict[str, list[T]] = {}
    for measures in panels:
        if measures.panel.title in found:
            by_dataset.setdefault(measures.panel.dataset, []).append(found[measures.panel.title])
    return {dataset: pool(values) for dataset, values in by_dataset.items()}


def time_logs(slow: Series, fast: Series, scoring: bool) -> np.ndarray:
    """(seeds,) logarithms of the seconds (see `clock`) of one arm ÷ another's on the same seed."""
    a, b = seconds_by_seed(slow, scoring), seconds_by_seed(fast, scoring)
    return np.array([math.log(a[seed] / b[seed]) for seed in b if seed in a and a[seed] > 0 and b[seed] > 0])


def time_ratio(slow: Series, fast: Series, scoring: bool) -> Interval:
    """Geometric mean of the ratio of seconds over paired seeds with its 95 % t-interval; NaN without a pair."""
    return _exp(t_interval(time_logs(slow, fast, scoring)))


def time_saved(panels: Sequence[Measures], name: str, budget: str, size: float | None) -> Effect | None:
    """Full data ÷ the arm of strategy `name`, seconds (see `clock`) with scoring, paired by seed, as a geometric
    mean."""
    found: dict[str, np.ndarray] = {}
    label = reference = ""
    for measures, series, full in _beside_full(panels, name, budget, size):
        logs = time_logs(full, series, True)
        if len(logs):
            found[measures.panel.title], label, reference = logs, series.label, full.label
    if not found:
        return None
    own_panels = {title: _exp(t_interval(logs)) for title, logs in found.items()}
    apart = {name: _exp(logs) for name, logs in _apart(panels, found, fixed_mean).items()}
    return Effect(f"`{reference}` ÷ `{label}`", "ratio", _exp(pooled_mean(list(found.values()))), own_panels, apart)


def cheaper(panels: Sequence[Measures], ours: str | None, theirs: str | None) -> Effect | None:
    """Seconds (see `clock`) that arm `theirs` spent on finding out what to train on ÷ those of `ours`.

    Seeds share one measurement, so a panel is one number without an interval of its own.
    """
    found: dict[str, np.ndarray] = {}
    for measures in panels:
        one, other = find(measures, ours), find(measures, theirs)
        if one is None or other is None:
            continue
        a, b = (sum(measures.cost(s.label, phase, clock(s)) for phase in SCORING) for s in (one, other))
        if a > 0 and b > 0:
            found[measures.panel.title] = np.array([math.log(b / a)])
    if not found:
        return None
    own = {title: _exp(t_interval(logs)) for title, logs in found.items()}
    return Effect(f"`{theirs}` ÷ `{ours}`", "ratio", _exp(pooled_mean(list(found.values()))), own, {})


def _exp(interval: Interval) -> Interval:
    return Interval(math.exp(interval.value), math.exp(interval.low), math.exp(interval.high), interval.n)


def tracks(panels: Sequence[Measures], label: str | None) -> Effect | None:
    """Spearman's correlation of the confidence with the start policy's pass rate over the pool, panel by panel."""
    found = {}
    for measures in panels:
        series = find(measures, label)
        if series is None:
            continue
        rates = _first((run.json("base.json").get("pool") or {}).get("pass_rates") for run in series.runs)
        scores = _first(run.json("selection.json").get("scores") for run in series.runs)
        shared = [q for q in rates if q in scores]
        rho = rank_correlation([scores[q] for q in shared], [rates[q] for q in shared])
        if not math.isnan(rho.value):
            found[measures.panel.title] = rho
    if not found:
        return None
    pooled = pooled_correlation(list(found.values()))
    return Effect("Spearman's rho", "correlation", pooled, found, _apart(panels, found, pooled_correlation))


def _first(found: Iterable[Mapping[str, float] | None]) -> Mapping[str, float]:
    return next(filter(None, found), {})


def steadier(panels: Sequence[Measures], full: str | None, ufo: str | None) -> Effect | None:
    """Standard deviation over seeds of full data ÷ that of UFO."""
    a: list[Sequence[float]] = []
    b: list[Sequence[float]] = []
    own = {}
    for measures in panels:
        one, other = find(measures, full), find(measures, ufo)
        if one is not None and other is not None:
            a.append(measures.final(one.label).per_seed)
            b.append(measures.final(other.label).per_seed)
            own[measures.panel.title] = deviation_ratio(a[-1:], b[-1:])
    return Effect(f"SD `{full}` ÷ SD `{ufo}`", "ratio", deviation_ratio(a, b), own, {}) if own else None
