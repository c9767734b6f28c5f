"""What a reader must know of a study's runs before believing an answer, the gravest first and each kind once."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from repro.analysis.arms import UNPAID, bounds
from repro.analysis.measures import HARDLY, Measures
from repro.analysis.page.stopped import stopped_text
from repro.analysis.statistics import Interval
from repro.analysis.text import between, names, number, percent, points
from repro.words import plural

NAMED = 2
"""The line above the answer names so many arms, if their names are short; of more it tells how many."""

SHORT_NAMES = 30
"""Characters of such names together."""


@dataclass(frozen=True)
class Warned:
    """Text in the light markup of `repro.analysis.markup.as_html`.

    `short` says the same in a few words, without the full stop, where it can change the answer; else it is empty.
    """

    text: str
    short: str = ""


def warnings(several: Sequence[Measures], asked: Collection[str] = ()) -> tuple[Warned, ...]:
    """Of one model and dataset, or of several together, whose titles are told where a warning is of some only.

    `asked`: labels of the arms that the answer names.
    """
    found = [*_near_zero(several), *_nothing_learned(several), *_bounds(several, asked), *_stopped(several)]
    return (*found, *_hardly(several, asked), *_single(several), *_unpaired(several))


def _who(labels: Sequence[str]) -> str:
    """`` `dots` and `ufo` ``, or how many they are."""
    short = len(labels) <= NAMED and sum(map(len, labels)) <= SHORT_NAMES
    return names(labels) if short else plural(len(labels), "arm")


def _in(count: int, several: Sequence[Measures]) -> str:
    """` on 2 of 3 pairs`; empty where there is one."""
    return "" if len(several) == 1 else f" on {count} of {plural(len(several), 'pair')}"


def _of(measures: Measures, several: Sequence[Measures], text: str) -> str:
    """The text, after the title of what it is about where there are several."""
    return text if len(several) == 1 else f"{measures.panel.title}: {text}"


def _labels(several: Sequence[Measures]) -> list[str]:
    return list(dict.fromkeys(series.label for measures in several for series in measures.panel.series))


def _near_zero(several: Sequence[Measures]) -> list[Warned]:
    """Where it is so everywhere the answer itself says it."""
    low = [measures for measures in several if measures.near_zero]
    short = f"accuracy is near zero{_in(len(low), several)}" if len(low) < len(several) else ""
    found = list[Warned]()
    for measures in low:
        best = max(measures.finals, key=lambda final: final.accuracy.value)
        text = (
            f"**Accuracy is near zero**: {percent(measures.start.sampled, 2)} before training and at best "
            f"{percent(best.accuracy, 2)} after it (`{best.series.label}`), on "
            f"{best.asked.held_out}. Differences at this level mean nothing."
        )
        found.append(Warned(_of(measures, several, text), "" if found else short))
    return found


def _nothing_learned(several: Sequence[Measures]) -> list[Warned]:
    """Baselines that end no better than they started: nothing is there to be saved."""
    found: dict[str, list[Interval]] = {}
    for measures in several:
        for series in measures.panel.references:
            gain = measures.final(series.label).gain
            if gain.known and gain.clear_of(0) <= 0 and not measures.near_zero:
                found.setdefault(series.label, []).append(gain)
    return [
        Warned(
            f"**`{label}` did not clearly learn**{_on(several, label, len(gains))}: its gain over the start policy is "
            f"{_gains(gains)}. Where nothing is learned nothing can be saved: arms differ in what they lose.",
            f"{_who([label])} did not clearly learn{_in(len(gains), several)}",
        )
        for label, gains in found.items()
    ]


def _stopped(several: Sequence[Measures]) -> list[Warned]:
    told = [(one, text) for one in several if (text := stopped_text(one))]
    short = f"some runs stopped early{_in(len(told), several)}"
    return [Warned(_of(one, several, text), "" if place else short) for place, (one, text) in enumerate(told)]


def _gains(gains: Sequence[Interval]) -> str:
    """One gain with its interval; of several the least and the most."""
    if len(gains) == 1:
        return f"{points(gains[0])} points"
    sizes = between((100 * one.value for one in gains), lambda value: number(value, sign=True))
    return f"{sizes} points, and no interval lies above 0"


def _on(several: Sequence[Measures], label: str, count: int) -> str:
    """` on 2 of 3 pairs of model and task` of those that have the arm; empty where it is the only one."""
    ran = sum(any(series.label == label for series in measures.panel.series) for measures in several)
    return "" if ran == 1 else f" on {count} of {plural(ran, 'pair')} of model and task"


def _single(several: Sequence[Measures]) -> list[Warned]:
    """Of an arm of the answer that says so itself."""
    runs = {series.label: len(series.runs) for measures in several for series in measures.panel.series}
    single = [label for label, count in runs.items() if count < 2]
    text = f"One seed only for {names(single)}: no interval over training runs is possible."
    return [Warned(text)] if single else []


def _unpaired(several: Sequence[Measures]) -> list[Warned]:
    """Of an arm of the answer that says so itself."""
    found = {}
    for measures in several:
        for series in measures.panel.series:
            reference = measures.panel.baseline_of(series)
            if reference is not None and not set(series.seeds) & set(reference.seeds):
                found[series.label] = reference.label
    return [
        Warned(f"`{label}` shares no seed with `{other}`: no paired difference is possible.")
        for label, other in found.items()
    ]


def _hardly(several: Sequence[Measures], asked: Collection[str]) -> list[Warned]:
    """Arms that hardly any group trains, with the share on each pair where they do not."""
    shares: Mapping[str, list[float]] = {label: [] for label in _labels(several)}
    for measures in several:
        for share in measures.zero_variance:
            if 1 - share.mean.value < HARDLY:
                shares[share.series.label].append(1 - share.mean.value)
    grave = [label for label, low in shares.items() if low and label in asked]
    found = []
    for label, low in shares.items():
        if not low:
            continue
        size = " to ".join(dict.fromkeys(number(100 * share) for share in (min(low), max(low))))
        text = (
            f"**Hardly any group trains** under `{label}`{_on(several, label, len(low))}: on average {size} % of its "
            f"groups had rewards that differ (warning below {100 * HARDLY:.0f} %)."
        )
        found.append(Warned(text, f"hardly any group trains {_who(grave)}" if label in grave[:1] else ""))
    return found


def _bounds(several: Sequence[Measures], asked: Collection[str]) -> list[Warned]:
    known = list(dict.fromkeys(label for measures in several for label in bounds(measures.panel.series)))
    if not known:
        return []
    grave = [label for label in known if label in asked]
    short = f"{_who(grave)} {'are no methods' if len(grave) > 1 else 'is no method'}" if grave else ""
    return [Warned(f"{names(known)} {'know' if len(known) > 1 else 'knows'} current pass rates; {UNPAID}.", short)]
