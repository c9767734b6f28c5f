"""One question, or a few, in every place of every batch: a control for what the choice of questions is worth."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from repro.errors import UserError
from repro.fields import MOST_QUESTIONS
from repro.selection.base import Run, Selector
from repro.selection.method import Mistake, Selection, Setting
from repro.selection.pool import check_state, pool_digest


class Identical(Selection):
    """A control: every batch repeats one question, or a few, that the run's seed draws."""

    repeats_in_batch: ClassVar[bool] = True

    method: Literal["identical"]
    questions: int = Field(1, ge=1, le=MOST_QUESTIONS, description="different questions, the same in every batch")

    @property
    def trains_on(self) -> str:
        """As few as it has."""
        one = self.questions == 1
        return "one question only" if one else f"{self.questions} questions only, the same at every step"

    @property
    def title(self) -> str:
        """By how many there are."""
        return "one question" if self.questions == 1 else f"{self.questions} questions"

    def build(self, run: Run) -> Selector:
        """The seed draws the questions. UserError where the pool has fewer."""
        return IdenticalSelector(self, run)

    def kept_of(self, pool: int) -> int | None:
        """Those that are repeated."""
        return min(self.questions, pool)

    def mistakes(self, setting: Setting) -> Iterator[Mistake]:
        """More questions than there are. A batch may be larger than what is kept."""
        if setting.pool is not None and self.questions > setting.pool:
            text = f"got {self.questions}, expected at most {setting.pool}, the questions of {setting.dataset}"
            yield Mistake("questions", text, ("dataset",))


class IdenticalSelector(Selector):
    """Goes round the drawn questions: the next place of a batch, or the first of the next one, gets the next."""

    def __init__(self, selection: Identical, run: Run) -> None:
        if selection.questions > len(run.ids):
            raise UserError(
                f"selection.questions: {selection.questions}, expected at most the {len(run.ids)} questions of the "
                f"pool; lower it"
            )
        self.selection = selection
        self._pool = pool_digest(run.ids)
        drawn = run.generator("subset").choice(len(run.ids), selection.questions, replace=False)
        self._questions: list[int] = drawn.tolist()
        self._next = 0  # place in `_questions`

    def choose(self, n: int) -> list[int]:
        """`n` indices, each as often as any other or once more. ValueError if n < 1."""
        if n < 1:
            raise ValueError(f"n is {n}, expected at least 1")
        count = len(self._questions)
        chosen = [self._questions[(self._next + place) % count] for place in range(n)]
        self._next = (self._next + n) % count
        return chosen

    def kept(self) -> np.ndarray | None:
        """The drawn questions."""
        return np.sort(np.array(self._questions, dtype=np.int64))

    def metrics(self) -> dict[str, float]:
        """`kept`: how many different questions there are."""
        return {"kept": float(len(self._questions))}

    def state_dict(self) -> dict[str, Any]:
        """The questions and which is next."""
        return {
            "method": self.selection.method,
            "pool": self._pool,
            "questions": list(self._questions),
            "next": self._next,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore."""
        check_state(state, self.selection.method, self._pool)
        self._questions, self._next = [int(i) for i in state["questions"]], int(state["next"])
