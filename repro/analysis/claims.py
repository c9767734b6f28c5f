"""Claims: the effects that judge each one, the verdict read off their intervals, and their table and sentences.

A verdict is never written down: `Claim.verdict` compares the interval of every effect with the bars of the claim. All
of this is exploratory: only the primary claims of a study are judged together.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import pandas as pd

from repro.analysis.comparable import NOT_COMPARABLE, RULE, titles_said
from repro.analysis.effects import Effect, Unit
from repro.analysis.statistics import Interval
from repro.analysis.tables import Table, numbers
from repro.analysis.text import MINUS, NOTHING, joined, sentence
from repro.words import plural

MARGIN = 0.02
"""Equivalence margin of "matches", as a share: an arm may end up to two points lower."""

EXPLORATORY = (
    "Exploratory: claims are judged one by one, with no correction for their number; what the study decides stands on "
    "its first page. No verdict rests on one seed, nor on estimates that do not vary.",
    "The mean is over these pairs of model and task: seeds vary, pairs do not. Over other tasks: tasks as units, from "
    "three on; tasks that differ: Welch's test.",
)
"""Notes of every table that tells claims or parts of them."""

JUDGED = (
    "A claim holds where the 95 % interval of each of its effects lies inside its bars, does not hold where one lies "
    "outside, and is undecided otherwise. Counted: an exact number of these runs, judged without an interval.",
    "Differences and ratios are paired by seed. In favour: pairs whose own interval, or count, lies inside the bars.",
    "Could see: the smallest true distance from a bar that such an interval shows four times in five, 1.43 times half "
    "of it; of several effects the largest.",
)
"""How a claim is judged, for notes."""

NOTE = (
    "A claim holds where the 95 % interval of each of its effects lies inside its bars, does not hold where one lies "
    "outside, and is undecided otherwise; claims are judged one by one. Effects are paired by seed and averaged over "
    "models and data. In favour: models and data whose own interval lies inside the bars. Could see: the smallest true "
    "distance from a bar that is shown four times in five. Published: the paper's numbers, for other policies and data."
)
"""What a paper says below the table of claims."""

NOT_MEASURED = "not measured"
"""Of a claim without an effect: the study has no finished runs of its arms."""

VERDICTS = ("holds", "does not hold", "undecided", NOT_COMPARABLE, NOT_MEASURED)
OURS = "a comparison of ours"


@dataclass(frozen=True)
class Published:
    """Where a paper makes a claim, and the numbers that it gives; "" where none is at hand."""

    place: str
    said: str = ""

    def __str__(self) -> str:
        return f"{self.place}: {self.said}" if self.said else self.place


@dataclass(frozen=True)
class Claim:
    """It holds where every effect lies above `bar` and below `ceiling`, and not where one lies outside. `beside` is
    shown, not judged. `published` is None for a comparison that no paper makes: it is ours."""

    key: str
    short: str
    published: Published | None
    bar: float
    effects: tuple[Effect, ...]
    beside: tuple[Effect, ...] = ()
    ceiling: float = field(default=math.inf, kw_only=True)
    unit: Unit = field(default="points", kw_only=True)  # of the bars, where no effect tells

    @property
    def verdict(self) -> str:
        """One of `VERDICTS`; effects whose arms cannot be compared anywhere do not count."""
        signs = [_side(effect, effect.pooled, self.bar, self.ceiling) for effect in self.effects if effect.comparable]
        return verdict(signs) if signs or not self.effects else NOT_COMPARABLE

    @property
    def smallest_seen(self) -> str:
        """The smallest true distance from its bars that the least certain of its effects shows; a dash without one."""
        found = [effect for effect in self.effects if not math.isnan(effect.smallest_seen)]
        least = max(found, key=lambda effect: effect.smallest_seen, default=None)
        return NOTHING if least is None else least.amount(least.smallest_seen)

    @property
    def in_favour(self) -> tuple[int, int]:
        """(panels on which every effect is inside the bars, panels on which every effect has an interval)."""
        clear, shared = self.places
        return len(clear), len(shared)

    @property
    def places(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Titles of the same panels as in `in_favour`, in their order."""
        judged = [effect for effect in self.effects if effect.comparable]
        known = [[title for title, own in one.panels.items() if own.known or one.counted] for one in judged]
        shared = [title for title in known[0] if all(title in one for one in known)] if known else []
        clear = [t for t in shared if all(_side(e, e.panels[t], self.bar, self.ceiling) > 0 for e in judged)]
        return tuple(clear), tuple(shared)


def side(interval: Interval, bar: float, ceiling: float = math.inf) -> int:
    """1 where the interval lies between the bars, -1 where it lies outside one of them, else 0."""
    below, above = interval.clear_of(bar), -interval.clear_of(ceiling)
    return min(below, above)


def _side(effect: Effect, interval: Interval, bar: float, ceiling: float) -> int:
    """`side` of an interval of the effect; of a count 1 where the number itself lies between the bars, else -1."""
    if not effect.counted:
        return side(interval, bar, ceiling)
    return 1 if bar < interval.value < ceiling else -1


