"""Says up to which cost arms are compared, which differs from row to row."""

from __future__ import annotations

from collections.abc import Sequence

from repro.analysis.budgets import apart, span
from repro.analysis.page.sentences import COST
from repro.analysis.primary import Judged


def differ(judged: Sequence[Judged]) -> bool:
    """Whether rows reach up to costs so far apart on a model and task that their differences do not add up."""
    budgets: dict[str, list[float]] = {}
    for pair in (pair for one in judged for pair in one.pairs):
        budgets.setdefault(pair.panel.title, []).append(pair.budget)
    return any(map(apart, budgets.values()))


def up_to(judged: Sequence[Judged], aside: str = "") -> str:
    """`each row up to the steps that all runs of its two arms have spent (20 to 40)`; `aside` follows the numbers."""
    costs = dict.fromkeys(one.question.by for one in judged)
    cost = COST[next(iter(costs))] if len(costs) == 1 else "cost"
    where = " on a model and task" if any(len(one.pairs) > 1 for one in judged) else ""
    numbers = span(judged) if len(costs) == 1 and any(one.pairs for one in judged) else ""
    told = ", ".join(text for text in (numbers, aside) if text)
    brackets = f" ({told})" if told else ""
    return f"each row up to the {cost} that all runs of its two arms{where} have spent{brackets}"
