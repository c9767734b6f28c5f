"""Single-pass scores of the questions of a pool, as the store has them, and their means by pass rate."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from repro.analysis.arms import chosen_questions
from repro.analysis.measures import Measures
from repro.analysis.pool import Array, Levels, Pool
from repro.analysis.runs import Series
from repro.analysis.selections import CONFIDENCE, words
from repro.analysis.statistics import Interval, t_interval
from repro.analysis.ufo_rl.arms import scores, target_name

FEW = 5
"""No interval of a mean over fewer questions than this."""


@dataclass(frozen=True)
class Scored:
    """Single-pass scores of one panel's questions, with what else is known of them; NaN where it is not."""

    pool: Pool
    name: str
    alone: bool  # whether it is a score of the question alone
    kept: tuple[float, float] | None  # lowest and highest score of what the arm kept, None where it kept everything
    s: Array  # (n,)
    rate: Array  # (n,) base pass rate
    length: Array  # (n,) target tokens
    true: Array  # (n,) true difficulty

    @property
    def title(self) -> str:
        return self.pool.title


def scored(measures: Measures, pool: Pool) -> list[Scored]:
    """Every different score of the panel whose values are stored, over the questions with a pass rate."""
    found: dict[str, Scored] = {}
    for series in measures.panel.series:
        chosen, values = series.chosen, scores(series)
        if chosen.score == CONFIDENCE:
            name, alone = f"s of the {target_name(series)}", False
        elif chosen.score is not None and chosen.of_question_alone:
            name, alone = words(chosen.score), True
        else:
            continue
        about = series.runs[0].json("selection.json")
        lengths, true = about.get("target_tokens") or {}, about.get("steps_true") or {}
        ids = [question for question in pool.rates if question in values]
        if len(ids) < 3 or (name in found and not (lengths and np.isnan(found[name].length).all())):
            continue
        columns = (values, pool.rates, lengths, true)
        arrays = (np.array([column.get(q, math.nan) for q in ids], float) for column in columns)
        found[name] = Scored(pool, name, alone, _kept(series, values), *arrays)
    return sorted(found.values(), key=lambda one: one.alone)


def _kept(series: Series, values: Mapping[str, float]) -> tuple[float, float] | None:
    chosen = [values[question] for question in chosen_questions(series) if question in values]
    return (min(chosen), max(chosen)) if chosen and len(chosen) < len(values) else None


def by_level(one: Scored) -> list[Interval]:
    """Mean score of the questions in each pass-rate column, with a 95 % t-interval over them (none below `FEW`)."""
    levels = Levels(one.pool.samples)
    which = levels.of(one.rate)
    out = []
    for level in range(levels.count):
        found = t_interval(one.s[which == level])
        out.append(found if found.n >= FEW else Interval(found.value, math.nan, math.nan, found.n))
    return out
