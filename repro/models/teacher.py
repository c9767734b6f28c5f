"""The unreliable teacher of the arithmetic warm start: systematic wrong habits, plain noise, answers without steps."""

from __future__ import annotations

import numpy as np

from repro.models.lessons import lessons
from repro.models.model_spec import Teacher
from repro.tasks.arithmetic import MODULUS, Expression, apply, draw_expression, question_of
from repro.tasks.procedural import ANSWER_PREFIX


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


def arithmetic_lessons(teacher: Teacher, n: int, rng: np.random.Generator) -> list[tuple[str, str]]:
    """`n` pairs of question and completion, see `lessons`."""
    sound = teacher.model_copy(update=FAULTLESS)
    return lessons(
        n,
        rng,
        longest=teacher.longest,
        faultless=teacher.faultless,
        draw=draw_expression,
        question_of=question_of,
        imitate=lambda expression, right: imitated(expression, sound if right else teacher, rng),
    )
