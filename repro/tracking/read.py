"""Reads runs back from an MLflow store, for the analysis."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from repro.errors import UserError
from repro.masking import mask
from repro.tracking.address import public_address, resolve_store, sqlite_path
from repro.tracking.artifacts import run_place
from repro.tracking.client import ANSWER_SECONDS, await_answer, away_errors, open_client
from repro.tracking.histories import Histories, Series
from repro.tracking.local_runs import StoredRun, experiments, histories_of, runs_of
from repro.tracking.run_record import RunRecord
from repro.tracking.server_runs import search_runs, server_files, server_runs
from repro.tracking.sqlite_store import check_sqlite
from repro.words import listed, nearest

if TYPE_CHECKING:
    from mlflow import MlflowClient

log = logging.getLogger(__name__)


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
    wanted = None if identities is None else set(identities)

    def read(uri: str, path: Path | None) -> list[RunRecord]:
        if path:
            return _read_local(path, experiment, wanted)
        return _read_server(_answering(uri), uri, experiment, wanted, Path(cache_dir))

    return _reading(store_uri, read)


def runs_of_kind(experiment: str, kind: str, store_uri: str | None = None) -> list[StoredRun]:
    """The runs of an experiment with that `repro.kind`, the earliest first; [] where there is no such experiment.

    Raises:
        UserError: no store, or it cannot be reached.
    """

    def read(uri: str, path: Path | None) -> list[StoredRun]:
        if path:
            known = experiments(path)
            return runs_of(path, known[experiment], kind) if experiment in known else []
        client = _answering(uri)
        found = client.get_experiment_by_name(experiment)
        return list(search_runs(client, found.experiment_id, {}, kind)) if found else []

    return _reading(store_uri, read)


T = TypeVar("T")


def _reading(store_uri: str | None, read: Callable[[str, Path | None], T]) -> T:
    """What `read` makes of the store's address and, of a sqlite store, its file; UserError where it cannot."""
    uri = resolve_store(store_uri)
    path = sqlite_path(uri)
    try:
        if path and check_sqlite(path) != "whole":
            raise UserError(
                f"no MLflow store at {path}: run `python -m repro run <spec>` first (here), "
                "or name the store in MLFLOW_TRACKING_URI"
            )
        return read(uri, path)
    except UserError:
        raise
    except away_errors() as error:
        cure = "; end the program that writes to it, then try again" if path and "locked" in str(error) else ""
        raise UserError(f"cannot read MLflow store {public_address(uri)}: {mask(str(error))[:2000]}{cure}") from error


def _answering(uri: str) -> MlflowClient:
    client = open_client(uri)
    await_answer(uri, 2 * ANSWER_SECONDS)
    return client


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
    stored, histories = server_runs(client, uri, found.experiment_id)
    runs = _first_of_each(stored, wanted)
    return _records(runs, histories, server_files(client, runs, cache_dir))


def _unknown(experiment: str, names: Sequence[str], uri: str) -> UserError:
    near = nearest(experiment, names)
    hint = f"; did you mean {near!r}?" if near else f"; it has: {listed(sorted(names)) or 'nothing'}"
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
