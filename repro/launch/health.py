"""The closing lines of `repro run` about trainings that went wrong, and about those that were stopped for it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from repro.files import read_object
from repro.launch.cells import name_of
from repro.study.expand import ExpandedCell
from repro.tracking.run_status import run_status
from repro.tracking.stopped import HEALTH, stopped_early
from repro.words import listed

SHOWN = 12
"""Lines of warnings at most: one screen."""


def print_health(cells: Sequence[ExpandedCell], runs_dir: Path, console: Console) -> None:
    """One line for each warning of a finished cell that still holds, and which cells were stopped before their end.

    Nothing for a healthy study. A cell that failed has told why already.
    """
    lines: list[str] = []
    stopped: list[str] = []
    for expanded in cells:
        folder = runs_dir / expanded.identity
        if (folder / HEALTH).exists() and run_status(folder) == "finished":
            health, name = read_object(folder / HEALTH), name_of(expanded.cell)
            lines += [f"  {name}: {text}" for text in health_texts(health)]
            if (place := stopped_early(health)) is not None:
                stopped.append(f"{name} {place}")
    if lines:
        console.print("Training went wrong:", style="yellow", highlight=False)
    for line in lines[:SHOWN]:
        console.print(escape(line), highlight=False, soft_wrap=True)
    if len(lines) > SHOWN:
        console.print(f"  and {len(lines) - SHOWN} more: see warnings in health.json of the runs", highlight=False)
    if stopped:
        text = f"{len(stopped)} finished early, stopped by train.stop_on: {listed(stopped, 400)}"
        console.print(escape(text), style="yellow", highlight=False, soft_wrap=True)


def health_texts(found: dict[str, Any]) -> list[str]:
    """The warnings of a `health.json` that still hold; of a run that was stopped, why it was."""
    stopped = stopped_early(found)
    texts = []
    for warning in found.get("warnings", []):
        if stopped is not None and warning["kind"] == stopped.kind:
            texts.append(f"stopped by train.stop_on at step {stopped.step}: {warning['text']}")
        elif warning["over"] is None:
            texts.append(warning["text"])
    return texts
