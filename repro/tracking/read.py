"""Reads runs back from an MLflow store, for the analysis."""

from __future__ import annotations

import gzip
import hashlib
import json
import logging
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from repro.cache import Cache
from repro.canonical import digest
from repro.errors import UserError
from repro.files import DamagedError, parse_json, parse_jsonl
from repro.masking import mask
from repro.tracking.address import public_address, resolve_store, sqlite_path
from repro.tracking.artifacts import run_place
from repro.tracking.client import ANSWER_SECONDS, await_answer, away_errors, open_client
from repro.tracking.histories import Histories, Rows, Series
from repro.tracking.local_runs import StoredRun, experiments, histories_of, infinite, runs_of
from repro.tracking.sqlite_store import check_sqlite
from repro.words import nearest

if TYPE_CHECKING:
    from mlflow import MlflowClient

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunRecord:
    """One run of a study as the store has it.

    `artifacts` is the local folder with the files of the run directory (large ones gzipped: use `json` and `jsonl`),
    whether it is there or not; None where a server has none yet.
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
    delivered: str | None = None  # digest of the files' contents

    def jsonl(self, name: str) -> list[dict[str, Any]]:
        """Rows of a JSONL artifact, [] where the run has none. DamagedError where the store's copy is damaged."""
        with self._naming(name):
            data = self.content(name)
            return parse_jsonl(data, name) if data is not None else []

    def json(self, name: str) -> Any:
        """Content of a JSON artifact, None where the run has none. DamagedError where the store's copy is damaged."""
        with self._naming(name):
            data = self.content(name)
            return parse_json(data) if data is not None else None

    @contextmanager
    def _naming(self, name: str) -> Iterator[None]:
        """What cannot be read of an artifact is told with its place and what to do."""
        try:
            yield
        except (ValueError, RecursionError, EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise DamagedError(
                f"{self.artifacts}/{name}: the store's copy of this file of run {self.identity} is damaged ({error})\n"
                f"  To mend it, remove the folder `delivery` of that run and run the study again: it is delivered anew"
            ) from error

    def path(self, name: str) -> Path | None:
        """Where an artifact is: the file `name`, or `name.gz` of a large one; None where the run has none.

        Where there are both, the run was delivered again after the file had grown: the zipped one is the later.
        """
        if self.artifacts is None:
            return None
        places = self.artifacts / f"{name}.gz", self.artifacts / name
        return next((place for place in places if place.is_file()), None)

    def content(self, name: str) -> bytes | None:
        """The bytes of an artifact as the run wrote it, None where the run has none."""
        path = self.path(name)
        if path is None:
            return None
        return gzip.decompress(path.read_bytes()) if path.name != name else path.read_bytes()

    def altered(self) -> bool:
        """Whether the files are others than those that were delivered; False where the store does not say."""
        if self.delivered is None or self.artifacts is None:
            return False
        try:
            found = {path.name.removesuffix(".gz") for path in self.artifacts.iterdir()}
            names = [name for name in found if name.endswith(DELIVERED) and not name.startswith(".")]
            contents = {name: content_digest(self.content(name) or b"") for name in names}
        except (OSError, EOFError, zlib.error):
            return True
        return digest(contents) != self.delivered


DELIVERED = (".json", ".jsonl", "error.txt")
"""How the names of the files end that a delivery stores; others in a run's folder are somebody else's."""


def content_digest(data: bytes) -> str:
    """What a delivery remembers of a file's content."""
    return hashlib.sha256(data).hexdigest()[:16]


def read_runs(
    experiment: str,
    store_uri: str | None = None,
    *,
    identities: Iterable[str] | None = None,
    cache_dir: Path | str = Path("runs") / "cache" / "artifacts",
) -> list[RunRecord]:
    """Every training run of an experiment with its metric histories and files, in order of arm, axis and seed.

    A sqlite store costs a handful of queries however many runs there are, and one for each metric that is asked for;
    a server one call per metric and hundred runs, plus the files that `cache_dir` does not have yet.

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
        wanted = None if identities is None else set(identities)
        if path:
            return _read_local(path, experiment, wanted)
        client = open_client(uri)
        await_answer(uri, 2 * ANSWER_SECONDS)
        return _read_server(client, uri, experiment, wanted, Path(cache_dir))
    except UserError:
        raise
    except away_errors() as error:
        cure = "; end the program that writes to it, then try again" if path and "locked" in str(error) else ""
        raise UserError(f"cannot read MLflow store {public_address(uri)}: {mask(str(error))[:2000]}{cure}") from error


def _read_local(path: Path, experiment: str, wanted: set[str] | None) -> list[RunRecord]:
    known = experiments(path)
    if experiment not in known:
        raise _unknown(experiment, list(known), f"sqlite:///{path}")
    runs = _first_of_each(runs_of(path, known[experiment]), wanted)
    histories = histories_of(path, known[experiment])
    return _records(runs, histories, [run_place(path, run.artifact_uri) for run in runs])


def _read_server(
    client: MlflowClient, uri: str, experiment: str, wanted: set[str] | None, cache_dir: Path
) -> list[RunRecord]:
    found = client.get_experiment_by_name(experiment)
    if found is None:
        raise _unknown(experiment, [item.name for item in client.search_experiments()], uri)
    having: dict[str, list[str]] = {}
    runs = _first_of_each(_search(client, found.experiment_id, having), wanted)
    histories = Histories(lambda name: _server_rows(client, uri, name, having), lambda: having)
    with ThreadPoolExecutor(8) as pool:
        folders = list(pool.map(lambda run: _files(client, run, cache_dir), runs))
    return _records(runs, histories, folders)


def _unknown(experiment: str, names: Sequence[str], uri: str) -> UserError:
    near = nearest(experiment, names)
    hint = f"; did you mean {near!r}?" if near else f"; it has: {', '.join(sorted(names)) or 'nothing'}"
    return UserError(f"MLflow store {public_address(uri)} has no experiment {experiment!r}{hint}")


def _first_of_each(runs: Iterable[StoredRun], wanted: set[str] | None) -> list[StoredRun]:
    """Of runs with one key (two hosts at once) the first; only those with a wanted identity."""
    first: dict[str, StoredRun] = {}
    for run in runs:
        if wanted is None or run.tags.get("repro.identity") in wanted:
            lacks = next((tag for tag in TAGS if tag not in run.tags), None)
            if lacks is not None:
                log.warning("run %s of the MLflow store is left out: it lacks the tag %s", run.run_id, lacks)
            else:
                first.setdefault(run.tags["repro.key"], run)
    return list(first.values())


TAGS = [f"repro.{name}" for name in ("key", "identity", "arm", "model", "dataset", "seed", "axis", "status")]
"""What a delivery says of every run."""


def _records(runs: Sequence[StoredRun], histories: Histories, folders: Sequence[Path | None]) -> list[RunRecord]:
    records = [_record(run, histories.of(run.run_id), files) for run, files in zip(runs, folders, strict=True)]
    return sorted(records, key=lambda r: (r.model, r.dataset, r.arm, json.dumps(dict(r.axis_point)), r.seed))


def _record(run: StoredRun, metrics: Mapping[str, Series], artifacts: Path | None) -> RunRecord:
    tags = run.tags
    return RunRecord(
        identity=tags["repro.identity"],
        arm=tags["repro.arm"],
        model=tags["repro.model"],
        dataset=tags["repro.dataset"],
        seed=int(tags["repro.seed"]),
        axis_point=json.loads(tags["repro.axis"]),
        status=tags["repro.status"],
        params=run.params,
        metrics=metrics,
        artifacts=artifacts,
        run_id=run.run_id,
        parent_id=tags.get("mlflow.parentRunId"),
        started=run.started / 1000,
        ended=run.ended / 1000 if run.ended else None,
        delivered=tags.get("repro.files"),
    )


# ---------------------------------------------------------------- a server


def _search(client: MlflowClient, experiment_id: str, having: dict[str, list[str]]) -> Iterator[StoredRun]:
    """All training runs, the earliest first; `having` gets the names of their metrics."""
    token = None
    while True:
        page = client.search_runs(
            [experiment_id], "tags.`repro.kind` = 'cell'", max_results=1000, page_token=token,
            order_by=["attributes.start_time ASC"],
        )  # fmt: skip
        for run in page:
            info, data = run.info, run.data
            having[info.run_id] = list(data.metrics)
            yield StoredRun(info.run_id, data.tags, data.params, info.artifact_uri, info.start_time, info.end_time)
        token = page.token
        if not token:
            return


def _server_rows(client: MlflowClient, uri: str, name: str, having: Mapping[str, Sequence[str]]) -> Rows:
    """One call per hundred runs; run by run where the server does not offer that."""
    ids = [run_id for run_id, names in having.items() if name in names]
    try:
        with ThreadPoolExecutor(4) as pool:
            for rows in pool.map(lambda chunk: _bulk(client, uri, name, chunk), _chunks(ids, 100)):
                yield from rows
    except away_errors() as error:
        raise UserError(f"cannot read MLflow store {public_address(uri)}: {mask(str(error))[:2000]}") from error


def _bulk(client: MlflowClient, uri: str, key: str, run_ids: Sequence[str]) -> list[tuple[str, int, int, float]]:
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
            return [(m["run_id"], int(m["step"]), int(m["timestamp"]), _number(m["value"])) for m in rows]
    return [
        (run_id, metric.step, metric.timestamp, infinite(metric.value))
        for run_id in run_ids
        for metric in client.get_metric_history(run_id, key)
    ]


def _number(value: Any) -> float:
    return infinite(float(value))  # float() also reads "NaN" and "Infinity"


def _chunks(items: Sequence[str], size: int) -> list[Sequence[str]]:
    return [items[start : start + size] for start in range(0, len(items), size)]


def _files(client: MlflowClient, run: StoredRun, cache_dir: Path) -> Path | None:
    """The folder with the run's files: where the server's folder is on this machine too, else a copy made once per
    delivered content."""
    place = run_place(None, run.artifact_uri)
    if place is not None:
        return place
    content = run.tags.get("repro.files")
    if content is None:
        return None  # nothing has been stored yet

    def download(folder: Path) -> None:
        client.download_artifacts(run.run_id, "", str(folder))

    cache = Cache(cache_dir.parent)
    return cache.directory(cache_dir.name, digest({"run": run.run_id, "content": content}), download)
