"""The leaderboard as a table: place, difference to the baseline, how sure, what it selects and what that costs."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from repro.analysis.arms import SCORING, find, seeds_said
from repro.analysis.axes import CLOCK_NAMES
from repro.analysis.budgets import span
from repro.analysis.estimates import Estimate
from repro.analysis.leaderboard.board import Board
from repro.analysis.leaderboard.ranks import BEST, Rank
from repro.analysis.pictures import Picture
from repro.analysis.primary import Judged
from repro.analysis.statistics import Interval
from repro.analysis.tables import Table, numbers
from repro.analysis.text import NOTHING, amount, brackets, number, points, spread
from repro.analysis.unfinished import NOT_RUN, together
from repro.tracking.series import GENERATED_TOKENS
from repro.words import plural

WORDS = {"higher": "yes, ahead", "lower": "yes, behind", "one seed": "one seed"}
"""Verdict -> what the column of clear differences says; `no` for any other of an arm that was compared."""


def ranking(board: Board) -> list[Table | Picture]:
    """One row per arm, the best first; those that cannot be compared below."""
    judged, steps, seconds = (board.judged(by) for by in ("tokens", "steps", "seconds"))
    others = any(one.other_tasks is not None for one in judged.values())
    clock = CLOCK_NAMES[board.panels[0].panel.clock]
    header = ["rank", "arm", "at equal tokens, points", *(["on other tasks, points"] if others else []), "clear"]
    header += [f"best {BEST}, %", "95 % of ranks", "% of gain", "at equal steps, points", f"at equal {clock}, points"]
    header += ["pairs"]
    header += ["groups with a gradient, %", "selection, tokens"]
    rows: list[list[str]] = []
    data: list[dict[str, Any]] = []
    for label in board.order:
        place, one = board.ranks[label], judged.get(label)
        more = [_shown(one.other_tasks) if one else NOTHING] if others else []
        row = [NOTHING if math.isnan(place.rank) else f"{place.rank:g}", f"`{label}`"]
        row += [points(one.difference.interval()) if one else "0, the baseline", *more, clear(one), *_chances(place)]
        row += [spread(one.share.interval(), 100, 0, sign=True) if one else NOTHING]
        for by in (steps, seconds):
            other = by.get(label)
            row.append(number(100 * other.difference.value, sign=True) if other else NOTHING)
        row += [_pairs(board, label, one), *_selected(board, label)]
        rows.append(row)
        data.append(_numbers(board, label, one, place) | {"rank": place.rank})
        for name, by in (("equal_steps", steps), ("equal_seconds", seconds)):
            data[-1] |= numbers(name, by[label].difference.interval()) if label in by else {}
    for label in board.uncompared:
        one = judged.get(label)
        dashes = [NOTHING] * (len(header) - 6)
        why = "no runs beside the baseline" if one is None else one.state or one.verdict
        rows.append([NOTHING, f"`{label}`", why, *dashes, _pairs(board, label, one), *_selected(board, label)])
        data.append(_numbers(board, label, one, None))
    for arm, state in board.absent.items():
        rows.append([NOTHING, f"`{arm}`", state, *[NOTHING] * (len(header) - 3)])
        data.append({"arm": arm, "state": state})
    alike = header.index("pairs")
    if len({row[alike] for row in rows}) == 1:
        for row in (header, *rows):
            row.pop(alike)
    emphasis = frozenset(place for place, label in enumerate(board.order) if label in board.baselines)
    paper = [name for name in header if not name.startswith(("at equal steps", f"at equal {clock}"))]
    title = "Arms at equal generated tokens, the best first"
    return [
        Table(
            "leaderboard.ranking", title, header, rows, pd.DataFrame(data), _caption(board, others), 2, emphasis, paper,
            note=_note(board, others),
        )
    ]  # fmt: skip


def clear(one: Judged | None) -> str:
    """Whether an arm is clear of its baseline after Holm's correction over all arms."""
    return NOTHING if one is None else WORDS.get(one.verdict, "no")


def selection_tokens(board: Board, label: str) -> tuple[float, float]:
    """(generated tokens that selection took in a run, the same as a share of the run), means over runs."""
    runs = [run for one in board.panels if (series := find(one, label)) is not None for run in series.runs]
    spent = [run.cost("generated_tokens", SCORING) for run in runs]
    whole = [float(run.points(GENERATED_TOKENS)[1].max(initial=0.0)) for run in runs]
    shares = [cost / total for cost, total in zip(spent, whole, strict=True) if total > 0]
    return float(np.mean(spent)), float(np.mean(shares)) if shares else math.nan


def informative(board: Board, label: str) -> float:
    """Share of rolled-out groups with a gradient, mean over training, seeds and pairs."""
    found = [1 - one.zero(label).mean.value for one in board.panels if find(one, label) is not None]
    known = [value for value in found if not math.isnan(value)]
    return float(np.mean(known)) if known else math.nan


