"""A task of made-up questions: its fields, its questions, how answers are graded, what a warm start imitates."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from repro.errors import UserError
from repro.fields import MOST_QUESTIONS, Seed, Strict
from repro.tasks.problem import AnswerFormat, Problem, TaskData, same_question

ANSWER_PREFIX = "#"
ROLES = ("train", "train", "train", "train", "test", "test", "validation", "pool_like")
"""Which split a question may appear in is fixed by its own digest, never by a draw: `role_of`. A warm start that sees
train questions only has therefore seen no held-out question of any pool and any seed."""
MISSES = 10_000
"""Problems in a row that bring nothing new to a split before its supply counts as used up."""


def role_of(question: str) -> str:
    """The split a question may appear in: train, test, validation or pool_like. Stable over machines and versions."""
    return ROLES[hashlib.sha256(question.encode()).digest()[0] % len(ROLES)]


class Teacher(Strict):
    """The default teacher: it writes a question's solution, and at times the answer of another question after it."""

    slips: float = Field(0.5, ge=0, le=1, description="share of the examples that end in another question's answer")
    faultless: float = Field(0.6, ge=0, le=1, description="share of the examples, the first ones, without slips")


class Task(Strict):
    """Made-up questions with known answers. A task of your own is a subclass: fields of its own and `problems`.

    Fields are declared as `longest: int = Field(4, ge=2, le=9, description="numbers of a sum")` and are what a spec may
    write beside `task`. The names `task`, `name` and `limits` belong to the dataset.
    """

    pool: int = Field(1024, ge=8, le=MOST_QUESTIONS, description="training questions")
    validation: int = Field(128, ge=0, le=MOST_QUESTIONS, description="questions that sweeps and tuning may look at")
    test: int = Field(256, ge=1, le=MOST_QUESTIONS, description="held-out questions of the headline accuracy")
    seed: Seed = Field(0, description="seed of the questions")

    version: ClassVar[int] = 1
    """Of a built-in task: raise it when the same fields give other questions. Of one's own, the source tells."""
    stream: ClassVar[int] = 0
    """Keeps the draws of different built-in tasks apart."""
    teacher: ClassVar[type[Strict]] = Teacher
    """The fields of `lessons`, which a spec writes as `warm_start: {teachers: {TASK: {...}}}`."""
    alphabet: ClassVar[str | None] = None
    """Printable ASCII characters of every text, without a space; None: those of the questions and lessons."""
    positions: ClassVar[int] = 1024
    """Longest question and completion together, in tokens of the embedded policy."""
    answer_format: ClassVar[AnswerFormat] = AnswerFormat(ANSWER_PREFIX)
    """How an answer is written after a question, with or without its solution."""

    # ------------------------------------------------------------ what a task says of itself

    def problems(self, split: str, generator: np.random.Generator) -> Iterable[Problem]:
        """Problems for `train`, `validation` or `test`, drawn from `generator` alone; as `Problem.made(...)`.

        The stream may be endless. Repeated questions, and those that `role_of` gives to another split, are passed
        over, so a task need not look at `split`.
        """
        raise NotImplementedError

    def grade(self, completion: str, answer: str) -> float | bool:
        """The grade of a completion in [0, 1]; True is 1.

        By default: does the text after the last answer prefix, `#`, equal `answer`? That suits words and numbers
        alike, decides every case and is what the default lessons write. `repro.tasks.verify.MathVerifier` compares
        mathematics.
        """
        _, found, given = completion.rpartition(self.answer_format.answer_prefix)
        return bool(found) and given.strip().removesuffix(self.answer_format.ending) == answer.strip()

    def lessons(self, teacher: Any, n: int, generator: np.random.Generator) -> list[tuple[str, str]]:
        """`n` pairs of train question and completion that a warm start of the embedded policy imitates.

        By default the written solution with its answer; after the first share of `faultless` examples, some end in
        another question's answer, so that the policy is right at times only: what GRPO can bring out.
        """
        rows: list[tuple[str, str]] = []
        other: str | None = None
        while len(rows) < n:
            before = len(rows)
            for problem in self._of_role("train", generator):
                slips = len(rows) >= round(teacher.faultless * n) and generator.random() < teacher.slips
                answer = other if slips and other is not None else problem.answer
                rows.append((problem.question, self.answer_format.written(problem.solution, answer)))
                other = problem.answer
                if len(rows) == n:
                    return rows
            if len(rows) == before:
                raise UserError(f"{self._name}: `problems` gives no question of the train split, expected at least one")
        return rows

    def sizes(self) -> dict[str, int]:
        """Questions of each split, in the order in which they are drawn: held-out ones first, so that a larger pool
        leaves them as they are."""
        return {"test": self.test, "validation": self.validation, "train": self.pool}

    # ------------------------------------------------------------ what follows from it

    def load(self) -> TaskData:
        """The questions, the same for the same fields on every machine.

        Raises:
            UserError: a split cannot be filled, a question has two answers, or two questions share an id.
        """
        generator = np.random.default_rng([self.seed, self.stream])
        splits = {split: self._split(split, size, generator) for split, size in self.sizes().items()}
        self._check(splits)
        return TaskData(
            name=self._name,
            train=splits.pop("train"),
            validation=splits.pop("validation"),
            test=splits.pop("test"),
            verifier=TaskVerifier(self),
            answer_format=self.answer_format,
            extra=splits,
        )

    @property
    def _name(self) -> str:
        return type(self).__name__.lower()

    def _split(self, split: str, size: int, generator: np.random.Generator) -> tuple[Problem, ...]:
        """The first `size` different questions of a split."""
        found: dict[str, Problem] = {}
        missed = 0
        if size == 0:
            return ()
        for problem in self._of_role(split, generator):
            key = same_question(problem.question)
            missed = missed + 1 if key in found else 0
            first = found.setdefault(key, problem)
            if first.answer != problem.answer:
                raise UserError(
                    f"dataset.{self._name}: the question {problem.question[:60]!r} comes with the answers "
                    f"{first.answer[:40]!r} and {problem.answer[:40]!r}, expected one"
                )
            if len(found) == size:
                return tuple(found.values())
            if missed > MISSES:
                break
        raise UserError(
            f"dataset.{self._name}: {size} questions were asked for the {split} split, but only {len(found)} different "
            f"ones exist there. Ask for fewer questions, or let `problems` make more"
        )

    def _of_role(self, split: str, generator: np.random.Generator) -> Iterator[Problem]:
        """What `problems` gives for a split, checked, without the questions of other splits."""
        missed = 0
        for problem in self.problems(split, generator):
            if not isinstance(problem, Problem) or not isinstance(problem.question, str):
                shown = repr(problem)[:60]
                raise UserError(
                    f"dataset.{self._name}: `problems` gave {shown}, expected a repro.tasks.problem.Problem"
                )
            if not problem.question.strip() or not isinstance(problem.answer, str) or not problem.answer.strip():
                raise UserError(
                    f"dataset.{self._name}: `problems` gave the question {problem.question[:60]!r} with the answer "
                    f"{problem.answer!r}, expected text for both"
                )
            missed = 0 if role_of(problem.question) == split else missed + 1
            if missed == 0:
                yield problem
            elif missed > MISSES:
                return

    def _check(self, splits: dict[str, tuple[Problem, ...]]) -> None:
        """No question in two splits and no id twice."""
        homes: dict[str, str] = {}
        ids: dict[str, Problem] = {}
        for split, problems in splits.items():
            for problem in problems:
                home = homes.setdefault(same_question(problem.question), split)
                if home != split:
                    raise UserError(
                        f"dataset.{self._name}: the question {problem.question[:60]!r} is in {home} and in {split}, "
                        f"expected it in one of them: two questions differ in more than spaces"
                    )
                other = ids.setdefault(problem.id, problem)
                if other is not problem:
                    raise UserError(
                        f"dataset.{self._name}: the id {problem.id!r} belongs to {other.question[:40]!r} and to "
                        f"{problem.question[:40]!r}, expected unique ids: Problem.made gives a question its own"
                    )


@dataclass(frozen=True)
class TaskVerifier:
    """The verifier of a task: its `grade`, checked to be a number in [0, 1]."""

    task: Task

    def __call__(self, completion: str, answer: str) -> float:
        """The grade of a completion; UserError where `grade` gives something else."""
        grade = self.task.grade(completion, answer)
        if isinstance(grade, bool | np.bool_):
            return bool(grade)
        if isinstance(grade, int | float | np.integer | np.floating) and 0 <= grade <= 1:
            return float(grade)
        raise UserError(
            f"{type(self.task).__name__}.grade: got {grade!r} for {completion[-40:]!r}, expected a number in [0, 1]"
        )
