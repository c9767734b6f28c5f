"""The first sentences of a report: which arms saved steps, tokens or seconds, which did not, and which are open."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.comparable import NOT_COMPARABLE, at_end_beside_baseline, beside_baseline
from analysis.measures import AXES, NEAR_ZERO, Measures
from analysis.runs import Series
from analysis.text import joined, names, sentence


def verdict(measures: Measures) -> str:
    """Which arms saved steps, tokens or seconds, which did not, and which are open."""
    compared = [series for series in measures.panel.series if measures.panel.baseline_of(series)]
    references = names([series.label for series in measures.panel.references])
    if not references:
        return "The baseline has no finished run, so nothing can be compared."
    if not compared:
        return f"Only the baseline {references} has finished runs, so there is nothing to compare."
    if measures.near_zero:
        return (
            f"Accuracy stayed near zero (below {100 * NEAR_ZERO:.0f} %) before and after training, so this study says "
            "nothing about which arm is better."
        )
    unlearned = [series for series in measures.panel.references if not measures.learned(series.label)]
    if unlearned and measures.own_target:
        return (
            f"{names([s.label for s in unlearned])} did not end clearly above the start policy, so time to its final "
            "accuracy says nothing about saving compute."
        )
    if all(min(t.speedup.n) < 2 for t in measures.times if t.speedup):
        return "There is one seed per arm, so whether an arm saved compute beyond chance cannot be said."
    told = (_saved(measures, compared), _open(measures, compared), _apart(measures, compared))
    return " ".join(part for part in told if part)


def _saved(measures: Measures, compared: Sequence[Series]) -> str:
    """Arms that clearly needed less, grouped by what they needed less of."""
    by_axes: dict[tuple[str, ...], list[str]] = {}
    for series in compared:
        axes = tuple(axis for axis in AXES if _clear(measures, series, axis) > 0)
        if axes:
            by_axes.setdefault(axes, []).append(series.label)
    references = names([series.label for series in measures.panel.references])
    goal = f"the final accuracy of {references}" if measures.own_target else "the target accuracy"
    if not by_axes:
        return f"**No arm was shown to reach {goal} with less than {references} needed.**"
    parts = [f"{names(labels)} with clearly fewer {joined(axes)}" for axes, labels in by_axes.items()]
    return f"**{sentence(goal)[:-1]} was reached by {joined(parts)} than {references} needed.**"


def _open(measures: Measures, compared: Sequence[Series]) -> str:
    """What is said of arms that did not clearly win on any axis."""
    slower: dict[tuple[str, ...], list[str]] = {}
    undecided: list[str] = []
    level: list[str] = []
    never: list[str] = []
    single: list[str] = []
    for series in compared:
        signs = {axis: _clear(measures, series, axis) for axis in AXES}
        difference = measures.final(series.label).difference
        if at_end_beside_baseline(measures.panel, series):
            continue
        if len(series.runs) < 2:
            single.append(series.label)
        elif measures.time(series.label, "steps").censored == len(series.runs):
            lower = difference is not None and difference.clear_of(0) < 0
            (never if lower else level).append(series.label)
        elif any(sign < 0 for sign in signs.values()):
            slower.setdefault(tuple(axis for axis in AXES if signs[axis] < 0), []).append(series.label)
        elif not any(signs.values()):
            undecided.append(series.label)
    parts = [f"{names(labels)} needed clearly more {joined(axes)}" for axes, labels in slower.items()]
    if never:
        parts.append(f"{names(never)} ended clearly lower and did not hold it in any seed")
    if level:
        parts.append(f"{names(level)} did not hold it in any seed but did not end clearly lower either")
    if undecided:
        parts.append(f"for {names(undecided)} the intervals leave it open")
    if single:
        parts.append(f"{names(single)} {'has' if len(single) == 1 else 'have'} one seed, which cannot show it")
    return "; ".join(parts) + "." if parts else ""


def _apart(measures: Measures, compared: Sequence[Series]) -> str:
    """Arms that cannot be compared at equal tokens or seconds, and why."""
    parts = []
    for series in compared:
        found = {axis: beside_baseline(measures.panel, series, metric) for axis, metric in AXES.items()}
        reasons = [why.reason for why in found.values() if why is not None]
        if reasons:
            axes = [axis for axis, why in found.items() if why is not None]
            parts.append(f"`{series.label}` is {NOT_COMPARABLE} by {joined(axes)}: {reasons[0]}")
    return sentence("; ".join(parts)) if parts else ""


def _clear(measures: Measures, series: Series, axis: str) -> int:
    """1 where the arm clearly needed less than the baseline, -1 where it clearly needed more, else 0."""
    speedup = measures.time(series.label, axis).speedup
    if speedup is None or beside_baseline(measures.panel, series, AXES[axis]):
        return 0
    return speedup.clear_of(1.0)
