"""What a report asks of the selection of an arm, read off the fields that its runs stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

CONFIDENCE, PASS_RATE = "confidence", "pass_rate"
"""Scores that the papers compare."""

DIFFICULTY, DYNAMIC, FILTER, CURRICULUM = "DOTS", "dynamic sampling", "pass-rate filter", "curriculum"
"""What the selections that claims are about are called in figures."""

TITLES = {
    "difficulty": DIFFICULTY,
    "dynamic": DYNAMIC,
    "pass_rate": FILTER,
    "curriculum": CURRICULUM,
    "random": "random subset",
    "confidence": "confidence filter",
}


@dataclass(frozen=True)
class Chosen:
    """How an arm chooses its questions. `fields` are those of the run's cell, `method` among them."""

    fields: Mapping[str, Any]

    @property
    def title(self) -> str:
        """What figures call it; a user's own method by its name."""
        method = str(self.fields["method"])
        return TITLES.get(method, method.rpartition(":")[2].replace("_", " "))

    @property
    def plain(self) -> bool:
        """Every question equally often: what other selections are compared with."""
        return self.fields["method"] == "uniform"

    @property
    def offline(self) -> bool:
        """Whether it keeps a fixed subset of the pool."""
        return self.fields["method"] == "random" or "band" in self.fields

    @property
    def score(self) -> str | None:
        """The score that orders or bands the questions, None where there is none."""
        if "by" in self.fields:
            return str(self.fields["by"])
        return str(self.fields["method"]) if "band" in self.fields else None

    @property
    def staged(self) -> bool:
        """Whether it goes through the whole pool in the order of its score."""
        return "stages" in self.fields

    @property
    def of_question_alone(self) -> bool:
        """Whether its score needs neither the answer nor rollouts."""
        return "band" in self.fields and "target" not in self.fields and "samples" not in self.fields

    @property
    def subset_without_score(self) -> bool:
        """A fixed subset that no score chose: the control of every other one."""
        return self.offline and self.score is None


def words(score: str) -> str:
    """`pass rate`: a score as figures call it."""
    return score.replace("_", " ")
