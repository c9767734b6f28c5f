"""What the built-in tasks share: questions that are chains of steps, mixed into a pool, and a teacher with faults."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from pydantic import Field, model_validator

from repro.errors import UserError
from repro.fields import MOST_QUESTIONS, Strict
from repro.tasks.problem import Problem
from repro.tasks.task import Task, role_of

HARD_STEPS = (7, 8, 9, 10)
LISTED_STEPS = 2
"""Chains up to this long are few enough to list, so their supply is exact; longer ones are drawn."""
POOL_LIKE = 256
"""Most questions of the extra set that is mixed as the pool is."""

Chain = Any
"""A question before it is written out, as each task has it."""


class ChainTeacher(Strict):
    """What unreliable teachers share: answers without steps, the length of examples, a faultless beginning."""

    direct_answers: float = Field(0.10, ge=0, lt=1, description="share of examples that skip the written steps")
    longest: int = Field(6, ge=1, le=10, description="most steps in an example; longer questions are unfamiliar")
    faultless: float = Field(
        0.6, ge=0, le=1, description="share of the examples, the first ones, without habits, noise and direct answers"
    )

    def without_faults(self) -> Self:
        """The same teacher with every rate of a fault at 0."""
        return self.model_copy(update=dict.fromkeys(type(self).model_fields.keys() - {"longest", "faultless"}, 0.0))


class Chains(Task):
    """Questions that are chains of 1 to 10 steps, whose number is their true difficulty.

    The pool mixes three parts: `easy` (one or two easy operations), `hard` (7 to 10 steps) and the rest (1 to
    `max_steps`); so does the extra set `pool_like`. `validation` and `test` are flat over 1 to `max_steps`. Where a
    length has too few distinct questions it gives what it has and the other lengths of its part give more.
    """

    test: int = Field(256, ge=1, le=MOST_QUESTIONS, description="held-out 1-6-step questions of the headline accuracy")
    easy: float = Field(0.15, ge=0, le=1, description="share of the pool that is trivially easy")
    hard: float = Field(0.35, ge=0, le=1, description="share of the pool with 7-10 steps, almost never solved")
    max_steps: int = Field(6, ge=1, le=10, description="longest chain of the remaining pool and of the test set")

    positions: ClassVar[int] = 256
    operations: ClassVar[str]
    """One letter each."""
    easy_operations: ClassVar[str]
    """Those of the easy share, in which the teacher has no wrong habit."""

    @model_validator(mode="after")
    def _shares(self) -> Self:
        if self.easy + self.hard > 1:
            raise ValueError(f"got easy + hard = {self.easy + self.hard:g}, expected at most 1")
        return self

    # ------------------------------------------------------------ what a task gives

    @abstractmethod
    def every(self, steps: int, operations: str) -> Sequence[Chain]:
        """All chains of so many steps (asked for up to `LISTED_STEPS`) with these operations."""

    @abstractmethod
    def draw(self, generator: np.random.Generator, steps: int, operations: str) -> Chain:
        """A uniform draw among the chains of so many steps with these operations."""

    @abstractmethod
    def solve(self, chain: Chain) -> Problem:
        """The problem with its correct written solution; `metadata` holds `steps` and `operations`."""

    @abstractmethod
    def imitated(self, chain: Chain, teacher: Any, generator: np.random.Generator) -> str:
        """The completion of an unreliable teacher."""

    # ------------------------------------------------------------ what follows from it

    def sizes(self) -> dict[str, int]:
        """With the extra set, at most `POOL_LIKE` questions."""
        return {**super().sizes(), "pool_like": min(POOL_LIKE, self.pool)}

    def problems(self, split: str, generator: np.random.Generator) -> list[Problem]:
        """All questions of a split, in its order. Raises UserError where a part of it cannot be filled."""
        size, taken, middle = self.sizes()[split], set[str](), range(1, self.max_steps + 1)
        if split in ("test", "validation"):
            return self._flat(generator, split, size, middle, self.operations, taken)
        easy, hard = round(self.easy * size), round(self.hard * size)
        rows = self._flat(generator, split, easy, range(1, 3), self.easy_operations, taken)
        rows += self._flat(generator, split, hard, HARD_STEPS, self.operations, taken)
        rows += self._flat(generator, split, size - easy - hard, middle, self.operations, taken)
        return [rows[i] for i in generator.permutation(len(rows))]

    def lessons(self, teacher: Any, n: int, generator: np.random.Generator) -> list[tuple[str, str]]:
        """`n` pairs of question and the teacher's completion, lengths uniform over 1 to `teacher.longest` steps.

        The first `faultless` share is right: the policy learns the task there, and then picks up the faults of the
        rest. What it knows and seldom shows is what GRPO can bring out. They depend on the teacher alone, not on the
        task's fields.
        """
        sound = teacher.without_faults()
        rows: list[tuple[str, str]] = []
        while len(rows) < n:
            chain = self.draw(generator, int(generator.integers(1, teacher.longest + 1)), self.operations)
            question = self.solve(chain).question
            if role_of(question) == "train":
                right = len(rows) < round(teacher.faultless * n)
                rows.append((question, self.imitated(chain, sound if right else teacher, generator)))
        return rows

    def _flat(
        self,
        generator: np.random.Generator,
        split: str,
        size: int,
        lengths: range | tuple[int, ...],
        operations: str,
        taken: set[str],
    ) -> list[Problem]:
        """`size` new questions of a split, spread over the lengths as evenly as their supply allows; fills `taken`."""
        streams = {steps: self._stream(generator, split, steps, operations, taken) for steps in lengths}
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
                    f"dataset.{type(self).__name__.lower()}: {size} questions of {lengths[0]} to {lengths[-1]} steps "
                    f"({operations}) were asked for the {split} split, but only {len(rows)} distinct ones exist there. "
                    f"Ask for fewer questions, or for longer chains with max_steps."
                )
        return [rows[i] for i in generator.permutation(len(rows))]

    def _stream(
        self, generator: np.random.Generator, split: str, steps: int, operations: str, taken: set[str]
    ) -> Iterator[Problem]:
        """Questions of a split with so many steps in random order, each once; ends when the supply does."""
        if steps <= LISTED_STEPS:
            every = self.every(steps, operations)
            candidates: Iterator[Chain] = (every[i] for i in generator.permutation(len(every)))
        else:
            candidates = iter(lambda: self.draw(generator, steps, operations), None)
        missed = 0
        for chain in candidates:
            problem = self.solve(chain)
            if role_of(problem.question) == split and problem.question not in taken:
                missed = 0
                yield problem
            else:
                missed += 1
                if steps > LISTED_STEPS and missed > 2_000:
                    return
