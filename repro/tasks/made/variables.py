"""A procedural task of looking things up: a chain of assignments, each with an earlier variable that it names.

`e=3;f=5;g=f-e;h=g*f;gh?` is answered by `f5-e3=g2*f5=h0#20`: values modulo 10, a step goes on from the one before, and
the last two variables are asked for (one digit alone would be guessed too often).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import ClassVar

import numpy as np
from pydantic import Field

from repro.tasks.chains import Chains, ChainTeacher
from repro.tasks.problem import Problem
from repro.tasks.task import ANSWER_PREFIX

OPERATIONS = "+-*"
EASY = "+"
MODULUS = 10
GIVEN = 2
"""Variables that start with a digit."""
ASKED = 2
"""Variables whose values are the answer: the last ones."""
NAMES = "abcdefghijkl"
"""As many as the longest chain needs. A chain starts at any of them and goes on around the circle."""

Assignment = tuple[str, str, str]
"""Name, operation, right operand. The left operand is the variable before; the right one is any before that."""
Chain = tuple[tuple[tuple[str, int], ...], tuple[Assignment, ...]]
"""The given (name, digit) pairs and the assignments after them."""


class VariablesTeacher(ChainTeacher):
    """The unreliable teacher of the variables task."""

    habit: float = Field(0.7, ge=0, le=1, description="probability of a systematic wrong habit in - and * steps")
    noise: float = Field(0.08, ge=0, le=1, description="probability that the result of a step is random")


class Variables(Chains):
    """Assignments modulo 10 whose operands are earlier variables by name, with every value written out."""

    stream: ClassVar[int] = 20_260_417
    teacher: ClassVar[type[VariablesTeacher]] = VariablesTeacher
    alphabet: ClassVar[str] = f"0123456789{NAMES}+-*=;?{ANSWER_PREFIX}"
    operations: ClassVar[str] = OPERATIONS
    easy_operations: ClassVar[str] = EASY

    def every(self, steps: int, operations: str) -> list[Chain]:
        """All chains with so many steps."""
        return [_chain(digits, operations) for digits in product(*map(range, _radices(steps, operations)))]

    def draw(self, generator: np.random.Generator, steps: int, operations: str) -> Chain:
        """A uniform draw among the chains with so many steps, at most 10."""
        return _chain([int(n) for n in generator.integers(_radices(steps, operations))], operations)

    def solve(self, chain: Chain) -> Problem:
        """The problem with its correct written solution and its true difficulty."""
        given, assigned = chain
        values, names = dict(given), names_of(chain)
        left = names[GIVEN - 1]
        written = f"{left}{values[left]}"
        for name, operation, right in assigned:
            values[name] = apply(values[left], operation, values[right])
            written += f"{operation}{right}{values[right]}={name}{values[name]}"
            left = name
        question, answer = question_of(chain), "".join(str(values[name]) for name in names[-ASKED:])
        metadata = {"steps": len(assigned), "operations": "".join(operation for _, operation, _ in assigned)}
        return Problem(question[:-1], question, answer, solution=written, metadata=metadata)

    def imitated(self, chain: Chain, teacher: VariablesTeacher, generator: np.random.Generator) -> str:
        """The teacher's completion. Later steps go on from a wrong value; a direct answer is where its steps would end.

        The wrong way, in - and * steps: the variable assigned just before the left operand is taken in place of the
        one that is named, and a difference loses its sign. It coincides with the right way where that variable is the
        one named and nothing is negative, which is what makes some questions easy for a policy with these habits.
        """
        given, assigned = chain
        values, names = dict(given), names_of(chain)
        latest, left = names[GIVEN - 2], names[GIVEN - 1]
        written = f"{left}{values[left]}"
        for name, operation, right in assigned:
            wrong = operation not in EASY and generator.random() < teacher.habit
            used = latest if wrong else right
            if generator.random() < teacher.noise:
                values[name] = int(generator.integers(MODULUS))
            elif wrong and operation == "-":
                values[name] = abs(values[left] - values[used])
            else:
                values[name] = apply(values[left], operation, values[used])
            written += f"{operation}{used}{values[used]}={name}{values[name]}"
            latest, left = left, name
        shown = "" if generator.random() < teacher.direct_answers else written
        return f"{shown}{ANSWER_PREFIX}{''.join(str(values[name]) for name in names[-ASKED:])}"


def apply(left: int, operation: str, right: int) -> int:
    """One step on digits; the result modulo 10, so that 3-5 is 8. ValueError for an unknown operation."""
    if operation == "+":
        return (left + right) % MODULUS
    if operation == "-":
        return (left - right) % MODULUS
    if operation == "*":
        return (left * right) % MODULUS
    raise ValueError(f"operation {operation!r}: expected one of {OPERATIONS}")


def names_of(chain: Chain) -> str:
    """The names of the variables, in their order."""
    given, assigned = chain
    return "".join([name for name, _ in given] + [name for name, _, _ in assigned])


def question_of(chain: Chain) -> str:
    """`e=3;f=5;g=f-e;fg?` for ((("e", 3), ("f", 5)), (("g", "-", "e"),))."""
    given, assigned = chain
    names = names_of(chain)
    parts = [f"{name}={value}" for name, value in given]
    lefts = names[GIVEN - 1 :]
    parts += [
        f"{name}={left}{operation}{right}" for left, (name, operation, right) in zip(lefts, assigned, strict=False)
    ]
    return ";".join([*parts, names[-ASKED:]]) + "?"


def _radices(steps: int, operations: str) -> list[int]:
    """How many ways there are for each free choice of a chain: first name, given digits, operations and operands."""
    choices = [len(NAMES), *[MODULUS] * GIVEN]
    for assigned in range(GIVEN, GIVEN + steps):
        choices += [len(operations), assigned - 1]
    return choices


def _chain(digits: Sequence[int], operations: str) -> Chain:
    """The chain of so many choices, each below its radix."""
    first, given, kinds, rights = digits[0], digits[1 : 1 + GIVEN], digits[1 + GIVEN :: 2], digits[2 + GIVEN :: 2]
    names = [NAMES[(first + i) % len(NAMES)] for i in range(GIVEN + len(kinds))]
    assigned = zip(names[GIVEN:], [operations[k] for k in kinds], [names[r] for r in rights], strict=True)
    return tuple(zip(names[:GIVEN], given, strict=True)), tuple(assigned)