def verdict(signs: Sequence[int]) -> str:
    """`holds` where all effects lie between the bars (1), `does not hold` where one lies outside (-1), else
    `undecided`."""
    if not signs:
        return NOT_MEASURED
    return "does not hold" if min(signs) < 0 else "holds" if min(signs) > 0 else "undecided"


def measured(effects: Iterable[Effect | None]) -> tuple[Effect, ...]:
    """The effects that could be measured."""
    return tuple(effect for effect in effects if effect is not None)


# ---------------------------------------------------------------- table


def claims_table(name: str, title: str, found: Sequence[Claim], caption: str, notes: Sequence[str]) -> Table:
    """One row per claim; in the data one per effect. `notes`: beside those that every table of claims has."""
    header = ["claim", "verdict", "measured here", "in favour", "holds if; could see", "published"]
    rows, data = [], []
    for claim in found:
        clear, panels = claim.in_favour
        bars = (claim.bar, claim.ceiling)
        measured = [f"{effect.name}: {effect.told(bars)}" for effect in claim.effects]
        measured += [f"for comparison {effect.name}: {effect.told()}" for effect in claim.beside]
        favour = f"{clear} of {panels}" if panels else NOTHING
        row = [sentence(claim.short)[:-1], f"**{claim.verdict}**", "; ".join(measured) or NOTHING, favour]
        seen = "" if claim.smallest_seen == NOTHING else f"; {claim.smallest_seen}"
        rows.append([*row, rule(claim) + seen, OURS if claim.published is None else str(claim.published)])
        source = claim.published or Published("")
        for effect, judged in [*((e, True) for e in claim.effects), *((e, False) for e in claim.beside)]:
            record = {"claim": claim.key, "verdict": claim.verdict, "effect": effect.name, "judged": judged}
            record |= {"counted": True} if effect.counted else {}
            record |= {"unit": effect.unit, "bar": claim.bar, **numbers("value", effect.pooled), "n": effect.pooled.n}
            record |= numbers("other_tasks", effect.other_tasks) if effect.other_tasks is not None else {}
            record |= {} if math.isnan(effect.tasks_differ) else {"tasks_differ_p": effect.tasks_differ}
            record |= {"smallest_seen": effect.smallest_seen} | ({"up_to": effect.up_to} if effect.up_to else {})
            record |= {"withheld": effect.withheld} if effect.withheld else {}
            record |= {} if math.isinf(claim.ceiling) else {"ceiling": claim.ceiling}
            record |= {NOT_COMPARABLE.replace(" ", "_"): titles_said(effect.unfit)} if effect.unfit else {}
            record |= {"in_favour": clear, "panels": panels}
            data.append(record | {"place": source.place, "published": source.said})
        if not claim.effects:
            record = {"claim": claim.key, "verdict": claim.verdict, "in_favour": 0, "panels": 0}
            data.append(record | {"place": source.place, "published": source.said})
    if any(effect.unfit for claim in found for effect in (*claim.effects, *claim.beside)):
        notes = [*notes, f"{RULE}; such pairs count for no verdict."]
    notes = [*JUDGED, *EXPLORATORY, *notes]
    return Table(name, title, header, rows, pd.DataFrame(data), caption, 6, note=NOTE, notes=notes)


def rule(claim: Claim) -> str:
    """What makes a claim hold: `above 0 points`, `above 1×`, `below 2 %`, `between −2 and 2 points`."""
    unit = claim.effects[0].unit if claim.effects else "ratio" if claim.bar == 1 else claim.unit
    scale, ending = {"points": (100, " points"), "percent": (100, " %"), "ratio": (1, "×")}.get(unit, (1, ""))
    bar, ceiling = (f"{scale * bar:.3g}".replace("-", MINUS) for bar in (claim.bar, claim.ceiling))
    if math.isinf(claim.ceiling):
        return f"above {bar}{ending}"
    return f"below {ceiling}{ending}" if math.isinf(claim.bar) else f"between {bar} and {ceiling}{ending}"


# ---------------------------------------------------------------- in words


def counted_apart(found: Sequence[Claim], about: str) -> str:
    """`Of 12 published claims about DOTS checked here, 3 hold and 9 do not; of 1 comparison of ours, 1 holds.`"""
    theirs = [claim for claim in found if claim.published is not None]
    ours = [claim for claim in found if claim.published is None]
    told = []
    if theirs:
        checked = plural(len(theirs), "published claim", "published claims")
        told.append(f"of {checked} about {about} checked here, {joined(counted(theirs))}")
    if ours:
        made = plural(len(ours), "comparison of ours", "comparisons of ours")
        told.append(f"of {made}, {joined(counted(ours))}")
    return sentence("; ".join(told))


def counted(found: Sequence[Claim]) -> list[str]:
    """`3 hold`, `1 does not`, `2 are undecided`, `1 is not comparable`: how many claims got each verdict."""
    counts = {name: sum(claim.verdict == name for claim in found) for name in VERDICTS[:4]}
    return [f"{count} {_verb(name, count)}" for name, count in counts.items() if count]


def _verb(name: str, count: int) -> str:
    return {"holds": "hold" if count != 1 else "holds", "does not hold": "do not" if count != 1 else "does not"}.get(
        name, f"are {name}" if count != 1 else f"is {name}"
    )
