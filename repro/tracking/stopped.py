"""Finished runs that ended before their last step, because `train.stop_on` asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from repro.files import read_object

HEALTH = "health.json"


class Stopped(NamedTuple):
    """Where a run was stopped, and for what kind of warning: collapse or no_signal."""

    step: int
    kind: str

    def __str__(self) -> str:
        return f"at step {self.step} ({self.kind})"


def stopped_early(health: Mapping[str, Any]) -> Stopped | None:
    """Where a finished run was stopped, by the content of its health.json; None where it went on to its end."""
    found = health.get("stopped")
    return Stopped(int(found["step"]), str(found["kind"])) if isinstance(found, dict) else None


def stopped_in(run_dir: Path) -> Stopped | None:
    """The same of a run directory."""
    return stopped_early(read_object(run_dir / HEALTH))
