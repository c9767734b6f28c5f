"""What a leaderboard comes to in practice: a few sentences, each read off an interval, and the numbers behind them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from repro.analysis.arms import bounds
from repro.analysis.budgets import span
from repro.analysis.leaderboard.board import Board
from repro.analysis.leaderboard.ranking import clear, selection_tokens
from repro.analysis.pictures import Picture
from repro.analysis.primary import Judged
from repro.analysis.tables import Table, numbers
from repro.analysis.text import NOTHING, joined, number, points, sentence
from repro.words import plural

NAMED = 3
"""Arms that a sentence names; of more it tells how many."""

WORTH = 0.02
"""A difference that a study should see: the sentences say how many seeds that takes."""


def practice(board: Board) -> list[Table | Picture]:
    """The numbers behind the sentences, one row per arm; nothing without a comparison."""
    judged = {label: one for label, one in board.judged("tokens").items() if one.pairs}
    if not judged:
        return []
    steps = board.judged("steps")
    header = ["arm", "clear", "at equal tokens, points", "up to, tokens", "at equal steps, points"]
    header += [
        "clear by itself on",
        "could be seen, points",
        f"seeds for {100 * WORTH:.0f} points",
        "selection, % of tokens",
    ]
    rows: list[list[str]] = []
    data: list[dict[str, Any]] = []
    for label in (label for label in board.order if label in judged):
        one, by_steps = judged[label], steps.get(label)
        needed, seen = one.seeds_needed(WORTH), one.smallest_seen
        _, share = selection_tokens(board, label)
        ahead, behind = _sides(one)
        where = joined(
            [
                f"{len(found)} of {len(one.pairs)} {word}"
                for found, word in ((ahead, "ahead"), (behind, "behind"))
                if found
            ]
        )
        rows.append([f"`{label}`", clear(one), points(one.difference.interval()), span([one])])
        rows[-1] += [
            points(by_steps.difference.interval()) if by_steps and by_steps.pairs else NOTHING,
            where or "none",
        ]
        rows[-1] += [
            number(100 * seen) if math.isfinite(seen) else NOTHING,
            _seeds(needed, seen),
            number(100 * share, 0),
        ]
        data.append({"arm": label, "against": one.question.against, "verdict": one.verdict, "holm_p": one.p})
        data[-1] |= {**numbers("share_of_gain", one.share.interval()), **numbers("points", one.difference.interval())}
        data[-1] |= numbers("equal_steps_points", by_steps.difference.interval() if by_steps else None)
        data[-1] |= {"equal_steps_verdict": by_steps.verdict if by_steps else "", "pairs": len(one.pairs)}
        data[-1] |= {"pairs_ahead": len(ahead), "pairs_behind": len(behind), "smallest_seen": seen}
        data[-1] |= {"seeds_for_2_points": needed, "selection_share": share}
    family = plural(len(board.judged("tokens")), "arm")
    caption = (
        "Mean accuracy over training minus that of the baseline, mean over pairs, with 95 % intervals over seeds and "
        f"questions. Clear: at equal tokens after Holm's correction over {family}; by itself: pairs of policy and task "
        "whose own 95 % interval is clear of 0, not corrected. Could be seen: the smallest true difference that is "
        f"found four times in five, and the seeds for one of {100 * WORTH:.0f} points (∞: more questions are needed)."
    )
    title = "What the runs say in practice"
    return [
        Table(
            "leaderboard.practice", title, header, rows, pd.DataFrame(data), caption + board.units_said, 2,
            paper=[name for name in header if not name.startswith("at equal steps")],
        )
    ]  # fmt: skip


def lead(board: Board) -> str:
    """How many arms are clear of the baseline, in one sentence for the first page; "" where nothing can be clear."""
    judged = board.judged("tokens")
    verdicts = {label: judged[label].verdict for label in board.order if label in judged}
    if not verdicts or all(verdict == "one seed" for verdict in verdicts.values()):
        return ""
    ahead = [label for label, own in verdicts.items() if own == "higher"]
    known = {label for one in board.panels for label in bounds(one.panel.series)}
    sizes = [f"`{label}` ({'a bound, ' if label in known else ''}{_points(judged[label])})" for label in ahead]
    who = joined(sizes) if 0 < len(ahead) <= NAMED else str(len(ahead) or "none")
    behind = sum(own == "lower" for own in verdicts.values()) or "none"
    were = "was" if len(ahead) == 1 else "were"
    return (
        f"Of {plural(len(verdicts), 'arm')}, at equal tokens {who} {were} clearly ahead of {board.baseline_said}, and "
        f"{behind} clearly behind."
    )


def _points(one: Judged) -> str:
    return f"{number(100 * one.difference.value, sign=True)} points"


def paragraph(board: Board) -> tuple[str, ...]:
    """Five sentences at most, in the light markup of `as_html`; every number stands in a table of the leaderboard."""
    judged = {label: board.judged("tokens")[label] for label in board.order if label in board.judged("tokens")}
    if not judged:
        return ("No arm can be compared with its baseline at equal generated tokens.",)
    found = [
        _ahead(board, judged),
        _behind(judged),
        _costly(board, judged),
        _undecided(judged),
        _elsewhere(board, judged),
    ]
    return tuple(sentence(text) for text in found if text)


def _ahead(board: Board, judged: dict[str, Judged]) -> str:
    """Which arms are clear of the baseline, by how much, and on how many pairs."""
    higher = {label: one for label, one in judged.items() if one.verdict == "higher"}
    base = board.baseline_said
    if higher:
        told = [_size(label, one, _where(one)) for label, one in list(higher.items())[:NAMED]]
        more = f" and {len(higher) - NAMED} more" if len(higher) > NAMED else ""
        who = ", ".join(told) + more if more else joined(told)
        only = "" if len(higher) > 1 else "only "
        return f"From the same tokens {only}{who} learned clearly more than {base}, in points of accuracy over training"
    if all(one.verdict == "one seed" for one in judged.values()):
        return f"One seed of each arm: nothing is clear of {base}"
    label, one = next(iter(judged.items()))
    highest = f"the highest is {_size(label, one, ' points')}"
    return f"From the same tokens no arm learned clearly more than {base}; {highest}"


def _behind(judged: dict[str, Judged]) -> str:
    lower = {label: one for label, one in judged.items() if one.verdict == "lower"}
    if not lower:
        return ""
    worst = list(lower.items())[::-1]
    told = [_size(label, one) for label, one in worst[:NAMED]]
    more = f" and {len(lower) - NAMED} more" if len(lower) > NAMED else ""
    return f"Clearly less: {', '.join(told) + more if more else joined(told)}"


def _costly(board: Board, judged: dict[str, Judged]) -> str:
    """Arms that are clear at equal steps and not at equal tokens: what they cost eats what they bring."""
    found = [
        label
        for label, one in board.judged("steps").items()
        if one.verdict == "higher" and label in judged and judged[label].verdict not in ("higher", "one seed")
    ]
    if not found:
        return ""
    told = []
    for label in sorted(found, key=lambda label: -selection_tokens(board, label)[1])[:NAMED]:
        share = number(100 * selection_tokens(board, label)[1], 0)
        # 100 %: it chooses among groups that it has rolled out, so the share says nothing.
        why = f" (selection: {share} % of its tokens)" if share not in ("0", "100") else ""
        told.append(f"`{label}`{why}")
    more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
    verb = "leads" if len(found) == 1 else "lead"
    return f"{', '.join(told) + more if more else joined(told)} {verb} at equal steps but not at equal tokens"


def _undecided(judged: dict[str, Judged]) -> str:
    """What stays open, and what it would take."""
    open_ones = {label: one for label, one in judged.items() if one.verdict == "undecided"}
    if not open_ones:
        return ""
    who = joined([f"`{label}`" for label in open_ones]) if len(open_ones) <= NAMED else f"{len(open_ones)} arms"
    text = f"{who} {'stays' if len(open_ones) == 1 else 'stay'} undecided"
    seen = [one.smallest_seen for one in open_ones.values() if math.isfinite(one.smallest_seen)]
    if seen:
        text += f": a difference of {number(100 * max(seen))} points would have been found four times in five"
        needed = [one.seeds_needed(WORTH) for one in open_ones.values()]
        if None in needed:
            text += f", and one of {100 * WORTH:.0f} points takes more questions"
        elif max(seen) > WORTH:
            text += (
                f", and one of {100 * WORTH:.0f} points takes {max(count for count in needed if count)} seeds a pair"
            )
    return text


def _elsewhere(board: Board, judged: dict[str, Judged]) -> str:
    """What can be said of other tasks."""
    if len(board.tasks) == 1:
        return "One task: no claim about other tasks"
    known = {
        label: one.other_tasks for label, one in judged.items() if one.other_tasks is not None and one.other_tasks.known
    }
    if not known:
        return f"{plural(len(board.tasks), 'task')}: no claim about other tasks"
    sides = {label: other.interval().clear_of(0) for label, other in known.items()}
    higher = [label for label, side in sides.items() if side > 0 and judged[label].verdict == "higher"]
    tasks = plural(len(board.tasks), "task")
    if not higher:
        return f"For other tasks than these {tasks} no arm is clear of the baseline"
    who = joined([f"`{label}`" for label in higher]) if len(higher) <= NAMED else f"{len(higher)} arms"
    return (
        f"With the {tasks} as a sample of others, {who} {'is' if len(higher) == 1 else 'are'} ahead there too, "
        "without correction for the number of arms"
    )


def _size(label: str, one: Judged, where: str = "") -> str:
    return f"`{label}` ({points(one.difference.interval())}{where})"


def _where(one: Judged) -> str:
    """On how many pairs it is clear by itself, where that is not all of them."""
    ahead, behind = _sides(one)
    if len(one.pairs) < 2 or (len(ahead) == len(one.pairs) and not one.unfit):
        return ""
    text = f"; clear by itself on {len(ahead)} of {len(one.pairs)} pairs"
    return text + (f" and behind on {len(behind)}" if behind else "")


def _sides(one: Judged) -> tuple[Sequence[str], Sequence[str]]:
    """Titles of the pairs on which its own interval is clear: ahead, behind."""
    sides = {pair.panel.title: pair.difference.interval().clear_of(0) for pair in one.pairs}
    return tuple(t for t, side in sides.items() if side > 0), tuple(t for t, side in sides.items() if side < 0)


def _seeds(needed: int | None, seen: float) -> str:
    """The number of seeds; a dash where one seed does not tell how they vary."""
    return NOTHING if math.isinf(seen) else "∞" if needed is None else str(needed)
