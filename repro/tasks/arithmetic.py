"""Procedural arithmetic with a written chain of steps: its true difficulty is known and its supply is endless.

`7*5-9?` is answered by `7*5=35;35-9=26#26`: left to right, every result modulo 100, operands 2 to 9.
"""

from __future__ import annotations

from itertools import product

import numpy as np

from repro.tasks.dataset_spec import Arithmetic
from repro.tasks.problem import Problem, TaskData
from repro.tasks.procedural import ANSWER_PREFIX, Supply, make_task

OPERATIONS = "+-*"
OPERANDS = range(2, 10)
MODULUS = 100
ALPHABET = f"0123456789+-*=;?{ANSWER_PREFIX}"

Expression = tuple[int, tuple[tuple[str, int], ...]]
"""First operand and the (operation, operand) pairs that follow it."""


def apply(left: int, operation: str, right: int) -> int:
    """One step: `left` in 0..99, `right` in 2..9; the result modulo 100, so that 3-9 is 94."""
    if operation == "+":
        return (left + right) % MODULUS
    if operation == "-":
        return (left - right) % MODULUS
    if operation == "*":
        return (left * right) % MODULUS
    raise ValueError(f"operation {operation!r}: expected one of {OPERATIONS}")


def question_of(expression: Expression) -> str:
    """`7*5-9?` for (7, (("*", 5), ("-", 9)))."""
    first, rest = expression
    return f"{first}{''.join(f'{operation}{operand}' for operation, operand in rest)}?"


def parse(question: str) -> Expression:
    """The inverse of `question_of`. Raises ValueError where the text is no such question."""
    body = question[:-1]
    pairs = tuple((body[i], int(body[i + 1])) for i in range(1, len(body) - 1, 2))
    expression = (int(body[0]), pairs)
    if question_of(expression) != question:
        raise ValueError(f"{question!r} is not an arithmetic question such as 7*5-9?")
    return expression


def solve(expression: Expression) -> Problem:
    """The problem with its correct written solution and its true difficulty."""
    value, rest = expression
    steps = []
    for operation, operand in rest:
        result = apply(value, operation, operand)
        steps.append(f"{value}{operation}{operand}={result}")
        value = result
    question = question_of(expression)
    metadata = {"steps": len(rest), "operations": "".join(operation for operation, _ in rest)}
    return Problem(id=question[:-1], question=question, answer=str(value), solution=";".join(steps), metadata=metadata)


def draw_expression(rng: np.random.Generator, steps: int, operations: str = OPERATIONS) -> Expression:
    """A uniform draw among the expressions with so many steps."""
    operands = rng.integers(OPERANDS.start, OPERANDS.stop, steps + 1)
    kinds = rng.integers(0, len(operations), steps)
    rest = tuple((operations[k], int(n)) for k, n in zip(kinds, operands[1:], strict=True))
    return int(operands[0]), rest


def every_expression(steps: int, operations: str = OPERATIONS) -> list[Expression]:
    """All expressions with so many steps."""
    return [
        (first, tuple(zip(kinds, operands, strict=True)))
        for first in OPERANDS
        for kinds in product(operations, repeat=steps)
        for operands in product(OPERANDS, repeat=steps)
    ]


ARITHMETIC = Supply("arithmetic", OPERATIONS, "+-", 20_250_531, every_expression, draw_expression, solve)


def make_arithmetic(spec: Arithmetic) -> TaskData:
    """The dataset of a spec, see `make_task`: the easy share has one or two additions and subtractions."""
    return make_task(ARITHMETIC, spec)
