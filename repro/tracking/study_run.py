"""One run of MLflow for each study, which has the report: its page, figures and tables as artifacts."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from repro.canonical import digest
from repro.files import read_object
from repro.masking import mask
from repro.tracking.address import public_address, resolve_store, sqlite_path
from repro.tracking.artifacts import run_place
from repro.tracking.client import away_errors, writing
from repro.tracking.old_trouble import remove_from_server
from repro.tracking.sent_files import send_file

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

KIND = "study"
"""Tag `repro.kind` of such a run; its tag `repro.files` is the digest of the report that it has."""

log = logging.getLogger(__name__)


def record_report(experiment: str, folder: Path, store_uri: str | None = None) -> bool:
    """Bring the study's run up to date with a report; one that it has already costs one query of a sqlite store.

    Args:
        experiment: name of the study; without an experiment of that name nothing happens.
        folder: of the report, with its `manifest.json`.

    Returns:
        False where the store takes no data (one warning); the next report writes what is missing.
    """
    uri = resolve_store(store_uri)
    files: dict[str, str] = read_object(folder / "manifest.json").get("files", {})
    content = digest(files)
    path = sqlite_path(uri)
    if path is not None and _has(path, experiment, content):
        return True
    try:
        with writing(uri) as client:
            found = client.get_experiment_by_name(experiment)
            if found is not None:
                _send(client, _run(client, found.experiment_id, experiment), uri, folder, files, content)
    except away_errors() as error:
        reason = mask(" ".join(str(error).split()))[:300]
        log.warning("the report is not in MLflow: store %s takes no data now (%s)", public_address(uri), reason)
        return False
    return True


def _has(path: Path, experiment: str, content: str) -> bool:
    """Whether the study's run in a sqlite store has this report. The import of MLflow would cost seconds."""
    query = (
        "SELECT runs.artifact_uri FROM experiments JOIN runs USING (experiment_id) "
        "JOIN tags AS kind ON kind.run_uuid = runs.run_uuid AND kind.key = 'repro.kind' AND kind.value = ? "
        "JOIN tags AS files ON files.run_uuid = runs.run_uuid AND files.key = 'repro.files' AND files.value = ? "
        "WHERE experiments.name = ? AND runs.lifecycle_stage = 'active' AND runs.status = 'FINISHED'"
    )
    with suppress(sqlite3.Error), closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        found = connection.execute(query, (KIND, content, experiment)).fetchone()
        place = run_place(path, found[0]) if found else None
        return place is not None and place.is_dir()
    return False


def _run(client: MlflowClient, experiment_id: str, experiment: str) -> Run:
    """The study's run, made where there is none."""
    key = digest({"study": experiment}, 32)
    found = client.search_runs([experiment_id], f"tags.`repro.key` = '{key}'")
    if found:
        return min(found, key=lambda run: (run.info.start_time, run.info.run_id))
    note = f"The report of the study `{experiment}`: its page, figures and tables are the artifacts of this run."
    tags = {
        "repro.kind": KIND,
        "repro.key": key,
        "mlflow.source.name": f"repro report {experiment}",
        "mlflow.source.type": "LOCAL",
        "mlflow.note.content": note,
    }
    return client.create_run(experiment_id, tags=tags, run_name=f"report of {experiment}")


def _listed(client: MlflowClient, run_id: str, folder: str | None = None) -> Iterator[str]:
    """The names of all files that a server keeps of a run."""
    for item in client.list_artifacts(run_id, folder):
        if item.is_dir:
            yield from _listed(client, run_id, item.path)
        else:
            yield item.path


def _send(client: MlflowClient, run: Run, uri: str, folder: Path, files: dict[str, str], content: str) -> None:
    place = run_place(sqlite_path(uri), run.info.artifact_uri)
    there = place is None or place.is_dir()
    if run.data.tags.get("repro.files") != content or not there:
        for name in files:
            send_file(client, run.info.run_id, place, name, (folder / name).read_bytes())
        if place is not None:
            for old in [one for one in place.rglob("*") if one.is_file()]:
                if old.relative_to(place).as_posix() not in files:  # of an earlier report
                    old.unlink()
        elif old_names := sorted(set(_listed(client, run.info.run_id)) - set(files)):
            remove_from_server(client, uri, run.info.run_id, old_names)
        client.set_tag(run.info.run_id, "repro.files", content)
    if run.info.status != "FINISHED":
        client.set_terminated(run.info.run_id, "FINISHED")
