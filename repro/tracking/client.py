"""Opens an MLflow store: how long it may take to answer, which errors mean that it cannot be reached, one writer."""

from __future__ import annotations

import logging
import os
import re
import socket
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from filelock import FileLock

from repro.errors import UserError
from repro.files import DamagedError
from repro.masking import mask
from repro.tracking.address import (
    is_database,
    public_address,
    resolve_store,
    sqlite_path,
    store_key,
)
from repro.tracking.artifacts import bring_home, experiment_place
from repro.tracking.sqlite_store import check_sqlite, make_sqlite, state_of, wait_for_turn

if TYPE_CHECKING:
    from mlflow import MlflowClient

LOCK_SECONDS = 20.0  # how long a delivery waits for other writers on this host
ANSWER_SECONDS = 3.0  # how long a server may take to answer at all; one that does not is left alone for a while
PAUSE, LONGEST_PAUSE = 10.0, 300.0  # seconds; each time a store hangs again, twice as long
QUICK = 0.5  # seconds; a store that refuses faster than this may be asked again at once

# A store that does not answer must not stall a study: MLflow's own defaults wait about four minutes per call.
_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "15",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "PGCONNECT_TIMEOUT": "5",
    "GIT_PYTHON_REFRESH": "quiet",
}
_CHATTY = ("alembic", "mlflow.store.db.utils", "mlflow.tracking", "urllib3.connectionpool")


class StoreAway(Exception):
    """The store does not answer, or did not a short while ago and is not asked again yet."""


