"""The journal of a run for its processes other than the first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from repro.checksums import Checksums
from repro.tracking.journal import Journal
from repro.tracking.labels import Labels


class ReadOnlyJournal(Journal):
    """The journal of a run for its processes other than the first: they read it, and their writes do nothing."""

    def start(
        self,
        cell: Any,
        identity: str,
        labels: Labels | None = None,
        processes: int = 1,
        params: Mapping[str, str] | None = None,
    ) -> None:
        """Do nothing."""

    def finish(self, summary: Mapping[str, Any]) -> None:
        """Do nothing."""

    def truncate(self, step: int, marks: Checksums | None = None) -> None:
        """Do nothing."""

    def marks(self) -> dict[str, dict[str, Any]]:
        """Nothing: rank 0 writes them down."""
        return {}

    def sync(self) -> None:
        """Do nothing."""

    def write_json(self, name: str, value: Any) -> None:
        """Do nothing."""

    def _append(self, name: str, row: Mapping[str, Any]) -> None:
        pass
