"""What a task is made of: questions with gold answers, how answers are written, and who checks them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from repro.tasks.overlap import Overlap

Verifier = Callable[[str, str], bool]
"""`verifier(completion, gold_answer)`: does the completion's final answer equal the gold answer?"""


@dataclass(frozen=True)
class Problem:
    """One question. `metadata` may hold the true difficulty (`steps`: int, `operations`: str) and other numbers that
    its row has (see `repro.tasks.columns`)."""

    id: str
    question: str
    answer: str
    solution: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class AnswerFormat:
    """How a final answer is written after a prompt, with or without the worked solution before it.

    `question_suffix` ends a prompt in plain text, where no chat template says where the question ends.
    """

    answer_prefix: str
    question_suffix: str = ""

    def direct(self, problem: Problem) -> str:
        """The answer alone, with its prefix: what UFO-RL's `final_answer` target scores."""
        return f"{self.answer_prefix}{problem.answer}"

    def completion(self, problem: Problem) -> str:
        """The worked solution followed by the answer: what a warm start imitates."""
        return f"{problem.solution}{self.direct(problem)}"


@dataclass(frozen=True)
class TaskData:
    """A loaded dataset. Splits are disjoint by question; ids are unique over all of them."""

    name: str
    train: tuple[Problem, ...]
    validation: tuple[Problem, ...]
    test: tuple[Problem, ...]
    verifier: Verifier
    answer_format: AnswerFormat
    extra: Mapping[str, tuple[Problem, ...]] = field(default_factory=dict)
    overlaps: tuple[Overlap, ...] = ()
    """What the training questions shared with the test set and others before any were dropped."""