def _shown(found: Estimate | None) -> str:
    return NOTHING if found is None or not found.known else brackets(found.interval(), 100, sign=True)


def _chances(place: Rank) -> list[str]:
    if math.isnan(place.low):
        return [NOTHING, NOTHING]
    return [number(100 * place.best, 0), f"{place.low:.0f} to {place.high:.0f}"]


def _pairs(board: Board, label: str, one: Judged | None) -> str:
    """How many pairs of policy and task its numbers rest on, and what became of its runs on the others."""
    if label in board.baselines:
        return str(sum(find(measures, label) is not None for measures in board.panels))
    found, all_of_them = len(one.pairs) if one else 0, len(board.panels)
    lost = together(lacking.state for lacking in one.lacking.values() if lacking.arm == label) if one else NOT_RUN
    return str(found) if found == all_of_them else f"{found} of {all_of_them}{'' if lost == NOT_RUN else f'; {lost}'}"


def _selected(board: Board, label: str) -> list[str]:
    tokens, share = selection_tokens(board, label)
    cost = f"{amount(tokens)} ({number(100 * share, 0)} %)" if tokens > 0 else "0"
    return [number(100 * informative(board, label), 0), cost]


def _numbers(board: Board, label: str, one: Judged | None, place: Rank | None) -> dict[str, Any]:
    """What the CSV has of an arm."""
    nothing = Interval(math.nan, math.nan, math.nan, 0)
    tokens, share = selection_tokens(board, label)
    row: dict[str, Any] = {"arm": label, "against": one.question.against if one else ""}
    row |= numbers("share_of_gain", one.share.interval() if one else nothing)
    row |= {"pairs_in_share": len(one.pairs) - len(one.weak) if one else 0}
    row |= numbers("other_tasks", one.other_tasks.interval() if one and one.other_tasks else nothing)
    row |= numbers("points", one.difference.interval() if one else nothing)
    ends = [pair.budget for pair in one.pairs] if one else []
    row |= {"least_budget": min(ends, default=math.nan), "most_budget": max(ends, default=math.nan)}
    row |= {"verdict": one.verdict if one else "", "holm_p": one.p if one else math.nan}
    row |= {"pairs": len(one.pairs) if one else 0, "pairs_not_comparable": len(one.unfit) if one else 0}
    row |= {"groups_that_train": informative(board, label), "selection_tokens": tokens, "selection_share": share}
    if place is not None:
        row |= {f"best_{BEST}": place.best, "rank_low": place.low, "rank_high": place.high}
    return row


def _caption(board: Board, others: bool) -> str:
    judged = board.judged("tokens")
    text = (
        f"Mean accuracy over training minus that of {board.baseline_said}, mean over these pairs of policy and task, "
        "with 95 % intervals over seeds and questions. Clear: after Holm's correction over "
        f"{plural(len(judged), 'arm')}."
    )
    if judged:
        text += f" Up to what every run of both has spent, {span(list(judged.values()))} generated tokens."
    if others:
        text += " On other tasks: the 95 % interval with tasks as units."
    text += f" {_drawn(board)}" if board.ranks and any(not math.isnan(one.low) for one in board.ranks.values()) else ""
    text += f" % of gain: the difference as a share of what {board.baseline_said} gained, mean over pairs."
    text += " Selection: tokens for labelling and probing in a run, and their share of it; they count in every number."
    if board.claims not in (0, len(judged)):
        first = plural(board.claims, "claim")
        text += f" The first page judges {first} by themselves, so that one may be clear there and not here."
    return f"{text} {_runs(board)}{board.units_said}{board.weak_said}"


def _drawn(board: Board) -> str:
    drawn = "tasks, and of seeds inside each pair" if len(board.tasks) > 2 else "seeds and questions inside each pair"
    return f"Best {BEST} and ranks: bootstrap of {drawn}, the baseline among the ranked."


def _runs(board: Board) -> str:
    every = [series for one in board.panels for series in one.panel.series]
    pairs = len(board.panels)
    return f"{seeds_said(every).removeprefix('n = ')} on {'one pair' if pairs == 1 else f'each of {pairs} pairs'}."


def _note(board: Board, others: bool) -> str:
    text = (
        f"Differences to {board.baseline_said} in mean accuracy over training, mean over pairs, with 95 % "
        f"intervals over seeds and questions{'; on other tasks: tasks as units' if others else ''}. Clear: after "
        f"Holm's correction over {plural(len(board.judged('tokens')), 'arm')}. Ranks: bootstrap. Selection: tokens for "
        "labelling and probing in a run."
    )
    return text + board.units_said + board.weak_said
