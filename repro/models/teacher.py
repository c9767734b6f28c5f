"""The unreliable teacher of the arithmetic warm start: systematic wrong habits, plain noise, answers without steps."""

from __future__ import annotations

import numpy as np

from repro.spec.models import Teacher
from repro.tasks.arithmetic import ANSWER_PREFIX, MODULUS, Expression, apply, draw_expression, question_of, role_of


def habitual(left: int, operation: str, right: int) -> int:
    """The wrong way: - takes the absolute difference, * multiplies digit by digit and drops the carries; + is right.

    It coincides with the right result wherever nothing is negative and no carry arises, which is what makes some
    questions easy for a policy with these habits and others hopeless.
    """
    if operation == "-":
        return abs(left - right)
    if operation == "*":
        return (left // 10 * right % 10) * 10 + left % 10 * right % 10
    return apply(left, operation, right)


def imitated(expression: Expression, teacher: Teacher, rng: np.random.Generator) -> str:
    """The teacher's completion. Later steps go on from a wrong result; a direct answer is where its steps would end."""
    noise = {"+": teacher.noise_add, "-": teacher.noise_subtract, "*": teacher.noise_multiply}
    value, rest = expression
    steps = []
    for operation, operand in rest:
        if rng.random() < noise[operation]:
            result = int(rng.integers(MODULUS))
        elif rng.random() < teacher.habit:
            result = habitual(value, operation, operand)
        else:
            result = apply(value, operation, operand)
        steps.append(f"{value}{operation}{operand}={result}")
        value = result
    written = "" if rng.random() < teacher.direct_answers else ";".join(steps)
    return f"{written}{ANSWER_PREFIX}{value}"


FAULTLESS = {"habit": 0.0, "noise_add": 0.0, "noise_subtract": 0.0, "noise_multiply": 0.0, "direct_answers": 0.0}


def lessons(teacher: Teacher, n: int, rng: np.random.Generator) -> list[tuple[str, str]]:
    """`n` pairs of question and completion, lengths uniform over 1 to `teacher.longest` steps.

    The first `teacher.faultless` share of them is right throughout: the policy learns the arithmetic there, and then
    picks up the faults of the rest. What it knows and seldom shows is what GRPO can bring out.
    Questions of every held-out role are left out, so that no pool's validation or test question is among them.
    """
    rows: list[tuple[str, str]] = []
    sound = teacher.model_copy(update=FAULTLESS)
    while len(rows) < n:
        expression = draw_expression(rng, int(rng.integers(1, teacher.longest + 1)))
        question = question_of(expression)
        if role_of(question) == "train":
            now = sound if len(rows) < round(teacher.faultless * n) else teacher
            rows.append((question, imitated(expression, now, rng)))
    return rows
