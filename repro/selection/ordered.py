"""What the methods that know a difficulty of every question from the start share: which score it is, and its costs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from repro.scoring.targets import TARGET_HELP, Target
from repro.selection.banded import start_scores
from repro.selection.base import Run
from repro.selection.method import Costs, Selection
from repro.selection.ties import ranked, tie_places

FIELDS_OF = {"confidence": ("target",), "pass_rate": ("samples",), "column": ("column", "high")}
"""`by` -> the fields that belong to it alone."""


class Ordered(Selection):
    """A score of the start policy, or a column of the dataset, says how difficult each question is."""

    by: Literal["confidence", "pass_rate", "column"] = Field(
        description="what orders the questions: a score of the start policy, or a column of the dataset"
    )
    target: Target = Field("final_answer", description=f"{TARGET_HELP} (by: confidence)")
    samples: int = Field(8, ge=1, le=10_000, description="completions per question (by: pass_rate)")
    column: str | None = Field(
        None, description="numeric column of the dataset, e.g. a published pass rate or difficulty (by: column)"
    )
    high: Literal["easy", "hard"] = Field("easy", description="what a high number of the column means (by: column)")

    @model_validator(mode="after")
    def _column_given(self) -> Self:
        if (self.by == "column") != (self.column is not None):
            given = "by: column without column" if self.column is None else f"column with by: {self.by}"
            raise ValueError(f"got {given}, expected both or neither")
        return self

    def score(self, run: Run) -> np.ndarray:
        """(N,) the numbers that say how difficult the run's questions are; `high` says which end of a column is."""
        if self.column is not None:
            values = run.resources.column(self.column)
        elif self.by == "confidence":
            values = run.resources.confidences(self.target)
        else:
            values = run.resources.pass_rates(self.samples)
        return start_scores(values, run)

    def identity_fields(self, group_size: int) -> dict[str, Any]:
        """Without the fields that belong to another score."""
        others = {field for by, fields in FIELDS_OF.items() if by != self.by for field in fields}
        return {key: value for key, value in super().identity_fields(group_size).items() if key not in others}

    def costs(self, pool: int | None, group_size: int) -> Costs:
        """Those of the score."""
        if self.by == "column":
            return Costs()
        if self.by == "pass_rate":
            return Costs(samples=self.samples)
        greedy = self.target == "greedy_response"
        return Costs(samples=int(greedy), passes=True, passes_response=greedy or self.target == "solution")

    def idle(self, written: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Fields of another score."""
        yield from super().idle(written)
        for by, fields in FIELDS_OF.items():
            for field in fields:
                if by != self.by and field in written:
                    yield field, f"it belongs to by: {by}"

    @property
    def dataset_column(self) -> str | None:
        """The column that orders the questions."""
        return self.column


class Score:
    """The score of a run's questions, asked for once; a high one is easy, unless `high` of a column says hard."""

    def __init__(self, selection: Ordered, run: Run) -> None:
        self.selection, self.run = selection, run
        self._values: np.ndarray | None = None

    def values(self) -> np.ndarray:
        """(N,) the scores."""
        if self._values is None:
            self._values = self.selection.score(self.run)
        return self._values

    def difficulty(self) -> np.ndarray:
        """(N,) the scores with their sign such that a higher number is harder."""
        return self.values() if self.selection.high == "hard" else -self.values()

    def quantiles(self, count: int, hard_first: bool = False) -> list[list[int]]:
        """The questions in `count` quantiles by rank, the easiest first, so that sizes differ by one at most; which of
        equal scores come first is drawn."""
        keys = -self.difficulty() if hard_first else self.difficulty()
        order = ranked(keys, tie_places(self.run.ids, self.run.generator("ties"))).tolist()  # (N,)
        bounds = [len(order) * quantile // count for quantile in range(count + 1)]
        return [order[low:high] for low, high in pairwise(bounds)]

    def target_tokens(self) -> np.ndarray | None:
        """(N,) tokens behind confidences."""
        if self.selection.by != "confidence":
            return None
        return start_scores(self.run.resources.target_tokens(self.selection.target), self.run)
