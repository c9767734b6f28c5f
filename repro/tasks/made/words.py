"""A procedural task in English: word problems of one to four steps and bare sums, with whole positive answers.

`Ben has 12 pens. Ana gives him 7 more. How many pens does Ben have now?` is answered by
`12 + 7 = 19. The answer is 19.`
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import ClassVar, Self

import numpy as np
from pydantic import Field, model_validator

from repro.fields import MOST_QUESTIONS
from repro.tasks import unseen_templates, word_templates
from repro.tasks.answers import extract_answer
from repro.tasks.equality import quick_equal
from repro.tasks.problem import AnswerFormat, Problem
from repro.tasks.task import Task, role_of
from repro.tasks.template import Size, Template

SAYS = re.compile(r"\banswer\s+is\b|\\boxed", re.IGNORECASE)
"""What a completion must hold for its number to be an answer."""
SMALL = Size(many=12, few=5)
"""Numbers of the questions with small numbers."""
FEW = 9
"""Largest factor and divisor of the others."""
TRIES = 200
"""Draws of a question of the same kind until one is new, so that what soon runs out does not change the mixture."""


class Words(Task):
    """Word problems and bare sums in English, one to four steps of arithmetic each.

    `metadata` holds `steps`, `operations`, `expression` (the answer as Python computes it), `kind`, `template` and
    `unseen`: whether the template is one that the test set alone has. All splits have one mixture of difficulties.
    """

    test: int = Field(256, ge=1, le=MOST_QUESTIONS, description="held-out questions of the headline accuracy")
    one_step: float = Field(0.4, ge=0, le=1, description="share of the questions that take one step")
    two_steps: float = Field(0.3, ge=0, le=1, description="share that take two steps")
    three_steps: float = Field(0.2, ge=0, le=1, description="share that take three steps; four steps are the rest")
    bare: float = Field(0.25, ge=0, le=1, description="share of bare sums; the others are stories")
    small: float = Field(0.5, ge=0, le=1, description="share with small numbers (up to 12 in most templates)")
    largest: int = Field(40, ge=12, le=400, description="largest number that the other questions add or take away")
    unseen: float = Field(0.5, ge=0, le=1, description="share of the test questions whose template is never trained on")

    stream: ClassVar[int] = 20_261_127
    positions: ClassVar[int] = 768
    answer_format: ClassVar[AnswerFormat] = AnswerFormat("The answer is ", "\n", between=" ", ending=".")

    @model_validator(mode="after")
    def _shares(self) -> Self:
        total = self.one_step + self.two_steps + self.three_steps
        if total > 1 + 1e-9:
            raise ValueError(f"got one_step + two_steps + three_steps = {total:g}, expected at most 1")
        return self

    def problems(self, split: str, generator: np.random.Generator) -> Iterator[Problem]:
        """An endless stream of questions. Those of the test split have unseen templates at their share."""
        bounds = np.cumsum([self.one_step, self.two_steps, self.three_steps])
        given: set[str] = set()
        scarce: set[tuple[int, bool, bool]] = set()
        while True:
            steps = 1 + int(np.searchsorted(bounds, generator.random(), side="right"))
            unseen = split == "test" and bool(generator.random() < self.unseen)
            bare = bool(generator.random() < self.bare)
            room = unseen_templates if unseen else word_templates
            templates = (room.SUMS if bare else room.STORIES)[steps]
            for _ in range(1 if (steps, unseen, bare) in scarce else TRIES):
                problem = self._one(templates, generator)
                if role_of(problem.question) == split and problem.question not in given:
                    break
            else:
                scarce.add((steps, unseen, bare))
            given.add(problem.question)
            yield replace(problem, metadata={**problem.metadata, "unseen": unseen})

    def _one(self, templates: Sequence[Template], generator: np.random.Generator) -> Problem:
        """A question of one of the templates."""
        size = SMALL if generator.random() < self.small else Size(many=self.largest, few=FEW)
        return templates[int(generator.integers(len(templates)))].problem(generator, size)

    def grade(self, completion: str, answer: str) -> bool:
        """Is the number after the last `The answer is`, or in the last box, the answer?"""
        return SAYS.search(completion) is not None and quick_equal(answer, extract_answer(completion)) is True
