"""What made-up tasks share: how answers are written and checked, which split a question is in, how a pool is mixed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from repro.errors import UserError
from repro.tasks.dataset_spec import Procedural
from repro.tasks.problem import AnswerFormat, Problem, TaskData

HARD_STEPS = (7, 8, 9, 10)
ANSWER_PREFIX = "#"
LISTED_STEPS = 2
"""Chains up to this long are few enough to list, so their supply is exact; longer ones are drawn."""

# Which split a question may appear in is fixed by its own digest, never by a draw. A warm start that avoids the
# held-out roles is therefore clean for every pool and every seed, and its cache key need not name them.
ROLES = ("train", "train", "train", "train", "test", "test", "validation", "pool_like")

Expression = TypeVar("Expression")


class ExactVerifier:
    """True where the text after the last `#`, stripped, equals the gold answer."""

    def __call__(self, completion: str, answer: str) -> bool:
        """Is the final answer of `completion` equal to `answer`? False where no `#` was written."""
        _, found, given = completion.rpartition(ANSWER_PREFIX)
        return bool(found) and given.strip() == answer.strip()


def role_of(question: str) -> str:
    """The split a question may appear in: train, test, validation or pool_like. Stable over machines and versions."""
    return ROLES[hashlib.sha256(question.encode()).digest()[0] % len(ROLES)]


@dataclass(frozen=True)
class Supply(Generic[Expression]):
    """Where the questions of a task come from: expressions of a number of steps with given operations.

    `every(steps, operations)` lists them (asked for up to `LISTED_STEPS` steps), `draw(rng, steps, operations)` is a
    uniform draw among them, `solve` makes the problem. `easy` are the operations of the easy share of a pool.
    `stream` keeps the draws of different tasks apart.
    """

    name: str
    operations: str
    easy: str
    stream: int
    every: Callable[[int, str], Sequence[Expression]]
    draw: Callable[[np.random.Generator, int, str], Expression]
    solve: Callable[[Expression], Problem]


def make_task(supply: Supply[Expression], spec: Procedural) -> TaskData:
    """The dataset of a spec, the same for the same fields.

    `train` and `extra["pool_like"]` mix three parts: `easy` (one or two easy operations), `hard` (7 to 10 steps) and
    the rest (1 to `max_steps`); `validation` and `test` are flat over 1 to `max_steps`. Splits are disjoint by
    question. Where a length has too few distinct questions it gives what it has and the other lengths of its part give
    more. Raises UserError where a part cannot be filled at all.
    """
    rng = np.random.default_rng([spec.seed, supply.stream])
    splits = {}
    for role, size in (("test", spec.test), ("validation", spec.validation)):
        splits[role] = _flat(supply, rng, role, size, range(1, spec.max_steps + 1), supply.operations, set())
    for role, size in (("train", spec.pool), ("pool_like", min(256, spec.pool))):
        easy, hard = round(spec.easy * size), round(spec.hard * size)
        taken: set[str] = set()
        rows = _flat(supply, rng, role, easy, range(1, 3), supply.easy, taken)
        rows += _flat(supply, rng, role, hard, HARD_STEPS, supply.operations, taken)
        rows += _flat(supply, rng, role, size - easy - hard, range(1, spec.max_steps + 1), supply.operations, taken)
        splits[role] = [rows[i] for i in rng.permutation(len(rows))]
    return TaskData(
        name=supply.name,
        train=tuple(splits["train"]),
        validation=tuple(splits["validation"]),
        test=tuple(splits["test"]),
        verifier=ExactVerifier(),
        answer_format=AnswerFormat(ANSWER_PREFIX),
        extra={"pool_like": tuple(splits["pool_like"])},
    )


def _flat(
    supply: Supply[Expression],
    rng: np.random.Generator,
    role: str,
    size: int,
    lengths: range | tuple[int, ...],
    operations: str,
    taken: set[str],
) -> list[Problem]:
    """`size` new questions of a role, spread over the lengths as evenly as their supply allows; fills `taken`."""
    streams = {steps: _stream(supply, rng, role, steps, operations, taken) for steps in lengths}
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
                f"dataset.{supply.name}: {size} questions of {lengths[0]} to {lengths[-1]} steps ({operations}) were "
                f"asked for the {role} split, but only {len(rows)} distinct ones exist there. "
                f"Ask for fewer questions, or for longer chains with max_steps."
            )
    return [rows[i] for i in rng.permutation(len(rows))]


def _stream(
    supply: Supply[Expression], rng: np.random.Generator, role: str, steps: int, operations: str, taken: set[str]
) -> Iterator[Problem]:
    """Questions of a role with so many steps in random order, each once; ends when the supply does."""
    if steps <= LISTED_STEPS:
        every = supply.every(steps, operations)
        candidates: Iterator[Expression] = (every[i] for i in rng.permutation(len(every)))
    else:
        candidates = iter(lambda: supply.draw(rng, steps, operations), None)
    missed = 0
    for expression in candidates:
        problem = supply.solve(expression)
        if role_of(problem.question) == role and problem.question not in taken:
            missed = 0
            yield problem
        else:
            missed += 1
            if steps > LISTED_STEPS and missed > 2_000:
                return
