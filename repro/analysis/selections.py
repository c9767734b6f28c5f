"""What a report asks of the selection of an arm, read off the fields that its runs stored."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic import ValidationError

from repro.selection.method import Selection
from repro.selection.methods.curriculum import Curriculum
from repro.selection.methods.difficulty import Difficulty
from repro.selection.methods.dynamic import Dynamic
from repro.selection.methods.pass_rate import PassRate
from repro.selection.registry import selection_of

CONFIDENCE, PASS_RATE = "confidence", "pass_rate"
"""Scores that the papers compare."""

DYNAMIC = Dynamic(method="dynamic").title
FILTER = PassRate(method="pass_rate").title
CURRICULUM = Curriculum(method="curriculum", by="pass_rate").title
"""What the selections that claims are about are called in figures."""


class Chosen:
    """How an arm chooses its questions. `fields` hold the defaults too, and `method`.

    A method that cannot be read here, such as a class whose module is not at hand, goes by its name and has no
    properties but those that its fields show.
    """

    def __init__(self, stored: Mapping[str, Any]) -> None:
        self.selection = _selection(json.dumps(dict(stored), sort_keys=True))
        self.fields: dict[str, Any] = self.selection.model_dump(mode="json") if self.selection else dict(stored)

    @property
    def title(self) -> str:
        """What figures call it."""
        if self.selection is not None:
            return self.selection.title
        return str(self.fields["method"]).rpartition(":")[2].replace("_", " ")

    @property
    def trains_on(self) -> str:
        """Which questions it trains on, in words that go on from "trains on"."""
        return self.selection.trains_on if self.selection is not None else f"questions that {self.title} chooses"

    @property
    def plain(self) -> bool:
        """Every question equally often: what other selections are compared with."""
        return self.selection == selection_of({})

    @property
    def dots(self) -> bool:
        """Whether it is the selection of DOTS, whatever predicts for it."""
        return isinstance(self.selection, Difficulty)

    @property
    def offline(self) -> bool:
        """Whether it keeps a fixed subset of the pool."""
        return self.selection.offline if self.selection is not None else "fraction" in self.fields

    @property
    def score(self) -> str | None:
        """The score that orders or bands the questions, None where there is none."""
        named = "by" if self.staged else "method" if "band" in self.fields else None
        return named and str(self.fields.get("column") or self.fields[named])

    @property
    def staged(self) -> bool:
        """Whether it goes through the whole pool in the order of its score."""
        return "stages" in self.fields

    @property
    def of_question_alone(self) -> bool:
        """Whether its score is a pass of the policy over the question, without the answer and without rollouts."""
        passes = self.selection is not None and self.selection.costs(None, 1).passes
        return passes and "band" in self.fields and "target" not in self.fields

    @property
    def subset_without_score(self) -> bool:
        """A fixed subset that no score chose: the control of every other one."""
        return self.offline and self.score is None


@cache
def _selection(stored: str) -> Selection | None:
    try:
        return selection_of(json.loads(stored))
    except ValidationError:
        return None


def words(score: str) -> str:
    """`pass rate`: a score as figures call it."""
    return score.replace("_", " ")
