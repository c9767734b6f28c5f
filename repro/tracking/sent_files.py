"""Sends the files of a run directory to its MLflow run: those of a local store are copied, a server gets an upload."""

from __future__ import annotations

import gzip
import hashlib
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from repro.files import file_content, write_atomically
from repro.tracking.address import sqlite_path
from repro.tracking.artifacts import run_place
from repro.tracking.completions import RECORDED, TABLE, completions_table
from repro.tracking.damage import damaged_run
from repro.tracking.run_record import content_digest

if TYPE_CHECKING:
    from mlflow import MlflowClient

ZIP_ABOVE = 1_000_000  # bytes; larger files are stored gzipped


def send_files(
    client: MlflowClient, uri: str, run_dir: Path, cursor: dict[str, Any], checksums: Mapping[str, Any]
) -> Path | None:
    """Send what the run `cursor["run"]` lacks of the JSON files and of the traceback; `cursor["files"]` follows.

    Completions become MLflow's table of them.

    Returns the run's local folder, None where a server keeps it.

    Args:
        checksums: of a finished run, by file name. DamagedError where a file is not what they say.
    """
    place = run_place(sqlite_path(uri), client.get_run(cursor["run"]).info.artifact_uri)
    paths = sorted(p for pattern in ("*.json", "*.jsonl", "error.txt") for p in run_dir.glob(pattern))
    for path in paths:
        if path.name.startswith(".") or path.name == "progress.json":
            continue
        data = file_content(path)
        sha256 = hashlib.sha256(data).hexdigest()
        if checksums.get(path.name, {}).get("sha256", sha256) != sha256:
            raise damaged_run(run_dir, [f"{path.name} has changed since it was written"])
        own = TABLE if path.name == RECORDED else path.name
        if own == TABLE:
            data = completions_table(run_dir)
        content = content_digest(data)
        zipped = len(data) > ZIP_ABOVE and own != TABLE  # MLflow's pages read it
        name = f"{own}.gz" if zipped else own
        missing = place is not None and not (place / name).exists()  # e.g. a store moved without its files
        if cursor["files"].get(own) == content and not missing:
            continue
        send_file(client, cursor["run"], place, name, gzip.compress(data, mtime=0) if zipped else data)
        cursor["files"][own] = content
    return place


def send_file(client: MlflowClient, run_id: str, place: Path | None, name: str, data: bytes) -> None:
    """Store `data` as the artifact `name` of a run. `place`: the run's local folder, None where a server keeps it."""
    if place is not None:
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        write_atomically(place / name, data)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / Path(name).name
        path.write_bytes(data)
        above = Path(name).parent.as_posix()
        client.log_artifact(run_id, str(path), None if above == "." else above)