def prepare_environment() -> None:
    """Settings that MLflow reads from the environment; a value the user has set stays. Call before importing it."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)


def check_store(store_uri: str | None = None) -> None:
    """Find out before anything is trained whether the store can work; nothing is made.

    A server that is away or a file that is locked is no mistake: it may be back when there is something to deliver.

    Raises:
        UserError: the address can never work, or the file there is no store or one of another version of MLflow.
    """
    path = sqlite_path(resolve_store(store_uri))
    if path is None:
        return
    try:
        check_sqlite(path)
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            return
        raise UserError(f"{path}: cannot open the MLflow store: {error}; check its permissions") from error
    place = path if path.exists() else next(folder for folder in path.parents if folder.exists())
    if not os.access(place, os.W_OK):
        raise UserError(
            f"{place}: no permission to write the MLflow store {path}\n"
            "  name another one: export MLFLOW_TRACKING_URI=sqlite:////ANOTHER/FOLDER/mlflow.db"
        )


log = logging.getLogger(__name__)
_away: set[str] = set()  # stores that were reported as away
_paused: dict[str, tuple[float, float]] = {}  # address -> (when it may be asked again, length of the pause)
_opened: dict[str, tuple[MlflowClient, int]] = {}  # address -> client, inode of the sqlite file it writes to


@contextmanager
def writing(uri: str, folder: Path | None = None, wait: float | None = None) -> Iterator[MlflowClient]:
    """A client of the store at `uri` for the only writer on this host.

    Args:
        folder: holds the lock of a store that is no sqlite file; None: such a store is not locked.
        wait: seconds for other writers to end (default: `LOCK_SECONDS`).

    Raises:
        Exception: one of `away_errors()`, soon: a store that hangs costs a few seconds once, then nothing for a while.
    """
    until, pause = _paused.get(uri, (0.0, PAUSE / 2))
    if time.monotonic() < until:
        raise StoreAway(f"it did not answer, and is asked again in {until - time.monotonic():.0f} s")
    seconds = LOCK_SECONDS if wait is None else wait
    began = time.monotonic()
    try:
        with write_lock(uri, folder).acquire(timeout=seconds) if folder or sqlite_path(uri) else nullcontext():
            client = open_client(uri, locked=True)
            await_answer(uri, min(seconds, ANSWER_SECONDS))
            yield client
        _paused.pop(uri, None)
    except DamagedError:  # of a run: no fault of the store's
        raise
    except away_errors():
        if time.monotonic() - began > QUICK:
            pause = min(2 * pause, LONGEST_PAUSE)
            _paused[uri] = (time.monotonic() + pause, pause)
        raise


def await_answer(uri: str, seconds: float) -> None:
    """Return once the store answers anything, an error included; raise one of `away_errors()` where it does not."""
    path = sqlite_path(uri)
    if path:
        wait_for_turn(path, seconds)
    elif uri.startswith("http"):
        _await_server(uri, seconds)
    elif is_database(uri) and (address := urlsplit(uri)).hostname:
        port = address.port or {"postgresql": 5432, "mysql": 3306}.get(address.scheme.partition("+")[0], 1433)
        socket.create_connection((address.hostname, port), seconds).close()


def _await_server(uri: str, seconds: float) -> None:
    from mlflow.exceptions import MlflowException
    from mlflow.utils.credentials import get_default_host_creds
    from mlflow.utils.rest_utils import http_request

    began = time.monotonic()
    try:
        http_request(
            get_default_host_creds(uri), "/api/2.0/mlflow/experiments/get-by-name", "GET",
            params={"experiment_name": "Default"}, timeout=seconds, max_retries=0, raise_on_status=False,
        )  # fmt: skip
    except MlflowException as error:  # with everything that requests and urllib3 have to say
        found = re.search(r"\[Errno -?\d+\] ([\w ,-]+)", str(error))
        late = time.monotonic() - began > 0.9 * seconds
        raise StoreAway(f"no answer in {seconds:g} s" if late else found.group(1) if found else str(error)) from error


def reach(store_uri: str | None = None) -> None:
    """Make a sqlite store where there is none, or find out whether a server answers; never raises for its sake."""
    uri = resolve_store(store_uri)
    path = sqlite_path(uri)
    try:
        if path is None or state_of(path) != "whole":
            with writing(uri):
                pass
    except away_errors() as error:
        report_away(uri, error)


def open_client(uri: str, locked: bool = False) -> MlflowClient:
    """A client of the store at `uri`, one per process; no global run or tracking address is set.

    Args:
        locked: the caller holds `write_lock`.

    Raises:
        Exception: one of `away_errors()` where the store cannot be reached. A sqlite file that was removed or replaced
            while this process had it open is one: what we wrote would go to a file that nobody can open any more.
    """
    path = sqlite_path(uri)
    if uri in _opened:
        client, inode = _opened[uri]
        if path and (not path.exists() or path.stat().st_ino != inode):
            raise FileNotFoundError(f"{path} was removed or replaced while in use; the next command starts afresh")
        return client
    prepare_environment()
    from mlflow import MlflowClient  # the import takes a second or two

    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.CRITICAL)  # errors come as exceptions, which are told in a line
    if path and state_of(path) != "whole":
        path.parent.mkdir(parents=True, exist_ok=True)
        if locked:
            make_sqlite(path)
        else:
            with write_lock(uri, path.parent).acquire(timeout=LOCK_SECONDS):
                make_sqlite(path)
    client = MlflowClient(tracking_uri=uri)
    _opened[uri] = (client, path.stat().st_ino if path else 0)
    return client


def away_errors() -> tuple[type[Exception], ...]:
    """The exceptions of a store that is away, locked or broken, those that pass through MLflow unchanged included."""
    import requests
    import sqlalchemy.exc
    from filelock import Timeout
    from mlflow.exceptions import MlflowException

    # ImportError: the driver of a database is not installed. ValueError: the address is malformed. UserError: the file
    # is no store any more.
    errors = (MlflowException, requests.RequestException, sqlalchemy.exc.SQLAlchemyError, sqlite3.Error)
    return (*errors, StoreAway, Timeout, OSError, ImportError, ValueError, UserError)


def report_away(uri: str, error: Exception) -> None:
    """Log that a store takes no data, once until it is back."""
    if uri not in _away:
        _away.add(uri)
        kind = "" if isinstance(error, StoreAway | UserError) else f"{type(error).__name__}: "
        reason = mask(" ".join(str(error).split()))[:300]
        log.warning(
            "MLflow store %s takes no data now (%s%s); the runs are on disk and are delivered later",
            *(public_address(uri), kind, reason),
        )


def report_back(uri: str) -> None:
    """Log that a store takes data again, where it was reported as away."""
    if uri in _away:
        _away.discard(uri)
        log.warning("MLflow store %s is back", public_address(uri))


def is_missing(error: Exception) -> bool:
    """Whether the error says that a run or an experiment does not exist any more or has been deleted by hand."""
    return getattr(error, "error_code", None) == "RESOURCE_DOES_NOT_EXIST" or "must be in the 'active'" in str(error)


def write_lock(uri: str, folder: Path | None) -> FileLock:
    """One writer at a time: per sqlite file, or per store and `folder` where there is a server.

    Without it two jobs would each create the parent of their arm, and sqlite would refuse the second writer.
    """
    path = sqlite_path(uri)
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        return FileLock(f"{path}.lock", timeout=LOCK_SECONDS)
    assert folder is not None
    folder.mkdir(parents=True, exist_ok=True)
    return FileLock(folder / f".mlflow-{store_key(uri)}.lock", timeout=LOCK_SECONDS)


def experiment_id(client: MlflowClient, uri: str, name: str) -> str:
    """The id of the experiment, created or brought back from the deleted ones where needed."""
    from mlflow.exceptions import MlflowException

    path = sqlite_path(uri)
    found = client.get_experiment_by_name(name)
    if found is None:
        location = experiment_place(path, name).as_uri() if path else None
        try:
            return str(client.create_experiment(name, artifact_location=location))
        except MlflowException:  # another host was faster
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    if path:
        bring_home(path, str(found.experiment_id), found.artifact_location)
    return str(found.experiment_id)
