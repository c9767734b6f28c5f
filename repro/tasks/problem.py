"""What a task is made of: questions with gold answers, how answers are written, and who checks them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from repro.tasks.overlap import Overlap

Verifier = Callable[[str, str], float]
"""`verifier(completion, gold_answer)`: the grade of a completion in [0, 1]; True is 1, the answer is right."""


def same_question(question: str) -> str:
    """What two questions share when they are one question: the text with its white space normalised."""
    return " ".join(question.split())


def question_digest(question: str, purpose: str = "") -> str:
    """SHA-256 of a question in hex, the same on every machine; `purpose` makes independent orders of questions."""
    return hashlib.sha256(f"{purpose}\n{same_question(question)}".encode()).hexdigest()


@dataclass(frozen=True)
class Problem:
    """One question. `metadata` may hold the true difficulty (`steps`: int, `operations`: str) and other numbers and
    short texts that its row has (see `repro.tasks.columns`); `place` is where its row stands, `train.jsonl:3`, for
    messages."""

    id: str
    question: str
    answer: str
    solution: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    place: str = field(default="", compare=False)

    @classmethod
    def made(cls, question: str, answer: str, solution: str = "", **metadata: Any) -> Problem:
        """A problem whose id is a digest of its question: what a task of one's own yields."""
        return cls(question_digest(question)[:16], question, answer, solution, metadata)


@dataclass(frozen=True)
class AnswerFormat:
    """How a final answer is written after a prompt, with or without the worked solution before it.

    `question_suffix` ends a prompt in plain text, where no chat template says where the question ends. `between`
    stands between a worked solution and the prefix, `ending` after the answer that follows a solution.
    """

    answer_prefix: str
    question_suffix: str = ""
    between: str = ""
    ending: str = ""

    def direct(self, problem: Problem) -> str:
        """The answer alone, with its prefix: what UFO-RL's `final_answer` target scores."""
        return f"{self.answer_prefix}{problem.answer}"

    def completion(self, problem: Problem) -> str:
        """The worked solution followed by the answer: what a warm start imitates."""
        return self.written(problem.solution, problem.answer)

    def written(self, solution: str, answer: str) -> str:
        """A worked solution followed by any answer."""
        return f"{solution}{self.between}{self.answer_prefix}{answer}{self.ending}"


@dataclass(frozen=True)
class Dropped:
    """Questions that were left out of a set.

    Attributes:
        set: the set, `train` or the name of another.
        reason: `unreadable` (no question with an answer), `too_long` or `examples` (of the prompt).
        what: one line with the first of them.
        ids: of the questions, where they had one.
    """

    set: str
    reason: str
    count: int
    what: str
    ids: tuple[str, ...] = ()

    def text(self) -> str:
        """One line for messages."""
        return f"{self.count:,} dropped ({self.reason.replace('_', ' ')}): {self.what}"

    def as_dict(self) -> dict[str, Any]:
        """JSON-able form for the run's record."""
        return {"set": self.set, "reason": self.reason, "count": self.count, "what": self.what, "ids": list(self.ids)}


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
    dropped: tuple[Dropped, ...] = ()
    """What was left out for other reasons."""

    def left_out(self) -> dict[str, Any]:
        """What a cache key holds beside the digest of the dataset: the questions that a policy is not asked."""
        ids = {one.set: list(one.ids) for one in self.dropped if one.ids}
        return {"left_out": ids} if ids else {}
