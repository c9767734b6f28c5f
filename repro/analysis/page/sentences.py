"""The sentences of the first screen: what was found, in two at most."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from repro.analysis.estimates import Estimate
from repro.analysis.primary import By, Judged
from repro.analysis.text import brackets, joined, names, number, sentence
from repro.analysis.unfinished import FAILED, together

COST: Mapping[By, str] = {"tokens": "generated tokens", "steps": "steps", "seconds": "seconds"}
SHORT: Mapping[By, str] = {"tokens": "tokens", "steps": "steps", "seconds": "seconds"}

NAMED = 4
"""Arms that a sentence names one by one; of more it tells how many."""

NUMBERS = 4
"""The two sentences have so many numbers at most."""

NOTHING_TO_COMPARE = ("failed", "not finished", "not run", "not paired")
"""Verdicts of an arm that has no runs beside those of what it is compared with."""


def sentences(judged: Sequence[Judged], beside: Sequence[Judged] = ()) -> tuple[str, ...]:
    """Text in the light markup of `repro.analysis.markup.as_html`: what was found bold, what else there is behind it.

    `beside` has exploratory comparisons: those that are clear stand in the second sentence. Of claims at several kinds
    of cost the first two kinds have a sentence each; all else stands in the table.
    """
    groups: dict[By, list[Judged]] = {}
    for one in judged:
        groups.setdefault(one.question.by, []).append(one)
    said: list[list[str]] = []
    for by, found in groups.items():
        against = {one.question.against for one in found}
        told = _against_one(next(iter(against)), by, found) if len(against) == 1 else _against_several(by, found)
        said.append(_with_exploratory(told, [one for one in beside if one.question.by == by]))
    return tuple(said[0] if len(said) == 1 else [first for first, *_ in said[:2]])


def _against_one(against: str, by: By, found: Sequence[Judged]) -> list[str]:
    by_verdict = _by_verdict(found)
    higher = by_verdict.pop("higher", [])
    rest = [_others(verdict, ones) for verdict, ones in by_verdict.items()]
    bounds = ""
    if higher:
        were = "were" if len(higher) > 1 else "was"
        first = f"At equal {COST[by]} {_who(higher)} {were} more accurate over training than {names([against])}"
        first += f", by {_sizes(higher)}"
        bounds = f" {brackets(higher[0].difference.interval(), 100)}" if len(higher) == 1 else ""
    elif all(one.verdict in NOTHING_TO_COMPARE for one in found):
        first = f"Nothing can be compared: no model and task has finished runs of {names([against])} and of another arm"
        lost = dict.fromkeys(lack.state for one in found for lack in one.lacking.values() if lack.arm == against)
        rest = [f"{names([against])} {_lost(list(lost))}"] if any(lost) else rest
    else:
        first = f"At equal {COST[by]} no arm was shown to be more accurate over training than {names([against])}"
    end, needed = _no_saving(found), _needed(higher, by, same=True)
    told = [_told(f"{first}{bounds}{end}", [needed, *rest]), _told(f"{first}{end}", [needed, *rest])]
    return _short_enough([*told, _told(f"{first}{end}", rest)])


def _against_several(by: By, found: Sequence[Judged]) -> list[str]:
    """Of claims that do not all name the same other arm: what is clear first, then what is open."""
    by_verdict = _by_verdict(found)
    clear = [*by_verdict.pop("higher", []), *by_verdict.pop("lower", [])]
    open_ones = by_verdict.pop("undecided", [])
    rest = [_others(verdict, ones) for verdict, ones in by_verdict.items()]
    whether = joined(
        [
            f"whether {names([one.question.arm])} was more accurate{'' if index else ' over training'} than "
            f"{names([one.question.against])}"
            for index, one in enumerate(open_ones)
        ]
    )
    if len(open_ones) > NAMED:
        whether = f"whether any of {len(open_ones)} arms was more accurate over training than what it is compared with"
    if clear:
        told = [
            f"{names([one.question.arm])} was {'more' if one.verdict == 'higher' else 'less'} accurate over training "
            f"than {names([one.question.against])}, by {_size(one.difference)}"
            for one in clear[:NAMED]
        ]
        more = [f"{len(clear) - NAMED} more arms differ, see the table"] if len(clear) > NAMED else []
        open_text = f"it is undecided {whether}" if open_ones else ""
        first, rest = f"At equal {COST[by]} {', and '.join([*told, *more])}{_no_saving(found)}", [open_text, *rest]
        return _short_enough([_told(first, [_needed(clear, by), *rest]), _told(first, rest)])
    if open_ones:
        return _told(f"At equal {COST[by]} it is undecided {whether}{_no_saving(found)}", rest)
    if set(by_verdict) == {"one seed"}:
        return _told(f"At equal {COST[by]} nothing is decided: one seed of each arm", [])
    return _told(f"At equal {COST[by]} nothing can be compared", rest)


def _told(first: str, rest: Sequence[str]) -> list[str]:
    more = [text for text in rest if text]
    return [f"**{sentence(first)}**", *([sentence("; ".join(more))] if more else [])]


def _short_enough(tried: Sequence[list[str]]) -> list[str]:
    """The first with few enough numbers, else the last."""
    return next((told for told in tried if _numbers(" ".join(told)) <= NUMBERS), tried[-1])


def _no_saving(found: Sequence[Judged]) -> str:
    """What the first sentence ends with where no claim's saving is clearly above 1; empty where nothing is compared."""
    if not any(one.pairs for one in found) or any(one.pairs and one.saving.clear_of() > 0 for one in found):
        return ""
    return f", {'but' if any(one.verdict == 'higher' for one in found) else 'so'} no saving is shown"


