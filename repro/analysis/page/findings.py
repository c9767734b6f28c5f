"""Sentences about one model and dataset, each computed from the store: what stands behind the answer, and warnings.

No sentence takes a side that its interval does not: an interval clear of zero reads as better or worse, anything else
as no clear difference, and a single seed as no interval at all.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from repro.analysis.measures import Measures
from repro.analysis.page.warnings import warnings
from repro.analysis.results import Final
from repro.analysis.statistics import Interval
from repro.analysis.study import Study
from repro.analysis.text import between, brackets, joined, names, number, percent, sentence
from repro.words import plural

NAMED, LENGTH = 4, 100
"""A question names so many arms, if their names take so many characters; of more it tells how many."""


@dataclass(frozen=True)
class Findings:
    """Text in the light markup of `repro.analysis.markup.as_html`."""

    behind: tuple[tuple[str, str], ...]  # (word, text): what stands behind the answer
    warnings: tuple[str, ...]


def findings(measures: Measures) -> Findings:
    """Everything that is said of one panel."""
    behind = [("Start and end", gain(measures)), ("Groups with a gradient", groups(measures))]
    behind.append(("Sharpening", sharpening(measures)))
    warned = (*(one.text for one in warnings([measures])), *lengths(measures))
    return Findings(tuple((word, text) for word, text in behind if text), warned)


def derived_question(study: Study) -> str:
    """What the study asks, from the spec's own words or from what it compares."""
    if study.spec.question:
        return study.spec.question
    others = [arm for arm in study.spec.arms if arm != study.baseline]
    if not others:
        return f"How does `{study.baseline}` learn?"
    few = len(others) <= NAMED and len(names(others)) <= LENGTH
    who = names(others) if few else f"any of {plural(len(others), 'arm')}"
    return f"{'Does' if len(others) == 1 else 'Do'} {who} learn more than `{study.baseline}` at equal cost?"


def gain(measures: Measures) -> str:
    """How far the baseline came, and what the start policy was."""
    start, sentences = measures.start, []
    for series in measures.panel.references or measures.panel.series[:1]:
        final = measures.final(series.label)
        begin = f"The start policy solves {percent(start.sampled)} of {start.asked.held_out}"
        size = _change(final.gain.value)
        interval = brackets(final.gain, 100, sign=True)
        verb = {1: "a gain of", -1: "a loss of", 0: "no clear change:"}[final.gain.clear_of(0)]
        amount = size if final.gain.clear_of(0) else f"{number(100 * final.gain.value, sign=True)} points"
        sentences.append(
            f"{begin} ({final.asked.avg} at temperature {start.asked.temperature}); `{series.label}` solves "
            f"{percent(final.accuracy)} after {plural(round(final.step.value), 'step')}, {verb} {amount} {interval} "
            f"over {plural(len(final.per_seed), 'seed')}."
        )
    return " ".join(sentences)


def groups(measures: Measures) -> str:
    """Share of groups with a gradient, and which arms raised it."""
    if not measures.panel.references or math.isnan(measures.zero_variance[0].mean.value):
        return ""
    own = [f"{percent(_left(1.0, measures.zero(s.label).mean))} under `{s.label}`" for s in measures.panel.references]
    sides: dict[str, list[tuple[str, Interval]]] = {}
    for share in measures.zero_variance:
        if share.difference is not None:
            more = _left(0.0, share.difference)
            kind = "unknown" if not more.known else {1: "higher", -1: "lower", 0: "unclear"}[more.clear_of(0)]
            sides.setdefault(kind, []).append((share.series.label, more))
    parts = [f"Over training the share of rolled-out groups with a gradient was {joined(own)}"]
    for kind, begin in (
        ("higher", "It was higher under"),
        ("lower", "It was lower under"),
        ("unclear", "It was not clearly different under"),
        ("unknown", "One seed cannot tell for"),
    ):
        if kind in sides:
            parts.append(f"{begin} {_each(sides[kind])}")
    return " ".join(map(sentence, parts))


def _left(of: float, taken: Interval) -> Interval:
    """What is left of a number."""
    return Interval(of - taken.value, of - taken.high, of - taken.low, taken.n)


def _each(found: Sequence[tuple[str, Interval]]) -> str:
    """Arms with their differences; of many how many they are, with the least and the most."""
    if len(found) > NAMED:
        sizes = between((100 * one.value for _, one in found), lambda value: number(value, sign=True))
        return f"{len(found)} arms ({sizes} points)"
    return joined([f"`{label}` ({number(100 * one.value, sign=True)} points {brackets(one, 100, sign=True)})"
                   for label, one in found])  # fmt: skip


def sharpening(measures: Measures) -> str:
    """How much of a gain sharper decoding of the start policy would have given."""
    start = measures.start
    if math.isnan(start.greedy) or not measures.panel.references:
        return ""
    reference = measures.final(measures.panel.references[0].label)
    label, lower = reference.series.label, dict(start.temperatures)
    told = [f"{number(100 * value)} % at temperature {t:g}" for t, value in sorted(lower.items(), reverse=True)]
    told.append(f"{number(100 * start.greedy)} % greedily")
    free = max([start.greedy, *lower.values()]) - start.sampled.value
    parts = [f"Without training, but decoded more sharply, the start policy solves {joined(told)}"]
    whole = reference.gain.value
    if reference.gain.clear_of(0) > 0 and free > 0:
        if free >= whole:
            parts.append(f"So the whole gain of `{label}` could be sharpening")
        else:
            parts.append(f"So {number(100 * free)} of the {number(100 * whole)} points could be sharpening")
    parts.append(_greedy(reference))
    return " ".join(sentence(part) for part in parts if part)


def _greedy(final: Final) -> str:
    greedy = final.greedy_gain
    if math.isnan(greedy.value):
        return ""
    change = {1: "rose", -1: "fell", 0: "did not clearly change"}[greedy.clear_of(0)]
    if not greedy.known:
        change = "changed"
    return (
        f"Greedy accuracy under `{final.series.label}` {change} "
        f"({number(100 * greedy.value, sign=True)} points {brackets(greedy, 100, sign=True)})"
    )


def _change(value: float) -> str:
    return f"{number(abs(100 * value))} points"


def lengths(measures: Measures) -> tuple[str, ...]:
    """Whether arms without a budget end after different numbers of steps."""
    ends = {final.step.value for final in measures.finals}
    apart = len(ends) > 1 and measures.panel.series[0].cell.get("budget") is None
    text = "Arms were trained for different numbers of steps: final accuracies are not matched on steps."
    return (text,) if apart else ()
