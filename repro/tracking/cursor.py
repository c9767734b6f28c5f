"""What a store has of a run directory, remembered beside the run: one file per store and label set.

Such a file is a JSON object:

    store       address without secrets
    experiment  name of the MLflow experiment
    run         id of the MLflow run, null before there is one
    status      the last status sent
    final       whether everything of a finished run has been sent
    lines       digests of the rows of metrics.jsonl that were sent
    system      how many rows of system.jsonl were sent
    files       name -> digest of the content that was sent
    datasets    whether the run's datasets were sent
    policy      whether the final policy was listed
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from repro.canonical import digest
from repro.files import dump_json, read_object, temporary_files, write_atomically
from repro.tracking.address import public_address
from repro.tracking.labels import Labels

FOLDER = "delivery"


def cursor_path(run_dir: Path, labels: Labels, uri: str) -> Path:
    """Where the cursor of a run is, for one store and one set of labels."""
    return run_dir / FOLDER / f"{digest({'store': uri, **labels.as_dict()}, 16)}.json"


def read_cursor(run_dir: Path, labels: Labels, uri: str) -> dict[str, Any]:
    """The cursor as it was saved; that of a store without anything where there is none."""
    empty: dict[str, Any] = {
        "store": public_address(uri),
        "experiment": labels.experiment,
        "run": None,
        "status": None,
        "final": False,
        "lines": [],
        "system": 0,
        "files": {},
        "datasets": False,
        "policy": False,
    }
    return {**empty, **read_object(cursor_path(run_dir, labels, uri))}


def save_cursor(run_dir: Path, labels: Labels, uri: str, cursor: dict[str, Any]) -> None:
    """Save it, while the store's lock is held.

    Not on the disk at once: a delivery that is forgotten is made again and changes nothing.
    """
    path = cursor_path(run_dir, labels, uri)
    path.parent.mkdir(exist_ok=True)
    for left, name in temporary_files(path.parent).items():
        if name == path.name:  # of a delivery that was killed
            left.unlink(missing_ok=True)
    write_atomically(path, dump_json(cursor), sync=False)


def cursors_of(run_dir: Path) -> list[dict[str, Any]]:
    """All cursors of a run; {} for a damaged one."""
    return [read_object(path) for path in (run_dir / FOLDER).glob("*.json")]
