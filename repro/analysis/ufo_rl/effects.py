"""What claims about UFO-RL are judged by beside differences: strategies at one budget, times, correlations, spread."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from repro.analysis.arms import SCORING, find, matching, seconds_by_seed
from repro.analysis.effects import Effect, apart, difference_of, effect_of, exponential, finals, log_ratios, ratio_of
from repro.analysis.measures import Measures
from repro.analysis.runs import Series
from repro.analysis.statistics import (
    Interval,
    deviation_ratio,
    pooled_correlation,
    rank_correlation,
    t_interval,
)
from repro.analysis.ufo_rl.strategies import counterpart, fraction, strategy_of


def at_budget(panels: Sequence[Measures], name: str, budget: str, size: float | None) -> Effect | None:
    """Final accuracy of strategy `name` - full data that stops at the same `budget` (steps, epochs, tokens)."""
    return difference_of(panels, list(_beside_full(panels, name, budget, size)), finals)


def _beside_full(
    panels: Sequence[Measures], name: str, budget: str, size: float | None
) -> Iterator[tuple[Measures, Series, Series]]:
    """On each panel the first arm of strategy `name` and that size that stops at `budget`, with its full data."""
    for measures in panels:
        for series in measures.panel.series:
            own = strategy_of(series) == name and matching(series)[0] == budget
            full = counterpart(measures, series, "full") if own and fraction(series) == size else None
            if full is not None:
                yield measures, series, full
                break


def time_ratio(slow: Series, fast: Series, scoring: bool) -> Interval:
    """Geometric mean of the ratio of seconds, by the report's clock, over paired seeds with its t-interval."""
    return exponential(t_interval(log_ratios(seconds_by_seed(slow, scoring), seconds_by_seed(fast, scoring))))


def time_saved(panels: Sequence[Measures], name: str, budget: str, size: float | None) -> Effect | None:
    """Full data ÷ the arm of strategy `name`, seconds by the report's clock with scoring, as a geometric mean."""
    arms = list(_beside_full(panels, name, budget, size))
    return ratio_of(panels, arms, lambda _, series: seconds_by_seed(series, True))


def cheaper(panels: Sequence[Measures], ours: str | None, theirs: str | None) -> tuple[Effect | None, Effect | None]:
    """What arm `theirs` spent on finding out what to train on ÷ the same of `ours`: in FLOPs, and in seconds.

    FLOPs are counted. Seconds (by the report's clock) were measured once for all seeds, so that a panel is one number
    and the mean over panels has no interval.
    """
    return _spent(panels, ours, theirs, "flops"), _spent(panels, ours, theirs, None)


def _spent(panels: Sequence[Measures], ours: str | None, theirs: str | None, quantity: str | None) -> Effect | None:
    """One amount of the ledger; None for seconds."""
    found: dict[str, np.ndarray] = {}
    for measures in panels:
        one, other = find(measures, ours), find(measures, theirs)
        if one is None or other is None:
            continue
        a, b = (sum(measures.cost(s.label, phase, quantity or s.clock) for phase in SCORING) for s in (one, other))
        if a > 0 and b > 0:
            found[measures.panel.title] = np.array([math.log(b / a)])
    name = f"`{theirs}` ÷ `{ours}` in {'FLOPs' if quantity else 'seconds, measured once'}"
    return effect_of(panels, name, "ratio", found, counted=quantity is not None)


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
    return Effect("Spearman's rho", "correlation", pooled, found, apart(panels, found, pooled_correlation))


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
