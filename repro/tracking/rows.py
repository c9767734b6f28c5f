"""The rows of a run between two attempts: what a checkpoint goes on from, whether that is there, and cutting back."""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from repro.checksums import Checksums, checksums, damage
from repro.files import (
    cut_torn_line,
    dump_json,
    file_content,
    parse_line,
    read_object,
    temporary_files,
    write_atomically,
)
from repro.tracking.completions import RECORDED

STEPPED = ("metrics.jsonl", "steps.jsonl", "evaluations.jsonl", "predictions.jsonl", RECORDED)
"""Cut back to the checkpoint's step on resume."""

SELECTION = "selection.json"
"""What a resumed run draws from."""

WRITTEN_BY_OTHERS = {"order.json", "error.txt"}
"""Files that a launcher writes without holding the run's lock."""

OTHER_NAMES = {"policy", "launch", "error.txt"}
"""What is written into a run folder by way of a temporary file, besides JSON."""

ABANDONED = 60.0  # seconds after which a temporary file of another process belongs to one that was killed


def append(path: Path, row: Mapping[str, Any]) -> None:
    """Append a row to a file that ends in a whole line: all of it, or nothing where the disk is full (OSError)."""
    line = dump_json(row, indent=None)
    with path.open("ab", buffering=0) as file:  # unbuffered: one write, whole or torn at the end
        start = file.tell()
        try:
            if file.write(line) != len(line):  # the disk is almost full, and the next write says so
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), file.name)
        except OSError:
            file.truncate(start)  # half a line would spoil the next one
            raise


def marks(run_dir: Path) -> dict[str, dict[str, Any]]:
    """Checksums of the rows and of the selection as they are now."""
    return checksums(run_dir, [name for name in (*STEPPED, SELECTION) if (run_dir / name).exists()])


def lost(run_dir: Path, marker: Mapping[str, Any]) -> list[str]:
    """What a run no longer has of the rows that a checkpoint goes on from, one sentence a file.

    Args:
        marker: of the checkpoint: its "step", and its "rows" from `marks` (an earlier version's has none; then every
            step needs its rows).
    """
    if "rows" in marker:
        return damage(run_dir, marker["rows"], growing=STEPPED)
    found = []
    for name, first in (("metrics.jsonl", 0), ("steps.jsonl", 1)):
        steps = {row["step"] for row in readable(run_dir / name)}
        missing = [step for step in range(first, marker["step"] + 1) if step not in steps]
        if missing:
            found.append(f"{name} has no whole row of step {missing[0]}")
    if "kept" not in read_object(run_dir / SELECTION):
        found.append(f"{SELECTION} is missing or not whole")
    return found


def cut(run_dir: Path, step: int, marks: Checksums | None) -> None:
    """Drop the rows of later steps and what follows a damaged line; with `marks`, cut to the sizes recorded there."""
    for name in STEPPED:
        path = run_dir / name
        if not path.exists():
            continue
        if step < 0:
            kept = b""
        elif marks is not None:
            kept = file_content(path)[: marks[name]["size"] if name in marks else 0]
        else:
            kept = b"".join(dump_json(row, indent=None) for row in readable(path) if row["step"] <= step)
        write_atomically(path, kept)


def mend_spent(run_dir: Path) -> int:
    """Cut off a torn last line of `spent.jsonl` and take out lines that cannot be read; returns how many they were."""
    path = run_dir / "spent.jsonl"
    cut_torn_line(path)
    if not path.exists():
        return 0
    lines = file_content(path).splitlines(keepends=True)
    kept = [line for line in lines if parse_line(line) is not None]
    if len(kept) < len(lines):
        write_atomically(path, b"".join(kept))
    return len(lines) - len(kept)


def readable(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a file of steps up to the first that is damaged."""
    if path.exists():
        for line in file_content(path).split(b"\n")[:-1]:
            row = parse_line(line)
            if row is None or not isinstance(row.get("step"), int):
                return
            yield row


def remove_leftovers(run_dir: Path) -> None:
    """Remove what was not finished writing when an attempt was killed. The caller holds the run's lock."""
    for path, name in temporary_files(run_dir).items():
        if not name.endswith((".json", ".jsonl")) and name not in OTHER_NAMES:
            continue
        try:
            young = time.time() - path.stat().st_mtime < ABANDONED
        except FileNotFoundError:  # it has just become the file it was meant for
            continue
        if name in WRITTEN_BY_OTHERS and young:
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
