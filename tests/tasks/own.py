"""A task from outside the package, written as a user would, and classes that lack something."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from pydantic import Field

from repro.fields import Strict
from repro.tasks import Problem, Task
from repro.tasks.task import Teacher


class Sums(Task):
    """Sums of numbers from 1 to 9."""

    longest: int = Field(4, ge=2, le=9, description="most numbers of a sum")

    def problems(self, split: str, generator: np.random.Generator) -> Iterator[Problem]:
        while True:
            numbers = generator.integers(1, 10, int(generator.integers(2, self.longest + 1)))
            total, steps = int(numbers[0]), []
            for number in numbers[1:]:
                steps.append(f"{total}+{number}={total + number}")
                total += int(number)
            yield Problem.made("+".join(map(str, numbers)) + "?", str(total), ";".join(steps))


class Words(Task):
    """A finite task with grades between 0 and 1, lessons and a teacher of its own."""

    class Sloppy(Strict):
        doubled: float = Field(0.5, ge=0, le=1, description="probability of a doubled letter")

    teacher = Sloppy

    def problems(self, split: str, generator: np.random.Generator) -> Iterator[Problem]:
        for first in "abcdefghijklmnop":
            for second in "qrstuvwxyz":
                for third in generator.permutation(list("abcdefgh")):
                    yield Problem.made(f"{first} {second}{third}", f"{third}{second}{first}", level=1)

    def lessons(self, teacher: Sloppy, n: int, generator: np.random.Generator) -> list[tuple[str, str]]:
        sound = super().lessons(Teacher(slips=0), n, generator)
        return [(q, text + text[-1] if generator.random() < teacher.doubled else text) for q, text in sound]

    def grade(self, completion: str, answer: str) -> float:
        given = completion.rpartition("#")[2]
        return sum(a == b for a, b in zip(given, answer, strict=False)) / max(len(given), len(answer))


class NoVerb(Task):
    pass


class NoLessons(Sums):
    teacher = Words.Sloppy


class Taken(Sums):
    limits: int = 3


class NoTask:
    pass


def function() -> None:
    pass
