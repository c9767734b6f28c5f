"""The tables of the first screen: what the arms of the primary claims came to, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from repro.analysis.comparable import said as told_unfit
from repro.analysis.equal_cost import Saving, reasons
from repro.analysis.measures import Measures
from repro.analysis.page.budgets import differ, up_to
from repro.analysis.page.sentences import COST, SHORT
from repro.analysis.power import POWER
from repro.analysis.primary import Judged
from repro.analysis.statistics import Interval, fixed_mean
from repro.analysis.tables import Table, numbers
from repro.analysis.text import NOTHING, joined, number, p_value, points, spread

WORTH_SEEING = 0.02
"""A difference that a study should see: the page says how many seeds that takes."""

DIFFERENCES = (0.01, WORTH_SEEING, 0.05)
"""Differences for which the page tells the seeds that a study needs."""


def answer_table(panels: Sequence[Measures], judged: Sequence[Judged], beside: Sequence[Judged] = ()) -> Table:
    """One row per claim: accuracy at the end, difference, saving, groups with a gradient; exploratory ones below."""
    every = [*judged, *beside]
    against = list(dict.fromkeys(one.question.against for one in every))
    costs = list(dict.fromkeys(one.question.by for one in judged)) or ["tokens"]
    short = SHORT[costs[0]] if len(costs) == 1 else "cost"
    header = ["arm", "accuracy at the end, %", f"at equal {short}, points", f"times fewer {short}"]
    header.append("groups with a gradient, %")
    rows: list[list[str]] = []
    data: list[dict[str, object]] = []
    asked_about = {one.question.arm for one in every}
    ran = dict.fromkeys(series.label for measures in panels for series in measures.panel.series)
    for label in [label for label in against if label not in asked_about] if every else ran:
        end, trains = _end(panels, label), _trains(panels, label)
        rows.append([_named(panels, label), spread(end, 100), NOTHING, NOTHING, number(100 * trains)])
        data.append({"arm": label, **numbers("accuracy", end), "groups_that_train": trains})
    baselines = len(rows)
    for place, one in enumerate(every):
        end, trains, saved = _end(panels, one.question.arm), _trains(panels, one.question.arm), one.saving
        name = _named(panels, one.question.arm)
        name += f", against `{one.question.against}`" if len(against) > 1 else ""
        name += f", equal {SHORT[one.question.by]}" if len(costs) > 1 else ""
        name += " (exploratory)" if place >= len(judged) else ""
        difference = points(one.difference.interval()) if one.pairs else one.state
        rows.append([name, spread(end, 100), difference, _saved(saved) if one.pairs else NOTHING, number(100 * trains)])
        data.append(_record(one, place < len(judged), end, trains, saved))
    compared = "the arm it is compared with" if len(against) > 1 else joined([f"`{label}`" for label in against])
    caption = (
        f"Points: mean accuracy over training minus that of {compared or 'the baseline'}, "
        f"{up_to(every, 'selection included')}."
    )
    notes = [
        "Times fewer: below 1 it needs more. In brackets 95 % intervals over seeds and questions (at the end: over "
        "seeds), not corrected for their number.",
        "Arms end at different costs, so their accuracies at the end are not at equal cost.",
    ]
    if differ(every):
        notes.append("Rows reach up to different costs, so that their differences do not add up.")
    if beside:
        notes.append("Exploratory: not among the primary claims that the spec names, and not judged with them.")
    notes.append(told_unfit([why for one in every for why in one.unfit.values()]).strip())
    withheld = reasons(one.saving for one in every if one.pairs)
    notes.append(f"No saving is told: {joined(withheld)}." if withheld else "")
    notes = [note for note in notes if note]
    paper = " ".join([caption, *notes])
    return Table(
        "answer",
        f"Accuracy and saving of the arms at equal {COST[costs[0]] if len(costs) == 1 else 'cost'}",
        header,
        rows,
        pd.DataFrame(data),
        caption,
        emphasis=frozenset(range(baselines)),
        note=paper,
        notes=[*notes, *_of_other_tasks(every)],
    )


def _record(one: Judged, primary: bool, end: Interval, trains: float, saved: Saving) -> dict[str, object]:
    """The numbers of a row."""
    row: dict[str, object] = {"arm": one.question.arm, "against": one.question.against, "primary": primary}
    row |= {"verdict": one.verdict if primary else "", "state": one.state, "equal": COST[one.question.by]}
    row |= {**numbers("accuracy", end), **numbers("difference", one.difference.interval())}
    row |= {"holm_p" if primary else "p": one.p, **numbers("share_of_gain", one.share.interval())}
    if one.other_tasks is not None:
        row |= numbers("difference_over_tasks", one.other_tasks.interval())
    return row | {**numbers("saving", saved), "groups_that_train": trains, "pairs": len(one.pairs)}


def sure_table(panels: Sequence[Measures], judged: Sequence[Judged]) -> Table | None:
    """One row per primary claim: what it rests on, and what it could have seen; None where nothing is compared."""
    if not any(one.pairs for one in judged):
        return None
    asked = panels[0].finals[0].asked
    seeds_for = ", ".join(f"{100 * seen:.0f}" for seen in DIFFERENCES)
    header = ["claim", "pairs of model and task", "seeds", "held-out questions", "p, Holm", "smallest seen, points"]
    header.append(f"seeds for {seeds_for} points")
    rows: list[list[str]] = []
    data: list[dict[str, object]] = []
    for one in judged:
        seeds = sorted({pair.difference.n for pair in one.pairs})
        needed = {seen: one.seeds_needed(seen) for seen in DIFFERENCES} if one.pairs else {}
        row = [f"`{one.question.arm}` against `{one.question.against}`, equal {SHORT[one.question.by]}"]
        row += [str(len(one.pairs)), " to ".join(map(str, dict.fromkeys((seeds[0], seeds[-1])))) if seeds else NOTHING]
        row += [f"{asked.questions:,}", p_value(one.p), number(100 * one.smallest_seen) if one.pairs else NOTHING]
        row.append(", ".join("–" if count is None else str(count) for count in needed.values()) or NOTHING)
        rows.append(row)
        data.append({"arm": one.question.arm, "against": one.question.against, "equal": COST[one.question.by]})
        data[-1] |= {
            "pairs": len(one.pairs),
            "seeds": seeds[0] if seeds else 0,
            "most_seeds": seeds[-1] if seeds else 0,
        }
        data[-1] |= {"questions": asked.questions, "samples": asked.avg, "claims": one.claims, "holm_p": one.p}
        data[-1] |= {"smallest_seen": one.smallest_seen}
        data[-1] |= {f"seeds_for_{round(100 * seen)}_points": count for seen, count in needed.items()}
    caption = (
        "Smallest seen: the smallest true difference that such a study tells apart from zero with a chance of "
        f"{100 * POWER:.0f} %."
    )
    notes = [
        "It follows from the spread between this study's own seeds and questions, at the strictest p-value of Holm's "
        "procedure.",
        "Seeds: of each pair of model and task. A dash where more seeds are not enough: it takes more questions.",
    ]
    return Table("how_sure", "How sure each claim is", header, rows, pd.DataFrame(data), caption, notes=notes)


def _of_other_tasks(judged: Sequence[Judged]) -> list[str]:
    """The interval with tasks as units: what it would be on tasks like these; none for few tasks."""
    told = [
        f"`{one.question.arm}` against `{one.question.against}` {points(found)}"
        for one in judged
        if one.other_tasks is not None and (found := one.other_tasks.interval()).known
    ]
    said = f"With tasks as units, so of other tasks too, in points: {joined(told)}."
    return [said] if told else []


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
