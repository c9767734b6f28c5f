"""Takes out of the store what an earlier attempt of a run left there: trouble that the run no longer has."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow import MlflowClient

FILES = ("error.txt", "health.json", "repairs.jsonl")
"""Files that a run has only where something went wrong."""
WARNINGS = "repro.warnings"
"""The tag that repeats the warnings of health.json."""

log = logging.getLogger(__name__)


def remove_old_files(client: MlflowClient, uri: str, run_id: str, place: Path | None, run_dir: Path) -> list[str]:
    """Remove those of `FILES` that a run's folder in the store has and its directory has not; returns their names.

    A server that lets nobody remove a file is told of in the log, once a call.

    Args:
        uri: of the store.
        place: the run's folder in a local store; None where a server keeps it.
    """
    lacking = [name for name in FILES if not (run_dir / name).exists()]
    if place is not None:
        found = [name for name in lacking if (place / name).exists()]
        for name in found:
            (place / name).unlink(missing_ok=True)
        return found
    there = {item.path for item in client.list_artifacts(run_id)}
    found = [name for name in lacking if name in there]
    if found:
        remove_from_server(client, uri, run_id, found)
    return found


def remove_from_server(client: MlflowClient, uri: str, run_id: str, names: list[str]) -> None:
    """Remove artifacts of a run that a server keeps; one that lets nobody do so is told of in the log."""
    from mlflow.exceptions import MlflowException
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
    from requests import HTTPError

    files = get_artifact_repository(client.get_run(run_id).info.artifact_uri, tracking_uri=uri)
    try:
        for name in names:
            files.delete_artifacts(name)
    except (MlflowException, HTTPError, NotImplementedError) as error:
        log.warning("%s, an old file of run %s, stays in the store: %s", names[0], run_id, error)


def remove_old_warnings(client: MlflowClient, run_id: str) -> None:
    """Remove the tag of warnings from a run that has none."""
    if WARNINGS in client.get_run(run_id).data.tags:
        client.delete_tag(run_id, WARNINGS)
