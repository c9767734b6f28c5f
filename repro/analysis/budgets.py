"""Up to which cost two arms are compared: what every run of both has spent; and where curves end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from repro.analysis.arms import matched_by
from repro.analysis.primary import Judged
from repro.analysis.runs import Series
from repro.analysis.text import amount, between, joined, seconds

APART = 1.05
"""Costs that differ by this factor or less count as equal: batches overshoot a budget. A mean over training to a cost
that is 5 % larger moves by 5 % at most of how far accuracy there lies from the mean."""


def apart(costs: Sequence[float]) -> bool:
    """Whether costs differ by more than `APART`."""
    return max(costs, default=0.0) > APART * min(costs, default=0.0)


def ends_said(several: Sequence[Series], ends: Iterable[Sequence[float]]) -> str:
    """Why the curves of arms end at different costs, in one sentence; empty where they end alike.

    `ends`: for each panel the costs at which its curves end.
    """
    if not any(map(apart, ends)):
        return ""
    given = list(dict.fromkeys(map(matched_by, several)))
    whose = "Every run is" if len(given) == 1 else "Runs are"
    return f"{whose} given {joined(given, 'or')}, so that curves end at different costs."


def span(judged: Sequence[Judged]) -> str:
    """The budgets of comparisons at one cost, the smallest and the largest: `181 k to 287 k`; a dash without any."""
    told = seconds if judged and judged[0].question.by == "seconds" else amount
    return between((pair.budget for one in judged for pair in one.pairs), told)
