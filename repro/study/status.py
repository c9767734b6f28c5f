"""Where runs stand: read from their directories, so that it works while they train."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from repro.checksums import listed
from repro.files import read_object
from repro.study.expand import expand_study
from repro.study.load import LoadedSpec
from repro.study.plan import STATUS_WORDS
from repro.tracking.failure import reason_in
from repro.tracking.stopped import stopped_in

COLUMNS = ("identity", "study", "model", "dataset", "arm", "axes", "seed", "status", "step", "accuracy", "message")


def status_rows(runs_dir: Path, loaded: LoadedSpec | None = None) -> list[dict[str, Any]]:
    """One JSON-able row per run on disk, or per place of a study's matrix."""
    if loaded is None:
        markers = [path for name in ("cell.json", "error.txt", "done.json") for path in runs_dir.glob(f"*/{name}")]
        return [_row(folder, None) for folder in sorted({marker.parent for marker in markers})]
    rows = []
    for expanded in expand_study(loaded.spec):
        for place in expanded.places:
            labels = {**asdict(place), "experiment": loaded.spec.name, "axis": place.axis_point}
            rows.append(_row(runs_dir / expanded.identity, labels))
    return rows


def _row(folder: Path, labels: dict[str, Any] | None) -> dict[str, Any]:
    from repro.tracking.damage import run_damage
    from repro.tracking.run_status import run_status

    names = labels if labels is not None else read_object(folder / "cell.json").get("labels")
    names = _typed(names, {"axis": dict})  # what has another type is of a damaged file
    progress = _typed(read_object(folder / "progress.json"), {"accuracy": float | int, "time": float | int})
    status = run_status(folder)
    message, stopped = str(progress.get("message", "")), None
    if status == "failed":
        message = reason_in(folder) or message
    elif status == "finished" and (place := stopped_in(folder)) is not None:
        stopped = place._asdict()
        message = f"stopped by train.stop_on {place}" + (f"; {message}" if message else "")
    elif status == "damaged":
        message = listed(run_damage(folder))
    elif status == "running" and "time" in progress:
        message = f"{message or progress.get('phase', '')} ({max(0.0, time.time() - progress['time']):.0f} s ago)"
    return {
        "identity": folder.name,
        "study": names.get("experiment"),
        "model": names.get("model"),
        "dataset": names.get("dataset"),
        "arm": names.get("arm"),
        "axes": names.get("axis", {}),
        "seed": names.get("seed"),
        "status": status,
        "step": progress.get("step"),
        "steps": progress.get("steps"),
        "accuracy": progress.get("accuracy"),
        "stopped": stopped,
        "message": message,
    }


def _typed(found: Any, types: Mapping[str, Any]) -> dict[str, Any]:
    """An object of a file without the fields that have another type than they are written with."""
    if not isinstance(found, dict):
        return {}
    return {key: value for key, value in found.items() if isinstance(value, types.get(key, object))}


def status_table(rows: list[dict[str, Any]], width: int = 60) -> str:
    """The rows for a terminal; the last line counts them by status."""
    lines: list[tuple[str, ...]] = [COLUMNS]
    for row in rows:
        shown = {key: "-" if value is None else str(value) for key, value in row.items()}
        shown["axes"] = " ".join(f"{path}={value}" for path, value in row["axes"].items()) or "-"
        shown["status"] = STATUS_WORDS[row["status"]]
        shown["step"] = "-" if row["step"] is None else f"{row['step']}/{row['steps']}"
        shown["accuracy"] = "-" if row["accuracy"] is None else f"{row['accuracy']:.3f}"
        shown["message"] = row["message"] if len(row["message"]) <= width else row["message"][: width - 1] + "…"
        lines.append(tuple(shown[column] for column in COLUMNS))
    widths = [max(len(line[column]) for line in lines) for column in range(len(COLUMNS))]
    text = ["  ".join(cell.ljust(size) for cell, size in zip(line, widths, strict=True)).rstrip() for line in lines]
    counts = {word: sum(row["status"] == status for row in rows) for status, word in STATUS_WORDS.items()}
    text += ["", ", ".join(f"{count} {word}" for word, count in counts.items() if count)]
    if early := sum(row["stopped"] is not None for row in rows):
        text.append(f"{early} of the {STATUS_WORDS['finished']} stopped early by train.stop_on; the messages say when")
    if counts[STATUS_WORDS["damaged"]]:
        text += [
            "To mend a damaged run, remove its done.json and run the study again: it goes on from its last whole",
            "checkpoint. `status --json` has the whole messages.",
        ]
    return "\n".join(text)