def _with_exploratory(told: Sequence[str], beside: Sequence[Judged]) -> list[str]:
    """The sentences with the clear exploratory comparisons in the second; without their sizes where those are many."""
    used = _numbers(" ".join(told))
    texts = [_exploratory(beside, sizes) for sizes in (True, False)]
    text = next((text for text in texts if used + _numbers(text) <= NUMBERS), texts[-1])
    if not text:
        return list(told)
    second = [f"{one.removesuffix('.')}; exploratory: {text}" for one in told[1:]] or [f"Exploratory: {text}"]
    return [told[0], *map(sentence, second)]


def _exploratory(beside: Sequence[Judged], sizes: bool) -> str:
    """`random` and `ufo` were less accurate than `full`, by 5.2 and 11.4 points; empty where no interval is off 0."""
    parts = list[str]()
    for side, word in ((1, "more"), (-1, "less")):
        found = [one for one in beside if one.pairs and one.difference.interval().clear_of(0) == side]
        if found:
            against = list(dict.fromkeys(one.question.against for one in found))
            other = names(against) if len(against) == 1 else "the arm that each is compared with"
            text = f"{_who(found)} {'were' if len(found) > 1 else 'was'} {word} accurate than {other}"
            parts.append(f"{text}, by {_sizes(found)}" if sizes else text)
    return ", and ".join(parts)


def _numbers(text: str) -> int:
    """How many numbers stand in a text, those in names aside."""
    return len(re.findall(r"\d+(?:\.\d+)?", re.sub(r"`[^`]+`", "", text)))


def _by_verdict(found: Sequence[Judged]) -> dict[str, list[Judged]]:
    by_verdict: dict[str, list[Judged]] = {}
    for one in found:
        by_verdict.setdefault(one.verdict, []).append(one)
    return by_verdict


def _others(verdict: str, found: Sequence[Judged]) -> str:
    who, many = _who(found), len(found) > 1
    if verdict == "lower":
        return f"{who} {'were' if many else 'was'} less accurate, by {_sizes(found)}"
    if verdict == "undecided":
        return f"{who} {'are' if many else 'is'} undecided"
    if verdict == "not comparable":
        return f"{who} {'are' if many else 'is'} not comparable: its selection costs too much"
    if verdict == "one seed":
        return f"{who} {'have' if many else 'has'} one seed, which decides nothing"
    if verdict == "not run":
        return f"{who} {'have' if many else 'has'} not run"
    if verdict == "not paired":
        against = names([found[0].question.against])
        return f"{who} {'have' if many else 'has'} no run that can be paired with one of {against}"
    return f"{who} {_lost([one.state for one in found])}"


def _lost(states: Sequence[str]) -> str:
    """What became of runs without a result: `failed (NaN)`, `has no finished run (killed)`."""
    told = together(states)
    if told.startswith(FAILED):
        return told
    return f"{'have' if len(states) > 1 else 'has'} no finished run ({joined(list(dict.fromkeys(states)))})"


def _who(found: Sequence[Judged]) -> str:
    labels = [one.question.arm for one in found]
    return names(labels) if len(labels) <= NAMED else f"{len(labels)} arms"


def _size(difference: Estimate) -> str:
    return f"{number(abs(100 * difference.value))} points"


def _sizes(found: Sequence[Judged]) -> str:
    """`5.2 and 11.4 points`, of many `1.2 to 11.4 points`."""
    sizes = [number(abs(100 * one.difference.value)) for one in found]
    if len(sizes) <= 2:
        return f"{joined(sizes)} points"
    ordered = sorted(sizes, key=float)
    return f"{ordered[0]} to {ordered[-1]} points"


def _needed(found: Sequence[Judged], by: By, same: bool = False) -> str:
    """`it reached the same accuracy with 1.5 times fewer tokens`; empty where no saving is clearly above 1.

    With several arms each is named, and what it is compared with too unless that is the `same` for all.
    """
    saved = [one for one in found if one.saving.clear_of() > 0]
    if not saved:
        return ""
    fewer = "less time" if by == "seconds" else f"fewer {SHORT[by]}"
    against = list(dict.fromkeys(one.question.against for one in saved))
    who = "it" if same and len(found) == 1 else _who(saved)
    what = f"the accuracy of {names(against)}" if len(against) == 1 and not same else "the same accuracy"
    sizes = [number(one.saving.value) for one in saved]
    times = joined(sizes) if len(sizes) <= 2 else " to ".join((min(sizes, key=float), max(sizes, key=float)))
    return f"{who} reached {what} with {times} times {fewer}"
