"""Reads the runs of an experiment from an MLflow server: one call per metric and hundred runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from repro.cache import Cache
from repro.canonical import digest
from repro.errors import UserError
from repro.masking import mask
from repro.tracking.address import public_address
from repro.tracking.artifacts import run_place
from repro.tracking.client import away_errors
from repro.tracking.histories import Histories, Rows
from repro.tracking.local_runs import StoredRun, infinite

if TYPE_CHECKING:
    from mlflow import MlflowClient


def server_runs(client: MlflowClient, uri: str, experiment_id: str) -> tuple[list[StoredRun], Histories]:
    """All training runs of an experiment, the earliest first, and their metric histories."""
    having: dict[str, list[str]] = {}
    runs = list(search_runs(client, experiment_id, having))
    return runs, Histories(lambda name: _rows(client, uri, name, having), lambda: having)


def server_files(client: MlflowClient, runs: Sequence[StoredRun], cache_dir: Path) -> list[Path | None]:
    """The folder with the files of each run: where the server's folder is on this machine too, else a copy below
    `cache_dir`, made once per delivered content; None where nothing has been stored yet."""
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(lambda run: _files(client, run, cache_dir), runs))


def search_runs(
    client: MlflowClient, experiment_id: str, having: dict[str, list[str]], kind: str = "cell"
) -> Iterator[StoredRun]:
    """All runs of a kind (`cell` is a training run), the earliest first; `having` gets the names of their metrics."""
    token = None
    while True:
        page = client.search_runs(
            [experiment_id], f"tags.`repro.kind` = '{kind}'", max_results=1000, page_token=token,
            order_by=["attributes.start_time ASC"],
        )  # fmt: skip
        for run in page:
            info, data = run.info, run.data
            having[info.run_id] = list(data.metrics)
            yield StoredRun(info.run_id, data.tags, data.params, info.artifact_uri, info.start_time, info.end_time)
        token = page.token
        if not token:
            return


def _rows(client: MlflowClient, uri: str, name: str, having: Mapping[str, Sequence[str]]) -> Rows:
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
