"""The questions in a band of any number at hand: a table of scores, or a column of the dataset."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from repro.errors import UserError
from repro.scoring.tables import read_scores, table_digest
from repro.selection.banded import Banded, start_scores
from repro.selection.base import Run
from repro.selection.method import Mistake, Setting
from repro.user_paths import user_path
from repro.words import show


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
    def trains_on(self) -> str:
        """A band of the numbers."""
        return self.banded(self.column)

    @property
    def title(self) -> str:
        """The column's name."""
        return f"scores: {self.column}"

    @property
    def dataset_column(self) -> str | None:
        """Its column, where no table holds it."""
        return self.column if self.path is None else None

    def score(self, run: Run) -> np.ndarray:
        """The numbers of the run's questions, on any scale."""
        if self.path is None:
            return start_scores(run.resources.column(self.column), run)
        return self._rows(self.path, run.ids)

    def check_ids(self, ids: Sequence[str]) -> None:
        """See `Selection`."""
        if self.path is not None:
            self._rows(self.path, ids)

    def _rows(self, path: str, ids: Sequence[str]) -> np.ndarray:
        """(N,) the numbers of these questions. UserError where the table lacks one."""
        known, values = read_scores(path, self.column, id_column=self.id)
        rows = dict(zip(known, values.tolist(), strict=True))
        missing = [name for name in ids if name not in rows]
        if missing:
            raise UserError(
                f"selection.path: {path} has no row for {len(missing)} of {len(ids)} questions, the first is "
                f"{missing[0]!r}; score the same dataset, or leave the others out by dataset.limits or dataset.filters"
            )
        return np.array([rows[name] for name in ids], dtype=np.float64)

    def mistakes(self, setting: Setting) -> Iterator[Mistake]:
        """See `Banded`; a table that cannot be read."""
        yield from super().mistakes(setting)
        if self.path is not None:
            try:
                read_scores(self.path, self.column, id_column=self.id)
            except UserError as error:
                yield Mistake("path", f"got {show(self.path)}: {error}")

    def files(self) -> dict[str, Path]:
        """The table."""
        return {} if self.path is None else {"path": user_path(self.path)}

    def identity_fields(self, group_size: int) -> dict[str, Any]:
        """The content of the file in place of its path."""
        fields = super().identity_fields(group_size)
        if self.path is not None:
            fields["table"] = table_digest(self.path)
        return fields
