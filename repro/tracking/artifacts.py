"""Where the files of a run lie in a local store: beside the store, so that a moved or copied store finds them.

MLflow records the absolute path of the folder that a run's files were written to. In a project that has been moved
that path is wrong, and in a copied one it is the original's. Below the store's folder it is the same as ever:
`mlartifacts/<experiment>/<run id>/artifacts`.
"""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from urllib.parse import unquote, urlsplit

OURS = "mlartifacts"
"""Beside a sqlite store: the folder of the files of all its runs."""

_OF_MLFLOW = "mlruns"  # where MLflow itself puts the files of an experiment that it made
_DEPTH = 4  # <folder>/<experiment>/<run id>/artifacts


def experiment_place(store: Path, experiment: str) -> Path:
    """The folder of an experiment's files in the sqlite store at `store`."""
    return store.parent / OURS / experiment


def run_place(store: Path | None, artifact_uri: str) -> Path | None:
    """The local folder of a run's files, whether it exists or not; None where a server keeps them.

    Args:
        store: file of the sqlite store, None for a server.
        artifact_uri: what the store says about the run, for instance before it was moved.
    """
    address = urlsplit(artifact_uri)
    if address.scheme not in ("", "file"):
        return None
    recorded = Path(unquote(address.path) if address.scheme else artifact_uri)
    if store is None or len(recorded.parts) < _DEPTH:
        return recorded
    here = store.parent.joinpath(*recorded.parts[-_DEPTH:])
    folder = recorded.parts[-_DEPTH]
    # A folder that the user chose for an experiment is taken as it is: it may lie anywhere on purpose.
    return here if folder == OURS or (folder == _OF_MLFLOW and here.is_dir()) else recorded


def bring_home(store: Path, experiment_id: str, recorded: str) -> None:
    """Let a store that was moved or copied name the places of an experiment's files as they are now.

    Only what lies where `experiment_place` says is changed. MLflow's own pages and new runs then use it; our readers
    do not depend on it.

    Args:
        recorded: what the store says about the experiment's files.
    """
    address = urlsplit(recorded)
    place = Path(unquote(address.path))
    if address.scheme != "file" or place.parent.name != OURS:
        return
    here = experiment_place(store, place.name).as_uri()
    if here == recorded:
        return
    with contextlib.closing(sqlite3.connect(store, timeout=3)) as connection, connection:
        connection.execute(
            "UPDATE experiments SET artifact_location = ? WHERE experiment_id = ?", (here, int(experiment_id))
        )
        connection.execute(
            "UPDATE runs SET artifact_uri = ? || substr(artifact_uri, ?) "
            "WHERE experiment_id = ? AND substr(artifact_uri, 1, ?) = ?",
            (here, len(recorded) + 1, int(experiment_id), len(recorded) + 1, f"{recorded}/"),
        )
        connection.execute(
            "UPDATE logged_models SET artifact_location = ? || substr(artifact_location, ?) "
            "WHERE experiment_id = ? AND substr(artifact_location, 1, ?) = ?",
            (here, len(recorded) + 1, int(experiment_id), len(recorded) + 1, f"{recorded}/"),
        )
