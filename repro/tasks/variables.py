"""A procedural task of looking things up: assignments whose operands are earlier variables, each named, some unused.

`e=3;f=5;g=e-f;h=g*e?` is answered by `e3-f5=g8;g8*e3=h4#4`: results modulo 10, the last variable is asked for.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import prod
from typing import overload

import numpy as np

from repro.spec.datasets import Variables
from repro.tasks.problem import Problem, TaskData
from repro.tasks.procedural import ANSWER_PREFIX, Supply, make_task

OPERATIONS = "+-*"
EASY = "+"
"""Operations that the warm start's teacher has no wrong habit in."""
MODULUS = 10
GIVEN = 2
"""Variables that start with a digit."""
NAMES = "abcdefghijkl"
"""As many as the longest chain needs. A chain starts at any of them and goes on around the circle."""
ALPHABET = f"0123456789{NAMES}+-*=;?{ANSWER_PREFIX}"
GIVEN_PART = re.compile(r"([a-l])=(\d)")
ASSIGNED_PART = re.compile(r"([a-l])=([a-l])([-+*])([a-l])")

Assignment = tuple[str, str, str, str]
"""Name, left operand, operation, right operand."""
Chain = tuple[tuple[tuple[str, int], ...], tuple[Assignment, ...]]
"""The given (name, digit) pairs and the assignments after them."""


def apply(left: int, operation: str, right: int) -> int:
    """One step on digits; the result modulo 10, so that 3-5 is 8. ValueError for an unknown operation."""
    if operation == "+":
        return (left + right) % MODULUS
    if operation == "-":
        return (left - right) % MODULUS
    if operation == "*":
        return (left * right) % MODULUS
    raise ValueError(f"operation {operation!r}: expected one of {OPERATIONS}")


def question_of(chain: Chain) -> str:
    """`e=3;f=5;g=e-f?` for ((("e", 3), ("f", 5)), (("g", "e", "-", "f"),))."""
    given, assigned = chain
    parts = [f"{name}={value}" for name, value in given]
    parts += [f"{name}={left}{operation}{right}" for name, left, operation, right in assigned]
    return ";".join(parts) + "?"


def parse(question: str) -> Chain:
    """The inverse of `question_of`. Raises ValueError where the text is no such question."""
    parts = question.removesuffix("?").split(";")
    given = [found.groups() for part in parts[:GIVEN] if (found := GIVEN_PART.fullmatch(part))]
    assigned = [found.groups() for part in parts[GIVEN:] if (found := ASSIGNED_PART.fullmatch(part))]
    chain = (
        tuple((name, int(value)) for name, value in given),
        tuple((name, left, operation, right) for name, left, operation, right in assigned),
    )
    known = {name for name, _ in chain[0]}
    sound = len(known) == GIVEN and len(assigned) > 0
    for name, left, _, right in chain[1]:
        sound &= name not in known and {left, right} <= known
        known.add(name)
    if not sound or question_of(chain) != question:
        raise ValueError(f"{question!r} is not a variables question such as e=3;f=5;g=e-f?")
    return chain


def solve(chain: Chain) -> Problem:
    """The problem with its correct written solution, of every assignment in turn, and its true difficulty."""
    given, assigned = chain
    values = dict(given)
    steps = []
    for name, left, operation, right in assigned:
        values[name] = apply(values[left], operation, values[right])
        steps.append(f"{left}{values[left]}{operation}{right}{values[right]}={name}{values[name]}")
    question, answer = question_of(chain), str(values[assigned[-1][0]])
    metadata = {"steps": len(assigned), "operations": "".join(operation for _, _, operation, _ in assigned)}
    return Problem(id=question[:-1], question=question, answer=answer, solution=";".join(steps), metadata=metadata)


def _radices(steps: int, operations: str) -> list[int]:
    """How many ways there are for each free choice of a chain: first name, given digits, operations and operands."""
    choices = [len(NAMES), *[MODULUS] * GIVEN]
    for known in range(GIVEN, GIVEN + steps):
        choices += [len(operations), known, known - 1]
    return choices


def _chain(digits: Sequence[int], operations: str) -> Chain:
    """The chain of so many choices, each below its radix. The two operands of an assignment differ."""
    first, rest = digits[0], digits[1 + GIVEN :]
    names = [NAMES[(first + i) % len(NAMES)] for i in range(GIVEN + len(rest) // 3)]
    given = tuple(zip(names, digits[1 : 1 + GIVEN], strict=False))
    assigned = []
    for i in range(0, len(rest), 3):
        kind, left, right = rest[i : i + 3]
        assigned.append((names[GIVEN + i // 3], names[left], operations[kind], names[right + (right >= left)]))
    return given, tuple(assigned)


def draw_chain(rng: np.random.Generator, steps: int, operations: str = OPERATIONS) -> Chain:
    """A uniform draw among the chains with so many steps, at most 10."""
    return _chain([int(n) for n in rng.integers(_radices(steps, operations))], operations)


class EveryChain(Sequence[Chain]):
    """All chains with so many steps, each made when it is asked for: two steps have 129,600."""

    def __init__(self, steps: int, operations: str = OPERATIONS) -> None:
        self._radices, self._operations = _radices(steps, operations), operations

    def __len__(self) -> int:
        return prod(self._radices)

    @overload
    def __getitem__(self, index: int) -> Chain: ...

    @overload
    def __getitem__(self, index: slice) -> list[Chain]: ...

    def __getitem__(self, index: int | slice) -> Chain | list[Chain]:
        where = range(len(self))[index]
        if isinstance(where, range):
            return [self[i] for i in where]
        return _chain([int(n) for n in np.unravel_index(where, self._radices)], self._operations)


VARIABLES = Supply("variables", OPERATIONS, EASY, 20_260_417, EveryChain, draw_chain, solve)


def make_variables(spec: Variables) -> TaskData:
    """The dataset of a spec, see `make_task`: the easy share has one or two additions."""
    return make_task(VARIABLES, spec)
