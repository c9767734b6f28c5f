"""Up to which cost two arms are compared: what every run of both has spent."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.primary import Judged
from analysis.text import amount, between, seconds


def span(judged: Sequence[Judged]) -> str:
    """The budgets of comparisons at one cost, the smallest and the largest: `181 k to 287 k`; a dash without any."""
    told = seconds if judged and judged[0].question.by == "seconds" else amount
    return between((pair.budget for one in judged for pair in one.pairs), told)
