"""Remembers that a store has all of a finished study, so that running it again need not ask run by run."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from repro.canonical import digest
from repro.files import dump_json, read_json, write_atomically
from repro.launch.protocol import Task
from repro.tracking.address import public_address, resolve_store, sqlite_path
from repro.tracking.artifacts import run_place
from repro.tracking.cursor import cursors_of
from repro.tracking.labels import Labels

CONTENT = ("done.json", "metrics.jsonl", "cell.json")
"""Files of a run that are looked at: where size or time of one is another, the run is delivered again."""


class Settled:
    """What a study's runs were when a sqlite store had them all, in `specs/<study>.delivered.json`.

    For a server nothing is remembered: only it can tell what it has.
    """

    def __init__(self, experiment: str, runs_dir: Path, store_uri: str | None) -> None:
        self.uri = resolve_store(store_uri)
        self.experiment, self.store = experiment, sqlite_path(self.uri)
        self.file = runs_dir / "specs" / f"{experiment}.delivered.json"

    def holds(self, tasks: Sequence[Task], labels: Mapping[str, Sequence[Labels]]) -> bool:
        """Whether the store has these runs as they are now, with the figures over their seeds."""
        record = read_json(self.file) if self.store is not None else None
        if not isinstance(record, dict) or record.get("state") != self._state(tasks, labels):
            return False
        return set(record["runs"]) <= self._runs_in_store()

    def note(self, tasks: Sequence[Task], labels: Mapping[str, Sequence[Labels]]) -> None:
        """The store has all of them, and the figures over their seeds."""
        if self.store is None or not all((task.run_dir / "done.json").exists() for task in tasks):
            return
        runs = [run for task in tasks for run in self._delivered(task.run_dir)]
        if len(runs) >= sum(len(labels[task.identity]) for task in tasks):
            self.file.parent.mkdir(parents=True, exist_ok=True)
            record = {"state": self._state(tasks, labels), "runs": runs}
            write_atomically(self.file, dump_json(record, indent=None))

    def _state(self, tasks: Sequence[Task], labels: Mapping[str, Sequence[Labels]]) -> str:
        """A digest of where the store is, of the runs' files by size and time, and of what the study calls them."""
        runs: list[Any] = []
        for task in tasks:
            looks = [_look(task.run_dir / name) for name in CONTENT]
            runs.append([task.identity, looks, [each.as_dict() for each in labels[task.identity]]])
        return digest([self.uri, runs], 64)

    def _delivered(self, run_dir: Path) -> list[str]:
        """Ids of the runs of this store that a run directory was delivered to, whole."""
        here = {"store": public_address(self.uri), "experiment": self.experiment, "final": True}
        cursors = cursors_of(run_dir)
        return [one["run"] for one in cursors if all(one.get(name) == value for name, value in here.items())]

    def _runs_in_store(self) -> set[str]:
        """Ids of the runs that the store has, with their files; empty where it cannot be read."""
        assert self.store is not None
        query = "SELECT run_uuid, artifact_uri FROM runs WHERE lifecycle_stage = 'active'"
        try:
            with contextlib.closing(sqlite3.connect(f"{self.store.as_uri()}?mode=ro", uri=True, timeout=5)) as store:
                rows = store.execute(query).fetchall()
        except sqlite3.Error:
            return set()
        places = {run: run_place(self.store, address) for run, address in rows}
        return {run for run, place in places.items() if place is not None and (place / "done.json").is_file()}


def _look(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns
