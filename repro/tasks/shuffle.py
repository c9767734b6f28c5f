"""A procedural task of another kind: a short word changed by a chain of operations, every state written out.

`badc:RLS?` is answered by `R=cdab;L=dabc;S=adbc#adbc`: four of eight letters, each step applied to the state before it.
"""

from __future__ import annotations

from itertools import permutations, product

import numpy as np

from repro.tasks.dataset_spec import Shuffle
from repro.tasks.problem import Problem, TaskData
from repro.tasks.procedural import ANSWER_PREFIX, Supply, make_task

LETTERS = "abcdefgh"
LENGTH = 4
ORDERS = {"R": (3, 2, 1, 0), "S": (1, 0, 2, 3), "L": (1, 2, 3, 0), "H": (2, 3, 0, 1)}
"""Operation -> which letter of the old state comes first, second, ...: reverse, swap the first two, rotate left,
swap the halves."""
OPERATIONS = "".join(ORDERS)
EASY = "RS"
"""Operations that the warm start's teacher has no wrong habit in."""
ALPHABET = f"{LETTERS}{OPERATIONS}:=;?{ANSWER_PREFIX}"

Chain = tuple[str, str]
"""The first state and the operations."""


def apply(state: str, operation: str) -> str:
    """One step: `state` with its letters in another order. KeyError for an unknown operation."""
    return "".join(state[i] for i in ORDERS[operation])


def question_of(chain: Chain) -> str:
    """`badc:RLS?` for ("badc", "RLS")."""
    return f"{chain[0]}:{chain[1]}?"


def parse(question: str) -> Chain:
    """The inverse of `question_of`. Raises ValueError where the text is no such question."""
    word, _, operations = question.removesuffix("?").partition(":")
    chain = (word, operations)
    known = set(word) <= set(LETTERS) and len(set(word)) == len(word) == LENGTH and set(operations) <= set(OPERATIONS)
    if not known or not operations or question_of(chain) != question:
        raise ValueError(f"{question!r} is not a shuffle question such as badc:RLS?")
    return chain


def solve(chain: Chain) -> Problem:
    """The problem with its correct written solution and its true difficulty."""
    state, operations = chain
    steps = []
    for operation in operations:
        state = apply(state, operation)
        steps.append(f"{operation}={state}")
    question = question_of(chain)
    metadata = {"steps": len(operations), "operations": operations}
    return Problem(id=question[:-1], question=question, answer=state, solution=";".join(steps), metadata=metadata)


def draw_chain(rng: np.random.Generator, steps: int, operations: str = OPERATIONS) -> Chain:
    """A uniform draw among the chains with so many steps."""
    word = rng.permutation(len(LETTERS))[:LENGTH]
    kinds = rng.integers(0, len(operations), steps)
    return "".join(LETTERS[i] for i in word), "".join(operations[k] for k in kinds)


def every_chain(steps: int, operations: str = OPERATIONS) -> list[Chain]:
    """All chains with so many steps."""
    words = ["".join(letters) for letters in permutations(LETTERS, LENGTH)]
    return [(word, "".join(kinds)) for word in words for kinds in product(operations, repeat=steps)]


SHUFFLE = Supply("shuffle", OPERATIONS, EASY, 20_261_121, every_chain, draw_chain, solve)


def make_shuffle(spec: Shuffle) -> TaskData:
    """The dataset of a spec, see `make_task`: the easy share has one or two reversals and swaps of the first two."""
    return make_task(SHUFFLE, spec)
