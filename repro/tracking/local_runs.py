"""Reads the runs of an experiment straight from the tables of a sqlite store, a handful of queries for all of them.

MLflow's own interface reads one metric of one run at a time, and its import alone takes longer than a report.
"""

from __future__ import annotations

import math
import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from repro.errors import UserError
from repro.tracking.histories import Histories, Rows

_LARGEST = 1.7976931348623157e308  # what a SQL store keeps for infinity
_WAIT = 20  # seconds for a program that holds the file
_OURS = (
    "SELECT run_uuid FROM runs JOIN tags USING (run_uuid) WHERE experiment_id = :experiment "
    "AND lifecycle_stage = 'active' AND tags.key = 'repro.kind' AND tags.value = :kind"
)


class StoredRun(NamedTuple):
    """One training run as the store has it. Times are in ms since 1970; `ended` is None for a run that has not."""

    run_id: str
    tags: Mapping[str, str]
    params: Mapping[str, str]
    artifact_uri: str
    started: int
    ended: int | None


def experiments(path: Path) -> dict[str, int]:
    """Name -> id of every experiment, deleted ones included."""
    with _reading(path) as connection:
        return dict(connection.execute("SELECT name, experiment_id FROM experiments").fetchall())


def runs_of(path: Path, experiment: int, kind: str = "cell") -> list[StoredRun]:
    """All runs of a kind (`cell` is a training run), the earliest first."""
    asked = {"experiment": experiment, "kind": kind}
    with _reading(path) as connection:
        of_run: dict[str, dict[str, dict[str, str]]] = {}
        for table in ("tags", "params"):
            found: dict[str, dict[str, str]] = defaultdict(dict)
            query = f"SELECT run_uuid, key, value FROM {table} WHERE run_uuid IN ({_OURS})"
            for run_id, key, value in connection.execute(query, asked):
                found[run_id][key] = value
            of_run[table] = found
        rows = connection.execute(
            "SELECT run_uuid, artifact_uri, start_time, end_time FROM runs "
            f"WHERE run_uuid IN ({_OURS}) ORDER BY start_time, run_uuid",
            asked,
        ).fetchall()
    return [
        StoredRun(run_id, of_run["tags"][run_id], of_run["params"][run_id], place, started, ended)
        for run_id, place, started, ended in rows
    ]


def histories_of(path: Path, experiment: int) -> Histories:
    """The metric histories of the same runs."""
    asked = {"experiment": experiment, "kind": "cell"}

    def read(name: str) -> Rows:
        query = (
            "SELECT run_uuid, step, timestamp, value, is_nan FROM metrics "
            f"WHERE key = :name AND run_uuid IN ({_OURS}) ORDER BY timestamp, rowid"
        )
        with _reading(path) as connection:
            for run_id, step, timestamp, value, is_nan in connection.execute(query, {**asked, "name": name}):
                if is_nan:
                    value = math.nan
                elif not -_LARGEST < value < _LARGEST:
                    value = infinite(value)
                yield run_id, step, timestamp, value

    def names() -> Mapping[str, list[str]]:
        found: dict[str, list[str]] = defaultdict(list)
        with _reading(path) as connection:
            query = f"SELECT run_uuid, key FROM latest_metrics WHERE run_uuid IN ({_OURS})"
            for run_id, key in connection.execute(query, asked):
                found[run_id].append(key)
        return found

    return Histories(read, names)


def infinite(value: float) -> float:
    """The value that was logged: a SQL store keeps the largest number in place of infinity."""
    return math.copysign(math.inf, value) if abs(value) >= _LARGEST else value


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    """Raises UserError where the file cannot be read, or stays locked."""
    connection: Any = None
    try:
        connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=_WAIT)
        yield connection
    except sqlite3.Error as error:
        held = "locked" in str(error)
        cure = "end the program that writes to it, then try again" if held else "move it away and run the study again"
        raise UserError(f"cannot read MLflow store {path}: {error}; {cure}") from error
    finally:
        if connection is not None:
            connection.close()
