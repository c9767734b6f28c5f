"""Reads runs back from an MLflow store, for the analysis."""

from __future__ import annotations

import gzip
import json
import math
import shutil
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from repro.canonical import digest
from repro.errors import UserError
from repro.files import decode, parse_jsonl
from repro.masking import mask
from repro.tracking.address import public_address, resolve_store, sqlite_path
from repro.tracking.artifacts import run_place
from repro.tracking.client import ANSWER_SECONDS, await_answer, away_errors, open_client
from repro.tracking.sqlite_store import check_sqlite
from repro.words import nearest

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

_LARGEST = 1.7976931348623157e308  # what a SQL store keeps for infinity
Rows = Iterable[tuple[str, str, int, int, float]]  # run id, key, step, timestamp in ms, value


class Series(NamedTuple):
    """One metric over the steps of a run: ascending steps, each once, with the last value logged for it."""

    steps: list[int]
    values: list[float]


@dataclass(frozen=True)
class RunRecord:
    """One run of a study as the store has it.

    `artifacts` is a local folder with the files of the run directory (large ones gzipped: use `json` and `jsonl`).
    `started` and `ended` are unix seconds.
    """

    identity: str
    arm: str
    model: str
    dataset: str
    seed: int
    axis_point: Mapping[str, Any]
    status: str
    params: Mapping[str, str]
    metrics: Mapping[str, Series]
    artifacts: Path | None
    run_id: str
    parent_id: str | None
    started: float
    ended: float | None

    def jsonl(self, name: str) -> list[dict[str, Any]]:
        """Rows of a JSONL artifact, [] where the run has none."""
        data = self._bytes(name)
        return parse_jsonl(data, name) if data is not None else []

    def json(self, name: str) -> Any:
        """Content of a JSON artifact, None where the run has none."""
        data = self._bytes(name)
        return decode(json.loads(data)) if data is not None else None

    def path(self, name: str) -> Path | None:
        """Where an artifact is: the file `name`, or `name.gz` of a large one; None where the run has none."""
        if self.artifacts is None:
            return None
        places = self.artifacts / name, self.artifacts / f"{name}.gz"
        return next((place for place in places if place.is_file()), None)

    def _bytes(self, name: str) -> bytes | None:
        path = self.path(name)
        if path is None:
            return None
        return gzip.decompress(path.read_bytes()) if path.name != name else path.read_bytes()


def read_runs(
    experiment: str,
    store_uri: str | None = None,
    *,
    identities: Iterable[str] | None = None,
    cache_dir: Path | str = Path("runs") / "cache" / "artifacts",
) -> list[RunRecord]:
    """Every training run of an experiment with its metric histories and files, in order of arm, axis and seed.

    A sqlite store costs two queries however many runs and metrics there are; a server one call per metric name and
    hundred runs, plus the files that `cache_dir` does not have yet.

    Args:
        identities: only these runs (an experiment keeps the runs of earlier versions of its spec).
        cache_dir: where files of a server are copied to; those of a local store are read in place.

    Raises:
        UserError: no store or no experiment of that name, naming what there is; the store cannot be reached.
    """
    uri = resolve_store(store_uri)
    path = sqlite_path(uri)
    try:
        if path and check_sqlite(path) != "whole":
            raise UserError(
                f"no MLflow store at {path}: run `python -m repro run <spec>` first (here), "
                "or name the store in MLFLOW_TRACKING_URI"
            )
        client = open_client(uri)
        await_answer(uri, 2 * ANSWER_SECONDS)
        return _read(client, uri, experiment, None if identities is None else set(identities), Path(cache_dir))
    except UserError:
        raise
    except away_errors() as error:
        raise UserError(f"cannot read MLflow store {public_address(uri)}: {mask(str(error))[:2000]}") from error


def _read(client: MlflowClient, uri: str, experiment: str, wanted: set[str] | None, cache_dir: Path) -> list[RunRecord]:
    found = client.get_experiment_by_name(experiment)
    if found is None:
        names = [item.name for item in client.search_experiments()]
        near = nearest(experiment, names)
        hint = f"; did you mean {near!r}?" if near else f"; it has: {', '.join(sorted(names)) or 'nothing'}"
        raise UserError(f"MLflow store {public_address(uri)} has no experiment {experiment!r}{hint}")
    runs = _search(client, found.experiment_id)
    if wanted is not None:
        runs = [run for run in runs if run.data.tags.get("repro.identity") in wanted]
    path = sqlite_path(uri)
    histories = _collect(_sqlite_rows(path, runs) if path else _server_rows(client, uri, runs))
    with ThreadPoolExecutor(8) as pool:
        folders = list(pool.map(lambda run: _files(client, path, run, cache_dir), runs))
    records = [_record(run, histories[run.info.run_id], files) for run, files in zip(runs, folders, strict=True)]
    return sorted(records, key=lambda r: (r.model, r.dataset, r.arm, json.dumps(dict(r.axis_point)), r.seed))


