"""The first screen of a report: what the study found, how sure it is, and what would change that."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from repro.analysis.axes import name_of
from repro.analysis.measures import NEAR_ZERO, Measures
from repro.analysis.page.answer_table import WORTH_SEEING, answer_table, sure_table
from repro.analysis.page.once import once
from repro.analysis.page.sentences import NAMED, sentences
from repro.analysis.primary import AXIS, Judged, at_costs
from repro.analysis.tables import Table
from repro.analysis.text import joined, names, number, points, sentence
from repro.words import plural

CHANGES = 3
"""What would change the answer: so many at most."""


@dataclass(frozen=True)
class Answer:
    """Texts in the light markup of `repro.analysis.markup.as_html`."""

    sentences: tuple[str, ...]  # two at most
    arms: str  # what the arms of the claims train on, "" where those are many; what they cost once for all runs
    sure: str
    changes: tuple[str, ...]
    table: Table
    how_sure: Table | None  # the numbers of `sure`; None where nothing is compared


def answer(panels: Sequence[Measures], judged: Sequence[Judged], beside: Sequence[Judged] = ()) -> Answer:
    """What the primary claims come to; `beside` has the exploratory ones, which the table shows too."""
    if near_zero(panels):
        said: tuple[str, ...] = (
            f"**Accuracy stayed below {100 * NEAR_ZERO:.0f} % before and after training, so that nothing is decided.**",
        )
    else:
        said = sentences(judged, beside)
    if one_step(panels):
        said = (
            "**Every run made one step of training, which does not show who learns more.**",
            "What was measured of the start policy, its pass rates, scores and their cost, is among the evidence and "
            "beside the papers.",
        )
    if not judged:
        ran = dict.fromkeys(series.label for measures in panels for series in measures.panel.series)
        were = "was" if len(ran) == 1 else "were"
        said = (f"**Only {names(list(ran))} {were} to be trained, so that there is nothing to compare.**",)
    table, how_sure = answer_table(panels, judged, beside), sure_table(panels, judged)
    arms = " ".join(filter(None, (_arms(panels, judged), once(panels, judged))))
    return Answer(said, arms, _sure(panels, judged), _changes(panels, judged, beside), table, how_sure)


def near_zero(panels: Sequence[Measures]) -> bool:
    """Whether accuracy is so low everywhere that arms cannot be told apart."""
    return all(measures.near_zero for measures in panels)


def one_step(panels: Sequence[Measures]) -> bool:
    """Whether the study was planned as one step a run: to measure a start policy, not to train it."""
    cells = [series.cell for measures in panels for series in measures.panel.series if series.runs]
    return bool(cells) and all(cell["train"]["steps"] == 1 and cell.get("budget") is None for cell in cells)


# ---------------------------------------------------------------- what the arms do


def _arms(panels: Sequence[Measures], judged: Sequence[Judged]) -> str:
    labels = dict.fromkeys(label for one in judged for label in (one.question.against, one.question.arm))
    found = {one.label: one for measures in panels for one in measures.panel.series}
    if len(labels) > NAMED:
        return ""
    groups: dict[str, list[str]] = {}
    for label in labels:
        if label in found:
            groups.setdefault(found[label].chosen.trains_on, []).append(label)
    clauses: list[str] = []
    for questions, members in groups.items():
        for place, label in enumerate(members):
            on = "the same" if place else questions
            replays = ", and replays recent groups" if found[label].replay else ""
            clauses.append(f"`{label}` {'' if clauses else 'trains '}on {on}{replays}")
    return sentence("; ".join(clauses)) if clauses else ""


# ---------------------------------------------------------------- how sure


def _sure(panels: Sequence[Measures], judged: Sequence[Judged]) -> str:
    answered = [one for one in judged if one.pairs]
    if not answered:
        return ""
    seeds = sorted({pair.difference.n for one in answered for pair in one.pairs})
    pairs = max(len(one.pairs) for one in answered)
    asked = panels[0].finals[0].asked
    of = f"{plural(seeds[0], 'seed')}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]} seeds"
    where = f" on each of {pairs} pairs of model and task" if pairs > 1 else ""
    text = [f"{of}{where}, {asked.held_out}"]
    if len(judged) > 1:
        text[0] += f"; Holm's correction over {len(judged)} claims"
    undecided = [one for one in answered if one.verdict == "undecided"]
    seeing = [one for one in undecided or answered if 0 < one.smallest_seen < math.inf]
    if seeing:
        text.append(_sees(seeing, "" if len(seeing) == len(judged) else "undecided " if undecided else "decided "))
        needed = [count for one in seeing if (count := one.seeds_needed(WORTH_SEEING)) is not None]
        if len(needed) == len(seeing) and max(needed) > max(seeds):
            text[-1] += f"; {100 * WORTH_SEEING:.0f} points take {_each(needed, str)} seeds"
            text[-1] += " on each pair" if pairs > 1 else ""
    return " ".join(map(sentence, text))


def _sees(claims: Sequence[Judged], kind: str) -> str:
    """The smallest true differences that claims see with a chance of 80 %; `kind` says which claims they are."""
    sizes = [number(100 * one.smallest_seen) for one in claims]
    if len(claims) > 2:
        seen = " to ".join(
            dict.fromkeys(number(100 * pick(one.smallest_seen for one in claims)) for pick in (min, max))
        )
        return f"On {len(claims)} {kind}claims, true differences of {seen} points would be found four times in five"
    asked = [one.question for one in claims]
    of = [f" (`{one.arm}` − `{one.against}`)" if len(claims) > 1 or kind else "" for one in asked]
    what = "a true difference" if len(claims) == 1 else "true differences"
    seen = joined([f"{sizes[0]} points{of[0]}", *(f"{size}{who}" for size, who in zip(sizes[1:], of[1:], strict=True))])
    return f"{what} of {seen} would be found four times in five"


def _each(values: Sequence[float], shown: Callable[[float], str]) -> str:
    """Of two both in their order, of more the least and the most; one number where all agree."""
    told = list(dict.fromkeys(map(shown, values if len(values) <= 2 else (min(values), max(values)))))
    return joined(told) if len(values) <= 2 else " to ".join(told)


# ---------------------------------------------------------------- what would change it


def _changes(panels: Sequence[Measures], judged: Sequence[Judged], beside: Sequence[Judged]) -> tuple[str, ...]:
    """Other costs at which an arm is clearly higher or lower than at its own, each with its interval.

    The primary claims come first; what an exploratory comparison says at its own cost is its uncorrected interval.
    """
    found = []
    for place, one in enumerate([*judged, *beside]):
        primary = place < len(judged)
        claimed = {"higher": 1, "lower": -1}.get(one.verdict, 0)
        own = claimed if primary else one.difference.interval().clear_of(0)
        for by, other in at_costs(one, [measures.panel for measures in panels]).items():
            interval = other.difference.interval()
            side = interval.clear_of(0)
            if by != one.question.by and side and side != own:
                arm, against = names([one.question.arm]), names([one.question.against])
                verb = "leads" if side > 0 else "trails"
                cost = name_of(AXIS[by], panels[0].panel.clock)
                told = f"At equal {cost} {arm} {verb} {against}"
                found.append(f"{told}{'' if primary else ' (exploratory comparison)'}: {points(interval)} points")
    return tuple(map(sentence, found[:CHANGES]))
