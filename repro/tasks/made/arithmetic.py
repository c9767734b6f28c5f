"""Procedural arithmetic with a written chain of steps: its true difficulty is known and its supply is endless.

`7*5-9?` is answered by `7*5=35;35-9=26#26`: left to right, every result modulo 100, operands 2 to 9.
"""

from __future__ import annotations

from itertools import product
from typing import ClassVar

import numpy as np
from pydantic import Field

from repro.tasks.chains import Chains, ChainTeacher
from repro.tasks.problem import Problem
from repro.tasks.task import ANSWER_PREFIX

OPERATIONS = "+-*"
OPERANDS = range(2, 10)
MODULUS = 100

Expression = tuple[int, tuple[tuple[str, int], ...]]
"""First operand and the (operation, operand) pairs that follow it."""


class ArithmeticTeacher(ChainTeacher):
    """The unreliable teacher that the embedded policy imitates in its warm start on arithmetic."""

    habit: float = Field(0.6, ge=0, le=1, description="probability of a systematic wrong habit in - and * steps")
    noise_add: float = Field(0.05, ge=0, le=1, description="probability that the result of a + step is random")
    noise_subtract: float = Field(0.08, ge=0, le=1, description="the same for a - step")
    noise_multiply: float = Field(0.12, ge=0, le=1, description="the same for a * step")


class Arithmetic(Chains):
    """Left-to-right arithmetic modulo 100 with a written chain of steps."""

    stream: ClassVar[int] = 20_250_531
    teacher: ClassVar[type[ArithmeticTeacher]] = ArithmeticTeacher
    alphabet: ClassVar[str] = f"0123456789+-*=;?{ANSWER_PREFIX}"
    operations: ClassVar[str] = OPERATIONS
    easy_operations: ClassVar[str] = "+-"

    def every(self, steps: int, operations: str) -> list[Expression]:
        """All expressions with so many steps."""
        return [
            (first, tuple(zip(kinds, operands, strict=True)))
            for first in OPERANDS
            for kinds in product(operations, repeat=steps)
            for operands in product(OPERANDS, repeat=steps)
        ]

    def draw(self, generator: np.random.Generator, steps: int, operations: str) -> Expression:
        """A uniform draw among the expressions with so many steps."""
        operands = generator.integers(OPERANDS.start, OPERANDS.stop, steps + 1)
        kinds = generator.integers(0, len(operations), steps)
        rest = tuple((operations[k], int(n)) for k, n in zip(kinds, operands[1:], strict=True))
        return int(operands[0]), rest

    def solve(self, chain: Expression) -> Problem:
        """The problem with its correct written solution and its true difficulty."""
        value, rest = chain
        steps = []
        for operation, operand in rest:
            result = apply(value, operation, operand)
            steps.append(f"{value}{operation}{operand}={result}")
            value = result
        question = question_of(chain)
        metadata = {"steps": len(rest), "operations": "".join(operation for operation, _ in rest)}
        return Problem(question[:-1], question, answer=str(value), solution=";".join(steps), metadata=metadata)

    def imitated(self, chain: Expression, teacher: ArithmeticTeacher, generator: np.random.Generator) -> str:
        """The teacher's completion. Later steps go on from a wrong result; a direct answer is where its steps would
        end."""
        noise = {"+": teacher.noise_add, "-": teacher.noise_subtract, "*": teacher.noise_multiply}
        value, rest = chain
        steps = []
        for operation, operand in rest:
            if generator.random() < noise[operation]:
                result = int(generator.integers(MODULUS))
            elif generator.random() < teacher.habit:
                result = habitual(value, operation, operand)
            else:
                result = apply(value, operation, operand)
            steps.append(f"{value}{operation}{operand}={result}")
            value = result
        written = "" if generator.random() < teacher.direct_answers else ";".join(steps)
        return f"{written}{ANSWER_PREFIX}{value}"


def apply(left: int, operation: str, right: int) -> int:
    """One step: `left` in 0..99, `right` in 2..9; the result modulo 100, so that 3-9 is 94."""
    if operation == "+":
        return (left + right) % MODULUS
    if operation == "-":
        return (left - right) % MODULUS
    if operation == "*":
        return (left * right) % MODULUS
    raise ValueError(f"operation {operation!r}: expected one of {OPERATIONS}")


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


def question_of(expression: Expression) -> str:
    """`7*5-9?` for (7, (("*", 5), ("-", 9)))."""
    first, rest = expression
    return f"{first}{''.join(f'{operation}{operand}' for operation, operand in rest)}?"
