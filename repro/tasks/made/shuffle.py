"""A procedural task of another kind: a short word changed by a chain of operations, every state written out.

`badc:RLS?` is answered by `R=cdab;L=dabc;S=adbc#adbc`: four of eight letters, each step applied to the state before it.
"""

from __future__ import annotations

from itertools import permutations, product
from typing import ClassVar

import numpy as np
from pydantic import Field

from repro.tasks.chains import Chains, ChainTeacher
from repro.tasks.problem import Problem
from repro.tasks.task import ANSWER_PREFIX

LETTERS = "abcdefgh"
LENGTH = 4
ORDERS = {"R": (3, 2, 1, 0), "S": (1, 0, 2, 3), "L": (1, 2, 3, 0), "H": (2, 3, 0, 1)}
"""Operation -> which letter of the old state comes first, second, ...: reverse, swap the first two, rotate left,
swap the halves."""
OPERATIONS = "".join(ORDERS)

Chain = tuple[str, str]
"""The first state and the operations."""


class ShuffleTeacher(ChainTeacher):
    """The unreliable teacher of the shuffle task."""

    habit: float = Field(0.6, ge=0, le=1, description="probability of a systematic wrong habit in a step that has one")
    noise: float = Field(0.08, ge=0, le=1, description="probability that the state after a step is random")


class Shuffle(Chains):
    """A short word changed by a chain of operations, with every state written out."""

    stream: ClassVar[int] = 20_261_121
    teacher: ClassVar[type[ShuffleTeacher]] = ShuffleTeacher
    alphabet: ClassVar[str] = f"{LETTERS}{OPERATIONS}:=;?{ANSWER_PREFIX}"
    operations: ClassVar[str] = OPERATIONS
    easy_operations: ClassVar[str] = "RS"

    def every(self, steps: int, operations: str) -> list[Chain]:
        """All chains with so many steps."""
        words = ["".join(letters) for letters in permutations(LETTERS, LENGTH)]
        return [(word, "".join(kinds)) for word in words for kinds in product(operations, repeat=steps)]

    def draw(self, generator: np.random.Generator, steps: int, operations: str) -> Chain:
        """A uniform draw among the chains with so many steps."""
        word = generator.permutation(len(LETTERS))[:LENGTH]
        kinds = generator.integers(0, len(operations), steps)
        return "".join(LETTERS[i] for i in word), "".join(operations[k] for k in kinds)

    def solve(self, chain: Chain) -> Problem:
        """The problem with its correct written solution and its true difficulty."""
        state, operations = chain
        steps = []
        for operation in operations:
            state = apply(state, operation)
            steps.append(f"{operation}={state}")
        question = question_of(chain)
        metadata = {"steps": len(operations), "operations": operations}
        return Problem(question[:-1], question, answer=state, solution=";".join(steps), metadata=metadata)

    def imitated(self, chain: Chain, teacher: ShuffleTeacher, generator: np.random.Generator) -> str:
        """The teacher's completion. Later steps go on from a wrong state; a direct answer is where its steps would
        end."""
        state, operations = chain
        steps = []
        for operation in operations:
            if generator.random() < teacher.noise:
                state = "".join(state[i] for i in generator.permutation(len(state)))
            elif generator.random() < teacher.habit:
                state = habitual(state, operation)
            else:
                state = apply(state, operation)
            steps.append(f"{operation}={state}")
        written = "" if generator.random() < teacher.direct_answers else ";".join(steps)
        return f"{written}{ANSWER_PREFIX}{state}"


def apply(state: str, operation: str) -> str:
    """One step: `state` with its letters in another order. KeyError for an unknown operation."""
    return "".join(state[i] for i in ORDERS[operation])


def habitual(state: str, operation: str) -> str:
    """The wrong way: L rotates right, H swaps the inner two only; R and S are right."""
    if operation == "L":
        return state[-1] + state[:-1]
    if operation == "H":
        return state[0] + state[2] + state[1] + state[3]
    return apply(state, operation)


def question_of(chain: Chain) -> str:
    """`badc:RLS?` for ("badc", "RLS")."""
    return f"{chain[0]}:{chain[1]}?"