def _record(run: Run, metrics: Mapping[str, Series], artifacts: Path | None) -> RunRecord:
    tags = run.data.tags
    return RunRecord(
        identity=tags["repro.identity"],
        arm=tags["repro.arm"],
        model=tags["repro.model"],
        dataset=tags["repro.dataset"],
        seed=int(tags["repro.seed"]),
        axis_point=json.loads(tags["repro.axis"]),
        status=tags["repro.status"],
        params=dict(run.data.params),
        metrics=metrics,
        artifacts=artifacts,
        run_id=run.info.run_id,
        parent_id=tags.get("mlflow.parentRunId"),
        started=run.info.start_time / 1000,
        ended=run.info.end_time / 1000 if run.info.end_time else None,
    )


def _search(client: MlflowClient, experiment_id: str) -> list[Run]:
    """All training runs; of runs with one key (two hosts at once) the first."""
    runs: dict[str, Run] = {}
    token = None
    while True:
        page = client.search_runs(
            [experiment_id], "tags.`repro.kind` = 'cell'", max_results=1000, page_token=token,
            order_by=["attributes.start_time ASC"],
        )  # fmt: skip
        for run in page:
            runs.setdefault(run.data.tags["repro.key"], run)
        token = page.token
        if not token:
            return list(runs.values())


# ---------------------------------------------------------------- metric histories


def _collect(rows: Rows) -> dict[str, dict[str, Series]]:
    """Histories by run and metric; of several values for one step the one logged last."""
    latest: dict[tuple[str, str], dict[int, tuple[int, float]]] = defaultdict(dict)
    for run_id, key, step, timestamp, value in rows:
        points = latest[run_id, key]
        if step not in points or timestamp >= points[step][0]:
            points[step] = (timestamp, value)
    histories: dict[str, dict[str, Series]] = defaultdict(dict)
    for (run_id, key), points in sorted(latest.items()):
        steps = sorted(points)
        histories[run_id][key] = Series(steps, [points[step][1] for step in steps])
    return histories


def _infinite(value: float) -> float:
    return math.copysign(math.inf, value) if abs(value) >= _LARGEST else value


def _sqlite_rows(path: Path, runs: Sequence[Run]) -> Rows:
    """One query for everything: MLflow's own interface reads one metric of one run at a time."""
    query = "SELECT run_uuid, key, step, timestamp, value, is_nan FROM metrics WHERE run_uuid IN ({})"
    connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=20)
    try:
        for chunk in _chunks([run.info.run_id for run in runs], 500):
            marks = ",".join("?" * len(chunk))
            for run_id, key, step, timestamp, value, is_nan in connection.execute(query.format(marks), chunk):
                yield run_id, key, step, timestamp, math.nan if is_nan else _infinite(value)
    except sqlite3.Error as error:
        raise UserError(f"cannot read {path}: {error}") from error
    finally:
        connection.close()


def _server_rows(client: MlflowClient, uri: str, runs: Sequence[Run]) -> Rows:
    """One call per metric name and hundred runs; metric by metric where the server does not offer that."""
    having: dict[str, list[str]] = defaultdict(list)
    for run in runs:
        for key in run.data.metrics:
            having[key].append(run.info.run_id)
    requests = [(key, chunk) for key, ids in having.items() for chunk in _chunks(ids, 100)]
    with ThreadPoolExecutor(4) as pool:
        for rows in pool.map(lambda request: _bulk(client, uri, *request), requests):
            yield from rows


def _bulk(client: MlflowClient, uri: str, key: str, run_ids: Sequence[str]) -> list[tuple[str, str, int, int, float]]:
    """Histories of one metric, from the call that MLflow's own pages use; run by run where that does not answer."""
    from mlflow.utils.credentials import get_default_host_creds
    from mlflow.utils.rest_utils import http_request

    limit = 25_000  # the server's own
    query = {"run_id": list(run_ids), "metric_key": key, "max_results": limit}
    answer = http_request(
        get_default_host_creds(uri), "/ajax-api/2.0/mlflow/metrics/get-history-bulk", "GET", params=query
    )
    if answer.status_code == 200:
        rows = answer.json()["metrics"]
        if len(rows) < limit:  # else it may have been cut
            return [(m["run_id"], key, int(m["step"]), int(m["timestamp"]), _number(m["value"])) for m in rows]
    return [
        (run_id, key, metric.step, metric.timestamp, _infinite(metric.value))
        for run_id in run_ids
        for metric in client.get_metric_history(run_id, key)
    ]


def _number(value: Any) -> float:
    return _infinite(float(value))  # float() also reads "NaN" and "Infinity"


def _chunks(items: Sequence[str], size: int) -> list[Sequence[str]]:
    return [items[start : start + size] for start in range(0, len(items), size)]


# ---------------------------------------------------------------- files


def _files(client: MlflowClient, store: Path | None, run: Run, cache_dir: Path) -> Path | None:
    """The folder with the run's files: in place for a local store, else a copy made once per delivered content."""
    place = run_place(store, run.info.artifact_uri)
    if place is not None:
        return place if place.is_dir() else None
    content = run.data.tags.get("repro.files")
    if content is None:
        return None  # nothing has been stored yet
    folder = cache_dir / digest({"run": run.info.run_id, "content": content})
    if not (folder / ".complete").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        client.download_artifacts(run.info.run_id, "", str(folder))
        (folder / ".complete").touch()
    return folder
