"""Up to which cost two arms are compared: what every run of both has spent."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.primary import Judged
from analysis.text import NOTHING, amount, seconds


def span(judged: Sequence[Judged]) -> str:
    """The budgets of comparisons at one cost, the smallest and the largest: `181 k to 287 k`; a dash without any."""
    budgets = sorted(pair.budget for one in judged for pair in one.pairs)
    if not budgets:
        return NOTHING
    told = seconds if judged[0].question.by == "seconds" else amount
    return " to ".join(dict.fromkeys((told(budgets[0]), told(budgets[-1]))))
