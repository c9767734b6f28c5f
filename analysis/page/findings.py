"""Sentences about one model and dataset, each computed from the store: what stands behind the answer, and warnings.

No sentence takes a side that its interval does not: an interval clear of zero reads as better or worse, anything else
as no clear difference, and a single seed as no interval at all.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from analysis.measures import Measures
from analysis.page.warnings import warnings
from analysis.results import Final
from analysis.study import Study
from analysis.text import brackets, joined, names, number, percent, sentence
from repro.words import plural


@dataclass(frozen=True)
class Findings:
    """Text in the light markup of `analysis.markup.as_html`."""

    behind: tuple[tuple[str, str], ...]  # (word, text): what stands behind the answer
    warnings: tuple[str, ...]


def findings(measures: Measures) -> Findings:
    """Everything that is said of one panel."""
    behind = [("Start and end", gain(measures)), ("Groups with a gradient", groups(measures))]
    behind.append(("Sharpening", sharpening(measures)))
    return Findings(tuple((word, text) for word, text in behind if text), (*warnings([measures]), *lengths(measures)))


def derived_question(study: Study) -> str:
    """What the study asks, from the spec's own words or from what it compares."""
    if study.spec.question:
        return study.spec.question
    others = [arm for arm in study.spec.arms if arm != study.baseline]
    if not others:
        return f"How does `{study.baseline}` learn?"
    do = "Does" if len(others) == 1 else "Do"
    return f"{do} {names(others)} reach the accuracy of `{study.baseline}` with less compute, or a higher one?"


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
    """Share of groups without gradient, and which arms lowered it."""
    if not measures.panel.references or math.isnan(measures.zero_variance[0].mean.value):
        return ""
    own = [f"{percent(measures.zero(s.label).mean)} under `{s.label}`" for s in measures.panel.references]
    fewer: list[str] = []
    alone: list[str] = []
    more: list[str] = []
    unclear: list[str] = []
    for share in measures.zero_variance:
        if share.difference is None:
            continue
        sign = share.difference.clear_of(0)
        size = f"{number(100 * share.difference.value, sign=True)} points {brackets(share.difference, 100, sign=True)}"
        said = f"`{share.series.label}` ({size})"
        kind = more if sign > 0 else fewer if sign < 0 else unclear if share.difference.known else alone
        kind.append(said)
    parts = [f"Over training the share of rolled-out groups without a gradient was {joined(own)}"]
    if fewer:
        parts.append(f"It was lower under {joined(fewer)}")
    if more:
        parts.append(f"It was higher under {joined(more)}")
    if unclear:
        parts.append(f"It was not clearly different under {joined(unclear)}")
    if alone:
        parts.append(f"One seed cannot tell for {joined(alone)}")
    return " ".join(map(sentence, parts))


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
