"""The page of the check: what was predicted before training, beside what finished runs did."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pandas as pd

from repro.analysis.diagnose.advice import Verdict
from repro.analysis.diagnose.check import FIRST, NEAR, Checked, CheckedSaving, winner
from repro.analysis.diagnose.page import FRONT, write_folder
from repro.analysis.diagnose.screen import WORDS
from repro.analysis.page.sections import Section
from repro.analysis.tables import Table, numbers
from repro.analysis.text import joined, number, percent, points
from repro.files import dump_json
from repro.words import plural


def write_check(found: Checked, out: Path, command: str) -> Path:
    """Write the folder in one move and return the path of report.html. UserError as `write_page`."""
    tables = [shares(found), *([savings(found)] if found.savings else [])]
    titles = {"shares": "Groups with a signal in the first steps", "savings": "Savings, advice and what won"}
    sections = tuple(Section(titles[table.name], table.name, (), (table,)) for table in tables)
    content = {
        "name": "check",
        "title": "Do diagnoses made before training agree with finished runs?",
        "sentences": sentences(found),
        "sure": f"Predicted at the start policy; measured over the first {FIRST} steps of all runs of an arm.",
        "sections": sections,
        "command": command,
    }
    record = {table.name: table.data.replace({np.nan: None}).to_dict("records") for table in tables}
    write_folder(out, content, sections, {"check.json": dump_json(record).decode()})
    return out / FRONT


def sentences(found: Checked) -> tuple[str, ...]:
    """What the check says, the shares of uniform sampling first."""
    base, rest = found.baselines, [one for one in found.shares if one.method not in ("uniform", "random")]
    lines = []
    if base:
        near = sum(one.near for one in base)
        off = number(100 * float(np.mean([abs(one.difference) for one in base])))
        lines.append(
            f"**On {near} of {plural(len(base), 'pair')} of policy and task the predicted share of informative groups "
            f"lies within {100 * NEAR:g} points of the measured one** (uniform sampling; mean distance {off} points)."
        )
    if rest:
        near = sum(one.near for one in rest)
        named = joined([f"`{label}`" for label in dict.fromkeys(one.arm for one in rest)])
        lines.append(
            f"Of {plural(len(rest), 'arm')} that choose by what they know of a question ({named}), the same holds for "
            f"{near}. A random part, which is predicted as uniform sampling is, does not count among them."
        )
    if found.shares:
        noise = sum(one.by_chance for one in found.shares)
        lines.append(f"{noise} of all {len(found.shares)} differences are no larger than the noise of both numbers.")
    for pair, group in itertools.groupby(found.savings, key=lambda one: one.pair):
        lines.append(_advice(pair, list(group)))
    return tuple(lines)


def _advice(pair: str, rows: list[CheckedSaving]) -> str:
    """The advice of one pair beside what its study shows."""
    best = winner(rows)
    lower = [row for row in rows if row.verdict == "lower"]
    parts = [f"{pair}: " + (f"`{best}` won" if best else "no arm was shown to beat its baseline")]
    if best:
        parts.append(_advised(next(row.advice for row in rows if row.arm == best)))
    if lower:
        told = joined([f"`{row.arm}` ({_advised(row.advice)})" for row in lower])
        parts.append(f"worse was {told}" if len(lower) == 1 else f"worse were {told}")
    over = [row for row in rows if row.measured.known and row.measured.low > row.most]
    parts.append(
        "no saving lies above its bound" if not over else f"{', '.join(row.arm for row in over)} lies above its bound"
    )
    return "; ".join(parts) + "."


def _advised(advice: Verdict) -> str:
    return "a control, without advice" if advice == "control" else f"advice: {WORDS[advice]}"


def shares(found: Checked) -> Table:
    """Predicted and measured shares, arm by arm."""
    rows, data = [], []
    for one in found.shares:
        rows.append(
            (
                one.pair,
                f"`{one.arm}`",
                percent(one.predicted),
                percent(one.measured),
                number(100 * one.difference, sign=True),
                "yes" if one.near else "no",
                "yes" if one.by_chance else "no",
            )
        )
        data.append({"pair": one.pair, "arm": one.arm, **numbers("predicted", one.predicted)})
        data[-1] |= numbers("measured", one.measured) | {"groups": one.measured.n, "difference": one.difference}
        data[-1] |= {"by_chance": one.by_chance}
    return Table(
        "shares",
        "Groups with a signal: predicted before training, measured in the first steps",
        ("pair", "arm", "predicted", "measured", "difference, points", f"within {100 * NEAR:g}", "within noise"),
        rows,
        pd.DataFrame(data),
        f"Measured: fresh groups with a gradient over the first {FIRST} steps of all runs; its interval takes groups "
        "as independent. Training moves the policy within these steps. Within noise: the difference is no larger than "
        "the square root of the sum of squares of half the two intervals.",
        left=2,
    )


def savings(found: Checked) -> Table:
    """Predicted and measured savings, with the advice."""
    rows, data = [], []
    for one in found.savings:
        saved = one.measured
        shown = saved.withheld or f"{number(saved.value, 2)} [{number(saved.low, 2)}, {number(saved.high, 2)}]"
        rows.append(
            (
                one.pair,
                f"`{one.arm}`",
                WORDS[one.advice],
                number(one.predicted, 2),
                number(one.most, 2),
                shown,
                points(one.difference.interval()),
                one.verdict,
            )
        )
        data.append({"pair": one.pair, "arm": one.arm, "advice": one.advice, "predicted": one.predicted})
        data[-1] |= {"bound": one.most, **numbers("measured", saved), "verdict": one.verdict}
        data[-1] |= numbers("difference", one.difference.interval())
    return Table(
        "savings",
        "Times fewer tokens: predicted, at most, and measured over training",
        ("pair", "arm", "advice", "predicted", "bound", "measured", "accuracy over training, points", "verdict"),
        rows,
        pd.DataFrame(data),
        "Predicted: for as many informative groups at the start, choosing included; of replay, by the completions of a "
        "step. Bound: every group informative and choosing free; of replay, every replayed group as good as new. "
        "Measured: for the same mean accuracy over training as the baseline. Accuracy and verdict: at equal generated "
        "tokens, with Holm's correction over the arms of a pair.",
        left=3,
    )
