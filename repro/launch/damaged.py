"""Tells about runs whose files are damaged, and about damage that jobs found and mended."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from repro.files import DamagedError, read_jsonl, read_object
from repro.launch.protocol import Task
from repro.tracking.damage import DONE, METRICS, damaged_run, run_damage

REPAIRS = "repairs.jsonl"
SHOWN = 5  # damaged runs whose messages are printed


def damage_of(tasks: Iterable[Task]) -> dict[str, str]:
    """Identity -> what is wrong and what to do, for those of runs whose files are not what they were."""
    found = {}
    for task in tasks:
        problems = run_damage(task.run_dir)
        if not problems and "files" not in read_object(task.run_dir / DONE):  # of an earlier version
            try:
                read_jsonl(task.run_dir / METRICS)
            except DamagedError as error:
                problems = [str(error)]
        if problems:
            found[task.identity] = str(damaged_run(task.run_dir, problems))
    return found


def repairs_of(run_dir: Path) -> list[str]:
    """What the attempts of a run found damaged and did about it, the earliest first."""
    try:
        return [str(row.get("text")) for row in read_jsonl(run_dir / REPAIRS)]
    except DamagedError as error:
        return [str(error)]


def print_damage(damaged: Mapping[str, str], repairs: Mapping[str, list[str]], console: Console) -> None:
    """What needs the user, and what was mended.

    Args:
        damaged: identity -> message of a run that is damaged.
        repairs: name of a run -> what its job found damaged and mended.
    """
    if damaged:
        console.print(f"{len(damaged)} damaged, and left as they are:", style="red", highlight=False)
    for text in [*damaged.values()][:SHOWN]:
        console.print(escape(f"  {text}"), highlight=False, soft_wrap=True)
    if len(damaged) > SHOWN:
        console.print(f"  and {len(damaged) - SHOWN} more: `python -m repro status` lists them", highlight=False)
    for name, texts in repairs.items():
        for text in texts:
            console.print(escape(f"mended: {name}: {text}"), style="yellow", highlight=False, soft_wrap=True)
