"""Procedural arithmetic with a written chain of steps: its true difficulty is known and its supply is endless.

`7*5-9?` is answered by `7*5=35;35-9=26#26`: left to right, every result modulo 100, operands 2 to 9.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import product

import numpy as np

from repro.errors import UserError
from repro.spec.datasets import Arithmetic
from repro.tasks.problem import AnswerFormat, Problem, TaskData

OPERATIONS = "+-*"
OPERANDS = range(2, 10)
MODULUS = 100
HARD_STEPS = (7, 8, 9, 10)
ANSWER_PREFIX = "#"
ALPHABET = "0123456789+-*=;?#"

# Which split a question may appear in is fixed by its own digest, never by a draw. A warm start that avoids the
# held-out roles is therefore clean for every pool and every seed, and its cache key need not name them.
ROLES = ("train", "train", "train", "train", "test", "test", "validation", "pool_like")

Expression = tuple[int, tuple[tuple[str, int], ...]]
"""First operand and the (operation, operand) pairs that follow it."""


class ExactVerifier:
    """True where the text after the last `#`, stripped, equals the gold answer."""

    def __call__(self, completion: str, answer: str) -> bool:
        """Is the final answer of `completion` equal to `answer`? False where no `#` was written."""
        _, found, given = completion.rpartition(ANSWER_PREFIX)
        return bool(found) and given.strip() == answer.strip()


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


def role_of(question: str) -> str:
    """The split a question may appear in: train, test, validation or pool_like. Stable over machines and versions."""
    return ROLES[hashlib.sha256(question.encode()).digest()[0] % len(ROLES)]


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


def make_arithmetic(spec: Arithmetic) -> TaskData:
    """The dataset of a spec, the same for the same fields.

    `train` and `extra["pool_like"]` mix three parts: `easy` (one or two additions and subtractions), `hard` (7 to 10
    steps) and the rest (1 to `max_steps`); `validation` and `test` are flat over 1 to `max_steps`. Splits are
    disjoint by question. Where a length has too few distinct questions (one step: 192 over all splits) it gives what
    it has and the other lengths of its part give more. Raises UserError where a part cannot be filled at all.
    """
    rng = np.random.default_rng([spec.seed, 20_250_531])
    splits = {}
    for role, size in (("test", spec.test), ("validation", spec.validation)):
        splits[role] = _flat(rng, role, size, range(1, spec.max_steps + 1), OPERATIONS, set())
    for role, size in (("train", spec.pool), ("pool_like", min(256, spec.pool))):
        easy, hard = round(spec.easy * size), round(spec.hard * size)
        taken: set[str] = set()
        rows = _flat(rng, role, easy, range(1, 3), "+-", taken)
        rows += _flat(rng, role, hard, HARD_STEPS, OPERATIONS, taken)
        rows += _flat(rng, role, size - easy - hard, range(1, spec.max_steps + 1), OPERATIONS, taken)
        splits[role] = [rows[i] for i in rng.permutation(len(rows))]
    return TaskData(
        name="arithmetic",
        train=tuple(splits["train"]),
        validation=tuple(splits["validation"]),
        test=tuple(splits["test"]),
        verifier=ExactVerifier(),
        answer_format=AnswerFormat(ANSWER_PREFIX),
        extra={"pool_like": tuple(splits["pool_like"])},
    )


def _flat(
    rng: np.random.Generator, role: str, size: int, lengths: range | tuple[int, ...], operations: str, taken: set[str]
) -> list[Problem]:
    """`size` new questions of a role, spread over the lengths as evenly as their supply allows; fills `taken`."""
    streams = {steps: _stream(rng, role, steps, operations, taken) for steps in lengths}
    rows: list[Problem] = []
    while len(rows) < size:
        for steps, stream in list(streams.items()):
            problem = next(stream, None)
            if problem is None:
                del streams[steps]
            elif len(rows) < size:
                rows.append(problem)
                taken.add(problem.question)
        if not streams:
            raise UserError(
                f"dataset.arithmetic: {size} questions of {lengths[0]} to {lengths[-1]} steps ({operations}) were "
                f"asked for the {role} split, but only {len(rows)} distinct ones exist there. "
                f"Ask for fewer questions, or for longer chains with max_steps."
            )
    return [rows[i] for i in rng.permutation(len(rows))]


def _stream(rng: np.random.Generator, role: str, steps: int, operations: str, taken: set[str]) -> Iterator[Problem]:
    """Questions of a role with so many steps in random order, each once; ends when the supply does."""
    if steps <= 2:  # few enough to list: the supply is exact
        every = [
            (first, tuple(zip(kinds, operands, strict=True)))
            for first in OPERANDS
            for kinds in product(operations, repeat=steps)
            for operands in product(OPERANDS, repeat=steps)
        ]
        candidates: Iterator[Expression] = (every[i] for i in rng.permutation(len(every)))
    else:
        candidates = iter(lambda: draw_expression(rng, steps, operations), None)
    missed = 0
    for expression in candidates:
        question = question_of(expression)
        if role_of(question) == role and question not in taken:
            missed = 0
            yield solve(expression)
        else:
            missed += 1
            if steps > 2 and missed > 2_000:
                return
