"""Delivers run directories to MLflow: idempotent, in batches, and never in the way of training.

One experiment per study (the name of the spec). A parent run per (model, dataset, arm, axis point) holds what its
seeds share and, after `aggregate`, the figures over them; a child run per seed holds params, metrics and the run
directory's files as artifacts. What has been delivered is remembered beside the run (`repro.tracking.cursor`), so a run
directory can be delivered any number of times, to any number of stores.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from repro.canonical import digest
from repro.files import DamagedError, dump_json, read_json, read_jsonl, read_object, write_atomically
from repro.tracking.address import resolve_store, sqlite_path
from repro.tracking.artifacts import run_place
from repro.tracking.client import (
    away_errors,
    experiment_id,
    is_missing,
    report_away,
    report_back,
    writing,
)
from repro.tracking.cursor import cursor_path, read_cursor, save_cursor
from repro.tracking.damage import METRICS, damaged_run, run_damage
from repro.tracking.keys import flatten, parent_key, run_key
from repro.tracking.labels import Labels
from repro.tracking.old_trouble import WARNINGS, remove_old_files, remove_old_warnings
from repro.tracking.run_status import run_status

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Run

BATCH = 1000  # MLflow's limit on metrics per call; params and tags have a limit of 100
ZIP_ABOVE = 1_000_000  # bytes; larger files are stored gzipped
DELIVERED_BY_LAUNCHER = "REPRO_DELIVERED_BY_LAUNCHER"
"""Environment variable of jobs on other machines whose store is a file beside the launcher: they leave it alone."""

MLFLOW_STATUS = {"running": "RUNNING", "finished": "FINISHED", "failed": "FAILED", "killed": "KILLED"}


def deliver(
    run_dir: Path | str, labels: Labels, store_uri: str | None = None, final: bool = False, wait: float | None = None
) -> bool:
    """Bring the store up to date with a run directory.

    Args:
        labels: what the study calls the run; `labels.experiment` names the MLflow experiment.
        store_uri: see `repro.tracking.client.resolve_store`.
        final: the job has ended, however it ended: also store its status and its files.
        wait: seconds to wait for other writers; see `repro.tracking.client.writing`.

    Returns:
        Whether the store now has everything. False where it is away: one warning is logged, and the next call
        delivers what is missing. Never raises for a store's sake.

    Raises:
        DamagedError: files of the run are damaged; the message names the run, the files and the cure.
        UserError: the address can never work.
    """
    uri = resolve_store(store_uri)
    run_dir = Path(run_dir)
    if os.environ.get(DELIVERED_BY_LAUNCHER):
        return False
    if not (run_dir / "cell.json").exists():
        return True  # the job has not begun: there is nothing to deliver
    try:
        with writing(uri, run_dir.parent, wait) as client:
            try:
                _Delivery(client, run_dir, labels, uri).bring_up_to_date(final)
            except Exception as error:
                if not (isinstance(error, _RunDeleted) or is_missing(error)):
                    raise
                # The run was deleted from the store since the last delivery: start over.
                cursor_path(run_dir, labels, uri).unlink(missing_ok=True)
                _Delivery(client, run_dir, labels, uri).bring_up_to_date(final)
    except DamagedError:
        raise
    except away_errors() as error:
        report_away(uri, error)
        return False
    report_back(uri)
    return True


class _RunDeleted(Exception):
    """The run that the cursor names was deleted in the store by hand."""


class _Delivery:
    """One delivery of one run directory, under the store's write lock."""

    def __init__(self, client: MlflowClient, run_dir: Path, labels: Labels, uri: str) -> None:
        self.client, self.run_dir, self.labels, self.uri = client, run_dir, labels, uri
        about = read_object(run_dir / "cell.json")
        if not {"identity", "cell", "started"} <= set(about):
            raise damaged_run(run_dir, ["cell.json is not whole"])
        self.identity: str = about["identity"]
        self.cell: dict[str, Any] = about["cell"]
        self.started_ms = int(about["started"] * 1000)
        self.files: dict[str, Any] = {}  # checksums of a finished run's files
        self.cursor = read_cursor(run_dir, labels, uri)

    def bring_up_to_date(self, final: bool) -> None:
        status: str = run_status(self.run_dir)
        if status in ("finished", "damaged"):
            self._check_files()
        if status != "finished" and not final:
            status = "running"
        elif status == "running":
            status = "killed"  # final, and a lock is still held: its holder is on its way out
        if self.cursor["final"] and status == "finished":
            if self.client.get_run(self.cursor["run"]).info.lifecycle_stage != "active":
                raise _RunDeleted
            if not self._new_rows():
                return
        if self.cursor["run"] is None:
            self.cursor["run"] = self._find_or_create()
        self._send_rows()
        if final or status == "finished":
            self._send_files()
        if status != self.cursor["status"]:
            self._send_status(status)
        self.cursor["final"] = status == "finished"
        self._save_cursor()

    def _check_files(self) -> None:
        """DamagedError where the rows of a finished run, or the sizes of its files, are not what they were."""
        problems = run_damage(self.run_dir, contents=("cell.json", METRICS))
        if problems:
            raise damaged_run(self.run_dir, problems)
        self.files = read_object(self.run_dir / "done.json").get("files", {})

    # ------------------------------------------------------------ the run and its parent

    def _find_or_create(self) -> str:
        experiment = experiment_id(self.client, self.uri, self.labels.experiment)
        parent = self._one_run(experiment, "arm", parent_key(self.cell, self.labels), self.labels.arm_name, {})
        name = f"{self.labels.arm_name} seed {self.labels.seed}"
        tags = {
            "mlflow.parentRunId": parent,
            "repro.identity": self.identity,
            "repro.seed": str(self.labels.seed),
            "repro.status": "running",
        }
        return self._one_run(experiment, "cell", run_key(self.identity, self.labels), name, tags)

    def _one_run(self, experiment: str, kind: str, key: str, name: str, tags: Mapping[str, str]) -> str:
        """The run with this key, made where there is none, with all its params: a kill may have kept some out.

        Where two hosts made one at once, the first stays.
        """
        fields = self.cell if kind == "cell" else {name: part for name, part in self.cell.items() if name != "seed"}
        found = self._search(experiment, key)
        if found:
            self._send_params(found[0], flatten(fields))
            return found[0].info.run_id
        everything = {
            "repro.kind": kind,
            "repro.key": key,
            "repro.arm": self.labels.arm,
            "repro.model": self.labels.model,
            "repro.dataset": self.labels.dataset,
            "repro.axis": self.labels.axis_key,
            "mlflow.source.name": f"repro run {self.labels.experiment}",
            "mlflow.source.type": "LOCAL",
            **tags,
        }
        made = self.client.create_run(experiment, start_time=self.started_ms, tags=everything, run_name=name)
        self._send_params(made, flatten(fields))
        first = self._search(experiment, key)[0].info.run_id
        if first != made.info.run_id:
            self.client.delete_run(made.info.run_id)
        return str(first)

    def _search(self, experiment: str, key: str) -> list[Run]:
        found = self.client.search_runs([experiment], f"tags.`repro.key` = '{key}'")
        return sorted(found, key=lambda run: (run.info.start_time, run.info.run_id))

    def _send_params(self, run: Run, params: Mapping[str, str]) -> None:
        """Send the params that the run lacks; those that it has never change."""
        from mlflow.entities import Param

        items = [Param(name, value) for name, value in sorted(params.items()) if name not in run.data.params]
        for start in range(0, len(items), 100):
            self.client.log_batch(run.info.run_id, params=items[start : start + 100])

    # ------------------------------------------------------------ what happened since the last delivery

    def _new_rows(self) -> list[tuple[str, dict[str, Any]]]:
        """(digest, row) of every line that the store does not have.

        After a resume the file was cut back and grows again; lines after the first that differs are new. They repeat
        steps that the store has: readers keep the last value of a step.
        """
        try:
            rows = [(_line_digest(row), row) for row in read_jsonl(self.run_dir / "metrics.jsonl")]
        except DamagedError as error:
            raise damaged_run(self.run_dir, [str(error)]) from error
        sent = self.cursor["lines"]
        same = 0
        while same < min(len(sent), len(rows)) and sent[same] == rows[same][0]:
            same += 1
        del sent[same:]
        return rows[same:]

    def _send_rows(self) -> None:
        batch: list[Metric] = []
        lines: list[str] = []
        for line, row in self._new_rows():
            metrics = list(_metrics(row))
            if len(batch) + len(metrics) > BATCH:
                self._send_batch(batch, lines)
                batch, lines = [], []
            batch += metrics
            lines.append(line)
        if lines:
            self._send_batch(batch, lines)

    def _send_batch(self, batch: list[Metric], lines: list[str]) -> None:
        run_id = self.cursor["run"]
        for start in range(0, len(batch), BATCH):  # one row may hold more than a batch
            self.client.log_batch(run_id, metrics=batch[start : start + BATCH])
        self.cursor["lines"] += lines
        self._save_cursor()

    def _send_status(self, status: str) -> None:
        run_id = self.cursor["run"]
        self.client.set_tag(run_id, "repro.status", status)
        environment = read_json(self.run_dir / "environment.json") or {}  # a first attempt may have died before it
        if "threads" in environment:
            self.client.set_tag(run_id, "repro.threads", str(environment["threads"]))
        if warnings := (read_json(self.run_dir / "health.json") or {}).get("warnings"):
            self.client.set_tag(run_id, WARNINGS, "; ".join(one["text"] for one in warnings)[:5000])
        elif status != "running":
            remove_old_warnings(self.client, run_id)
        if status == "running":
            self.client.update_run(run_id, status="RUNNING")
        else:
            done = read_json(self.run_dir / "done.json") or read_json(self.run_dir / "progress.json") or {}
            ended = int(done["time"] * 1000) if "time" in done else None
            self.client.set_terminated(run_id, MLFLOW_STATUS[status], end_time=ended)
        self.cursor["status"] = status

    def _send_files(self) -> None:
        before = dict(self.cursor["files"])
        place = run_place(sqlite_path(self.uri), self.client.get_run(self.cursor["run"]).info.artifact_uri)
        paths = sorted(p for pattern in ("*.json", "*.jsonl", "error.txt") for p in self.run_dir.glob(pattern))
        for path in paths:
            if path.name.startswith(".") or path.name == "progress.json":
                continue
            data = path.read_bytes()
            sha256 = hashlib.sha256(data).hexdigest()
            if self.files.get(path.name, {}).get("sha256", sha256) != sha256:
                raise damaged_run(self.run_dir, [f"{path.name} has changed since it was written"])
            content = sha256[:16]
            zipped = len(data) > ZIP_ABOVE
            name = f"{path.name}.gz" if zipped else path.name
            missing = place is not None and not (place / name).exists()  # e.g. a store moved without its files
            if self.cursor["files"].get(path.name) == content and not missing:
                continue
            self._send_file(place, name, gzip.compress(data, mtime=0) if zipped else data)
            self.cursor["files"][path.name] = content
        for name in remove_old_files(self.client, self.uri, self.cursor["run"], place, self.run_dir):
            self.cursor["files"].pop(name, None)
        if self.cursor["files"] != before:  # lets a reader's copy know that it is out of date
            self.client.set_tag(self.cursor["run"], "repro.files", digest(self.cursor["files"]))

    def _send_file(self, place: Path | None, name: str, data: bytes) -> None:
        if place is not None:
            place.mkdir(parents=True, exist_ok=True)
            write_atomically(place / name, data)
            return
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / name).write_bytes(data)
            self.client.log_artifact(self.cursor["run"], str(Path(folder) / name))

    def _save_cursor(self) -> None:
        save_cursor(self.run_dir, self.labels, self.uri, self.cursor)


def _line_digest(row: Mapping[str, Any]) -> str:
    return hashlib.sha256(dump_json(row)).hexdigest()[:12]


def _metrics(row: Mapping[str, Any]) -> Iterator[Metric]:
    from mlflow.entities import Metric

    for name, value in row["metrics"].items():
        yield Metric(name, float(value), int(row["time"] * 1000), int(row["step"]))
