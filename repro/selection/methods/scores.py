"""The questions in a band of any number at hand: a table of scores, or a column of the dataset."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from repro.errors import UserError
from repro.selection.banded import Banded, start_scores
from repro.selection.base import Run


class Scores(Banded):
    """A table that `repro score` or anybody wrote, or a column of the dataset; keep a band of it."""

    UNIT: ClassVar[bool] = False
    NO_RESULT: ClassVar[frozenset[str]] = frozenset({"path"})

    method: Literal["scores"]
    path: str | None = Field(
        None, description="a .parquet, .csv or .jsonl file with a row per question (default: the dataset itself)"
    )
    column: str = Field("s", description="column of the numbers; `repro score` writes s and confidence")
    id: str = Field("id", description="column of the question ids in the file")

    @property
    def title(self) -> str:
        """The column's name."""
        return f"scores: {self.column}"

    def score(self, run: Run) -> np.ndarray:
        """The numbers of the run's questions, on any scale."""
        if self.path is None:
            return start_scores(run.resources.column(self.column), run)
        from repro.scoring.tables import read_scores

        ids, values = read_scores(self.path, self.column, id_column=self.id)
        rows = dict(zip(ids, values.tolist(), strict=True))
        missing = [name for name in run.ids if name not in rows]
        if missing:
            raise UserError(
                f"selection.path: {self.path} has no row for {len(missing)} of {len(run.ids)} questions, the first is "
                f"{missing[0]!r}; score the same dataset, or leave the others out by dataset.limits or dataset.filters"
            )
        return np.array([rows[name] for name in run.ids], dtype=np.float64)

    def identity_fields(self, group_size: int) -> dict[str, Any]:
        """The content of the file in place of its path."""
        fields = super().identity_fields(group_size)
        if self.path is not None:
            from repro.scoring.tables import file_digest

            fields["table"] = file_digest(self.path)
        return fields
