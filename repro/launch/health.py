"""The closing lines of `repro run` about trainings that went wrong."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from repro.files import read_json
from repro.study.expand import ExpandedCell
from repro.tracking.labels import Labels
from repro.tracking.run_status import run_status

SHOWN = 12
"""Lines of warnings at most: one screen."""


def print_health(cells: Sequence[ExpandedCell], runs_dir: Path, console: Console) -> None:
    """One line for each warning of a finished cell that still holds; nothing for a healthy study.

    A cell that failed has told why already.
    """
    lines: list[str] = []
    for expanded in cells:
        folder = runs_dir / expanded.identity
        if (folder / "health.json").exists() and run_status(folder) == "finished":
            labels = Labels.of(expanded.cell)
            found = read_json(folder / "health.json") or {}
            lines += [f"  {labels.arm_name} seed {labels.seed}: {text}" for text in health_texts(found)]
    if lines:
        console.print("Training went wrong:", style="yellow", highlight=False)
    for line in lines[:SHOWN]:
        console.print(escape(line), highlight=False, soft_wrap=True)
    if len(lines) > SHOWN:
        console.print(f"  and {len(lines) - SHOWN} more: see warnings in health.json of the runs", highlight=False)


def health_texts(found: dict[str, Any]) -> list[str]:
    """The warnings of a `health.json` that still hold; of a run that was stopped, why it was."""
    stopped = found.get("stopped") or {}
    texts = []
    for warning in found.get("warnings", []):
        ended = warning["kind"] == stopped.get("kind")
        if ended:
            texts.append(f"stopped by train.stop_on at step {stopped['step']}: {warning['text']}")
        elif warning["over"] is None:
            texts.append(warning["text"])
    return texts
