"""Finds what is damaged in the folder of a finished run, and says what to do about it."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

from repro.checksums import checksums, damage, is_sealed, listed
from repro.files import DamagedError, read_json, read_jsonl, read_object

DONE = "done.json"

METRICS = "metrics.jsonl"

CHANGING = {DONE, "progress.json", "launch.json", "order.json", "ranks.json", "inputs.json"}
"""JSON files of a run folder that `done.json` does not vouch for: a launcher may still write to them."""


IDENTITY = re.compile(r"v\d+-[0-9a-f]{16}")
"""The name of a run's folder in a project. A copy elsewhere may have any name."""


def owner(run_dir: Path) -> str | None:
    """The run whose record lies in a folder that has the name of another one, as after a copy; None where it is its
    own."""
    if not IDENTITY.fullmatch(run_dir.name):
        return None
    found = read_object(run_dir / "cell.json").get("identity")
    return found if isinstance(found, str) and found != run_dir.name else None


def run_checksums(run_dir: Path) -> dict[str, dict[str, Any]]:
    """Size and SHA-256 of the record and the policy of a run, for its `done.json`."""
    names = {path.name for pattern in ("*.json", "*.jsonl") for path in run_dir.glob(pattern)} - CHANGING
    names = {name for name in names if not name.startswith(".")}
    policy = (path.relative_to(run_dir).as_posix() for path in (run_dir / "policy").rglob("*") if path.is_file())
    return checksums(run_dir, {*names, *policy})


def run_damage(run_dir: Path, *, contents: bool | Collection[str] = (METRICS,)) -> list[str]:
    """What is wrong with a finished run, one sentence a file; [] where all is as it was when the run ended.

    A folder with the record of another run is damaged whether that run had finished or not. Sizes are always compared.
    A run of an earlier version of this suite has no checksums: only its marker is looked at, and whether it has
    metrics.

    Args:
        contents: whether to compare the contents of files as well, or the names of those to compare.
    """
    if (other := owner(run_dir)) is not None:
        return [f"the folder holds the record of {other}"]
    record = read_json(run_dir / DONE)
    if isinstance(record, dict) and set(record) == {"summary", "time"} and isinstance(record["summary"], dict):
        return [] if (run_dir / METRICS).is_file() else [f"{METRICS} is missing"]  # of an earlier version
    if not is_sealed(record):
        return [f"{DONE} is not whole"]
    return damage(run_dir, record["files"], contents=contents)


def damaged_run(run_dir: Path, problems: Collection[str]) -> DamagedError:
    """What a user reads about a damaged run: where it lies, what is wrong and what to do."""
    first = f"remove {run_dir / DONE} and " if (run_dir / DONE).exists() else ""
    cure = f"{first}run the study again: it then goes on from its last checkpoint, or begins anew where it kept none"
    if owner(run_dir) is not None:
        cure = "give the folder its own name back, or move it away; then run the study again"
    return DamagedError(f"{run_dir}: this run is damaged: {listed(problems)}\n  To mend it, {cure}")


def finished_rows(run_dir: Path, name: str) -> list[dict[str, Any]]:
    """The rows of a file of a finished run, read once they are found to be those it ended with.

    Raises:
        DamagedError: they are not; the message names the run and the cure.
    """
    problems = run_damage(run_dir, contents=(name,))
    if problems:
        raise damaged_run(run_dir, problems)
    try:
        return read_jsonl(run_dir / name)
    except DamagedError as error:
        raise damaged_run(run_dir, [str(error)]) from error
