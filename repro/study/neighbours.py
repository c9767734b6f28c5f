"""Finished runs by what they resemble a cell in: the same dataset, and the same policy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from repro.canonical import canonical
from repro.spec.schema import Cell
from repro.study.identity import result_fields
from repro.study.once import Once


@dataclass(frozen=True)
class FinishedRun:
    """A finished run as far as estimates and comparisons need it: its cell and its ledger per phase."""

    identity: str
    cell: Cell
    ledger: Mapping[str, Mapping[str, float]]
    steps: int
    accelerator: str | None = None
    """Name of the GPU it ran on; None on a CPU."""


class Neighbours:
    """Finished runs, looked up by the dataset and the policy of a cell."""

    def __init__(self, finished: Sequence[FinishedRun]) -> None:
        self._once = Once()
        self._of_dataset: dict[str, list[FinishedRun]] = {}
        self._of_policy: dict[tuple[str, str], list[FinishedRun]] = {}
        for run in finished:
            dataset, policy = self._keys(run.cell)
            self._of_dataset.setdefault(dataset, []).append(run)
            self._of_policy.setdefault((dataset, policy), []).append(run)

    def of_dataset(self, cell: Cell) -> list[FinishedRun]:
        """Finished runs on the same dataset."""
        return self._of_dataset.get(self._keys(cell)[0], []) if self._of_dataset else []

    def of_policy(self, cell: Cell) -> list[FinishedRun]:
        """Finished runs of the same policy and dataset."""
        return self._of_policy.get(self._keys(cell), []) if self._of_policy else []

    def _keys(self, cell: Cell) -> tuple[str, str]:
        """Texts that are equal for the same dataset and the same policy on it."""
        found: tuple[str, str] = self._once.of("keys", lambda: _keys(cell), cell.dataset, cell.model)
        return found


def _keys(cell: Cell) -> tuple[str, str]:
    fields = result_fields(cell)
    return canonical(fields.get("dataset")), canonical(fields.get("model"))
