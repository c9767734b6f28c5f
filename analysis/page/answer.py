"""The first screen of a report: what the study found, how sure it is, and what would change that."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from analysis.axes import name_of
from analysis.comparable import said as told_unfit
from analysis.comparison import compare
from analysis.equal_cost import Saving
from analysis.estimates import Estimate, over_these
from analysis.measures import NEAR_ZERO, Measures
from analysis.primary import AXIS, By, Judged
from analysis.statistics import Interval, fixed_mean
from analysis.tables import Table, numbers
from analysis.text import NOTHING, brackets, joined, names, number, plural, points, sentence, spread
from analysis.unfinished import FAILED

COST: Mapping[By, str] = {"tokens": "generated tokens", "steps": "steps", "seconds": "seconds"}
SHORT: Mapping[By, str] = {"tokens": "tokens", "steps": "steps", "seconds": "seconds"}

NOTHING_TO_COMPARE = ("failed", "not finished", "not run", "not paired")
"""Verdicts of an arm that has no runs beside those of what it is compared with."""

NAMED = 4
"""Arms that a sentence names one by one; of more it tells how many."""

CHANGES = 3
"""What would change the answer: so many at most."""

WORTH_SEEING = 0.02
"""A difference that a study should see: the page says how many seeds that takes."""


@dataclass(frozen=True)
class Answer:
    """Texts in the light markup of `analysis.markup.as_html`."""

    sentences: tuple[str, ...]  # two at most for each kind of cost
    sure: str
    changes: tuple[str, ...]
    table: Table


def answer(panels: Sequence[Measures], judged: Sequence[Judged]) -> Answer:
    """What the primary claims come to."""
    groups: dict[tuple[str, By], list[Judged]] = {}
    for one in judged:
        groups.setdefault((one.question.against, one.question.by), []).append(one)
    if near_zero(panels):
        said = [
            f"**Accuracy stayed below {100 * NEAR_ZERO:.0f} % before and after training, so that nothing is decided.**"
        ]
    else:
        said = [text for (against, by), found in groups.items() for text in _sentences(against, by, found)]
    if not groups:
        ran = dict.fromkeys(series.label for measures in panels for series in measures.panel.series)
        said = [f"**Only {names(list(ran))} was to be trained, so that there is nothing to compare.**"]
    return Answer(tuple(said), _sure(panels, judged), _changes(panels, judged), answer_table(panels, judged))


def near_zero(panels: Sequence[Measures]) -> bool:
    """Whether accuracy is so low everywhere that arms cannot be told apart."""
    return all(measures.near_zero for measures in panels)


# ---------------------------------------------------------------- the answer


def _sentences(against: str, by: By, found: Sequence[Judged]) -> list[str]:
    by_verdict: dict[str, list[Judged]] = {}
    for one in found:
        by_verdict.setdefault(one.verdict, []).append(one)
    higher = by_verdict.pop("higher", [])
    rest = [text for text in (_others(verdict, ones) for verdict, ones in by_verdict.items()) if text]
    if len(higher) == 1:
        one = higher[0]
        first = (
            f"At equal {COST[by]} {names([one.question.arm])} was more accurate over training than {names([against])}"
        )
        first += f", by {_size(one.difference)} {brackets(one.difference.interval(), 100)}"
        rest = [_needed(one.saving, by), *rest]
    elif higher:
        first = f"At equal {COST[by]} {_who(higher)} were more accurate over training than {names([against])}"
        first += f", by {_sizes(higher)}"
    elif all(one.verdict in NOTHING_TO_COMPARE for one in found):
        first = f"Nothing can be compared: no model and task has finished runs of {names([against])} and of another arm"
        lost = dict.fromkeys(lack.state for one in found for lack in one.lacking.values() if lack.arm == against)
        rest = [f"{names([against])} {_lost(list(lost))}"] if any(lost) else rest
    else:
        first = f"At equal {COST[by]} no arm was shown to be more accurate over training than {names([against])}"
    return [f"**{sentence(first)}**", *([sentence("; ".join(filter(None, rest)))] if any(rest) else [])]


def _others(verdict: str, found: Sequence[Judged]) -> str:
    who, many = _who(found), len(found) > 1
    if verdict == "lower":
        return f"{who} {'were' if many else 'was'} less accurate, by {_sizes(found)}"
    if verdict == "undecided":
        return f"{who} {'are' if many else 'is'} undecided"
    if verdict == "not comparable":
        return f"{who} {'are' if many else 'is'} not comparable: selection leaves hardly any training"
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
    failed = [state.removeprefix(f"{FAILED} ") for state in states if state.startswith(FAILED)]
    if failed:
        kinds = [kind[1:-1] for kind in dict.fromkeys(failed) if kind != FAILED]
        return f"{FAILED} ({joined(kinds)})" if kinds else FAILED
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


def _needed(saving: Saving, by: By) -> str:
    """`it reached the same accuracy with 1.5 times fewer tokens`, empty where it is withheld or not above 1."""
    if not saving.known or saving.clear_of() <= 0:
        return ""
    fewer = "less time" if by == "seconds" else f"fewer {SHORT[by]}"
    return f"it reached the same accuracy with {number(saving.value)} times {fewer}"


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
    open_ones = [one for one in answered if one.verdict == "undecided"] or answered
    seen = [one.smallest_seen for one in open_ones if math.isfinite(one.smallest_seen)]
    if seen:
        text.append(f"Such a study sees a true difference of {number(100 * max(seen))} points four times in five")
        needed = [count for one in open_ones if (count := one.seeds_needed(WORTH_SEEING)) is not None]
        if len(needed) == len(open_ones) and max(needed) > max(seeds):
            text[-1] += f"; for one of {100 * WORTH_SEEING:.0f} points it needs {max(needed)} seeds"
    return " ".join(map(sentence, text))


# ---------------------------------------------------------------- what would change it


def _changes(panels: Sequence[Measures], judged: Sequence[Judged]) -> tuple[str, ...]:
    """Other measures under which an arm is clearly higher or lower than its verdict says, each with its interval."""
    found = []
    for one in judged:
        own = {"higher": 1, "lower": -1}.get(one.verdict, 0)
        for label, estimate in _other_measures(panels, one):
            interval = estimate.interval()
            side = interval.clear_of(0)
            if side and side != own:
                verb = "leads" if side > 0 else "trails"
                found.append(f"{label} {names([one.question.arm])} {verb}: {points(interval)} points")
    return tuple(map(sentence, found[:CHANGES]))


def _other_measures(panels: Sequence[Measures], one: Judged) -> list[tuple[str, Estimate]]:
    """(words, difference) of the same arms by the other costs, and at the end of training."""
    arms = [(pair.panel, pair.arm, pair.other) for pair in one.pairs]
    clock = panels[0].panel.clock
    out = []
    for by in AXIS:
        if by != one.question.by:
            others = [compare(*each, AXIS[by]) for each in arms]
            out.append(
                (
                    f"At equal {name_of(AXIS[by], clock)}",
                    over_these([other.difference for other in others if other is not None]),
                )
            )
    return out


# ---------------------------------------------------------------- the table


def answer_table(panels: Sequence[Measures], judged: Sequence[Judged]) -> Table:
    """One row per arm of the primary claims: accuracy at the end, difference, saving, groups that train."""
    by = judged[0].question.by if judged else "tokens"
    header = ["arm", "accuracy at the end, %", f"at equal {SHORT[by]}, points", f"times fewer {SHORT[by]}"]
    header.append("groups that train, %")
    rows: list[list[str]] = []
    data: list[dict[str, object]] = []
    ran = dict.fromkeys(series.label for measures in panels for series in measures.panel.series)
    for label in dict.fromkeys(one.question.against for one in judged) if judged else ran:
        end, trains = _end(panels, label), _trains(panels, label)
        rows.append([_named(panels, label), spread(end, 100), NOTHING, NOTHING, number(100 * trains)])
        data.append({"arm": label, **numbers("accuracy", end), "groups_that_train": trains})
    baselines = len(rows)
    for one in judged:
        label = one.question.arm
        end, trains, saved = _end(panels, label), _trains(panels, label), one.saving
        difference = one.difference.interval()
        rows.append(
            [
                _named(panels, label),
                spread(end, 100),
                points(difference) if one.pairs else one.state,
                _saved(saved) if one.pairs else NOTHING,
                number(100 * trains),
            ]
        )
        row: dict[str, object] = {"arm": label, "against": one.question.against, "verdict": one.verdict}
        row |= {"state": one.state} if one.state else {}
        row["equal"] = COST[one.question.by]
        row |= {**numbers("accuracy", end), **numbers("difference", difference), "holm_p": one.p}
        row |= {**numbers("share_of_gain", one.share.interval()), "smallest_seen": one.smallest_seen}
        row |= {f"seeds_for_{round(100 * seen)}_points": one.seeds_needed(seen) for seen in (0.01, WORTH_SEEING, 0.05)}
        if one.other_tasks is not None:
            row |= numbers("share_of_gain_over_tasks", one.other_tasks.interval())
        row |= {**numbers("saving", saved), "groups_that_train": trains, "pairs": len(one.pairs)}
        data.append(row)
    caption = (
        f"Points: mean accuracy over training up to equal {COST[by]}, those of selection included, minus that of "
        f"{joined(_baselines(judged)) or 'the baseline'}. Times fewer: below 1 it needs more. In brackets 95 % "
        "intervals over seeds and questions (at the end: over seeds), not corrected for their number. Arms end at "
        "different costs, so their accuracies at the end are not at equal cost."
    )
    caption += told_unfit([why for one in judged for why in one.unfit.values()])
    withheld = {one.saving.withheld for one in judged if one.pairs and not one.saving.known}
    if withheld:
        caption += f" No saving is told: {joined(sorted(withheld))}."
    title = f"Accuracy and saving of the arms at equal {COST[by]}"
    return Table(
        "answer",
        title,
        header,
        rows,
        pd.DataFrame(data),
        caption + _of_other_tasks(judged),
        emphasis=frozenset(range(baselines)),
        note=caption,
    )


def _of_other_tasks(judged: Sequence[Judged]) -> str:
    """The interval with tasks as units, for a caption: what it would be on tasks like these; empty for few tasks."""
    told = [
        f"`{one.question.arm}` {number(100 * found.value, 0, sign=True)} % {brackets(found, 100, 0, sign=True)}"
        for one in judged
        if one.other_tasks is not None and (found := one.other_tasks.interval())
    ]
    if not told:
        return ""
    return f" With tasks as units, so of other tasks too, as a share of the baseline's gain: {joined(told)}."


def _baselines(judged: Sequence[Judged]) -> list[str]:
    return [f"`{label}`" for label in dict.fromkeys(one.question.against for one in judged)]


def _saved(saving: Saving) -> str:
    if not saving.known:
        return NOTHING
    high = "∞" if math.isinf(saving.high) else number(saving.high, 2)
    return f"{number(saving.value, 2)} [{number(saving.low, 2)}, {high}]"


def _named(panels: Sequence[Measures], label: str) -> str:
    """An arm and how it chooses and replays: `dots_rr`: DOTS, replay."""
    one = next((one for measures in panels for one in measures.panel.series if one.label == label), None)
    if one is None:
        return f"`{label}`"
    how = "every question" if one.chosen.plain else one.chosen.title
    return f"`{label}`: {how}, replay" if one.replay else f"`{label}`: {how}"


def _end(panels: Sequence[Measures], label: str) -> Interval:
    """Accuracy at the last evaluation, averaged over the pairs that have the arm."""
    found = [final.per_seed for measures in panels for final in measures.finals if final.series.label == label]
    return fixed_mean(found)


def _trains(panels: Sequence[Measures], label: str) -> float:
    found = [1 - one.mean.value for measures in panels for one in measures.zero_variance if one.series.label == label]
    return sum(found) / len(found) if found else math.nan
