"""A procedural task of looking things up: a chain of assignments, each with an earlier variable that it names.

`e=3;f=5;g=f-e;h=g*f;gh?` is answered by `f5-e3=g2*f5=h0#20`: values modulo 10, a step goes on from the one before, and
the last two variables are asked for (one digit alone would be guessed too often).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import product

import numpy as np

from repro.tasks.dataset_spec import Variables
from repro.tasks.problem import Problem, TaskData
from repro.tasks.procedural import ANSWER_PREFIX, Supply, make_task

OPERATIONS = "+-*"
EASY = "+"
"""Operations that the warm start's teacher has no wrong habit in."""
MODULUS = 10
GIVEN = 2
"""Variables that start with a digit."""
ASKED = 2
"""Variables whose values are the answer: the last ones."""
NAMES = "abcdefghijkl"
"""As many as the longest chain needs. A chain starts at any of them and goes on around the circle."""
ALPHABET = f"0123456789{NAMES}+-*=;?{ANSWER_PREFIX}"
GIVEN_PART = re.compile(rf"([{NAMES}])=(\d)")
ASSIGNED_PART = re.compile(rf"([{NAMES}])=([{NAMES}])([-+*])([{NAMES}])")

Assignment = tuple[str, str, str]
"""Name, operation, right operand. The left operand is the variable before; the right one is any before that."""
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


def parse(question: str) -> Chain:
    """The inverse of `question_of`. Raises ValueError where the text is no such question."""
    parts = question.split(";")[:-1]
    given = [found.groups() for part in parts[:GIVEN] if (found := GIVEN_PART.fullmatch(part))]
    assigned = [found.groups() for part in parts[GIVEN:] if (found := ASSIGNED_PART.fullmatch(part))]
    chain = (
        tuple((name, int(value)) for name, value in given),
        tuple((name, operation, right) for name, _, operation, right in assigned),
    )
    names = names_of(chain)
    sound = len(given) == GIVEN and len(assigned) > 0 and len(set(names)) == len(names)
    sound &= all(right in names[: GIVEN - 1 + i] for i, (_, _, right) in enumerate(chain[1]))
    if not sound or question_of(chain) != question:
        raise ValueError(f"{question!r} is not a variables question such as e=3;f=5;g=f-e;fg?")
    return chain


def solve(chain: Chain) -> Problem:
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
    return Problem(id=question[:-1], question=question, answer=answer, solution=written, metadata=metadata)


def _radices(steps: int, operations: str) -> list[int]:
    """How many ways there are for each free choice of a chain: first name, given digits, operations and operands."""
    choices = [len(NAMES), *[MODULUS] * GIVEN]
    for known in range(GIVEN, GIVEN + steps):
        choices += [len(operations), known - 1]
    return choices


def _chain(digits: Sequence[int], operations: str) -> Chain:
    """The chain of so many choices, each below its radix."""
    first, given, kinds, rights = digits[0], digits[1 : 1 + GIVEN], digits[1 + GIVEN :: 2], digits[2 + GIVEN :: 2]
    names = [NAMES[(first + i) % len(NAMES)] for i in range(GIVEN + len(kinds))]
    assigned = zip(names[GIVEN:], [operations[k] for k in kinds], [names[r] for r in rights], strict=True)
    return tuple(zip(names[:GIVEN], given, strict=True)), tuple(assigned)


def draw_chain(rng: np.random.Generator, steps: int, operations: str = OPERATIONS) -> Chain:
    """A uniform draw among the chains with so many steps, at most 10."""
    return _chain([int(n) for n in rng.integers(_radices(steps, operations))], operations)


def every_chain(steps: int, operations: str = OPERATIONS) -> list[Chain]:
    """All chains with so many steps."""
    return [_chain(digits, operations) for digits in product(*map(range, _radices(steps, operations)))]


VARIABLES = Supply("variables", OPERATIONS, EASY, 20_260_417, every_chain, draw_chain, solve)


def make_variables(spec: Variables) -> TaskData:
    """The dataset of a spec, see `make_task`: the easy share has one or two additions."""
    return make_task(VARIABLES, spec)
