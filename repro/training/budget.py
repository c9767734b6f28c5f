"""When a run ends: after its steps, its epochs, or a budget of tokens or seconds."""

from __future__ import annotations

from repro.spec.budget_spec import Budget
from repro.spec.schema import Cell
from repro.study.expand import epoch_steps
from repro.training.ledger import SPEND, Ledger

BUDGET_STEPS = 100_000
"""Steps a run with a budget of tokens or seconds may make at most: the budget ends it long before."""


def steps_over(cell: Cell, questions: int) -> int | None:
    """Steps of a run that draws from so many questions; None where spending ends it."""
    train, budget = cell.train, cell.budget
    if budget is None:
        return train.steps
    return None if budget.epochs is None else epoch_steps(budget.epochs, questions, train.questions_per_step)


def budget_used(budget: Budget | None, spent: Ledger) -> float:
    """Share of a budget of tokens or seconds that is spent; 0 where steps end the run."""
    if budget is None or budget.epochs is not None:
        return 0.0
    if budget.tokens is not None:
        return spent.total("generated_tokens", SPEND) / budget.tokens
    assert budget.seconds is not None
    return spent.total("seconds", SPEND) / budget.seconds


def planned_steps(step: int, used: float, steps: int) -> int:
    """How many steps the run will make, as far as one can tell after `step` of them."""
    return max(step, round(step / used)) if used else steps


def nothing_left(cell: Cell, spent: Ledger) -> str:
    """Why a run whose selection alone spends its budget cannot make its first step."""
    budget = cell.budget
    assert budget is not None and budget.epochs is None
    field, quantity = ("tokens", "generated_tokens") if budget.tokens is not None else ("seconds", "seconds")
    return (
        f"budget.{field}: {getattr(budget, field):,} of arm '{cell.arm}' are spent by its selection alone, "
        f"which took {spent.total(quantity, SPEND):,.0f}: raise the budget or choose a cheaper selection"
    )
