"""Opens an MLflow store: where it is, which errors mean that it cannot be reached, and one writer at a time."""

from __future__ import annotations

import hashlib
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from filelock import FileLock

if TYPE_CHECKING:
    from mlflow import MlflowClient

DEFAULT_STORE = "sqlite:///mlflow.db"
LOCK_SECONDS = 60.0  # how long a delivery waits for other writers on this host

# A server that does not answer must not stall a study: MLflow's own defaults wait about four minutes per call.
_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "15",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "GIT_PYTHON_REFRESH": "quiet",
}
_CHATTY = ("alembic", "mlflow.store.db.utils", "mlflow.tracking", "urllib3.connectionpool")


def resolve_store(uri: str | None = None) -> str:
    """The store's address: `uri`, else MLFLOW_TRACKING_URI, else a file mlflow.db in the working directory.

    A sqlite path is made absolute, so that the address means the same from every directory.
    """
    uri = uri or os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_STORE
    path = sqlite_path(uri)
    return f"sqlite:///{path}" if path else uri.rstrip("/")


def sqlite_path(uri: str) -> Path | None:
    """The absolute path of a sqlite store's file, None for another kind of store."""
    if not uri.startswith("sqlite:///"):
        return None
    return Path(uri.removeprefix("sqlite:///").split("?")[0]).absolute()


def public_address(uri: str) -> str:
    """The address without a user name and password, fit for logs and files."""
    parts = urlsplit(uri)
    if "@" not in parts.netloc:
        return uri
    return urlunsplit(parts._replace(netloc=parts.netloc.rsplit("@", 1)[1]))


def store_key(uri: str) -> str:
    """A short file name for the store's address."""
    return hashlib.sha256(uri.encode()).hexdigest()[:12]


def prepare_environment() -> None:
    """Settings that MLflow reads from the environment; a value the user has set stays. Call before importing it."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)


log = logging.getLogger(__name__)
_away: set[str] = set()  # stores that were reported as away
_opened: dict[str, tuple[MlflowClient, int]] = {}  # address -> client, inode of the sqlite file it writes to


def open_client(uri: str) -> MlflowClient:
    """A client of the store at `uri`, one per process; no global run or tracking address is set.

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
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
    from mlflow import MlflowClient  # the import takes a second or two

    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.ERROR)
    client = MlflowClient(tracking_uri=uri)
    _opened[uri] = (client, path.stat().st_ino if path else 0)
    return client


def away_errors() -> tuple[type[Exception], ...]:
    """The exceptions of a store that is away, locked or broken, those that pass through MLflow unchanged included."""
    import requests
    import sqlalchemy.exc
    from filelock import Timeout
    from mlflow.exceptions import MlflowException

    # ImportError: the driver of a database is not installed. ValueError: the address is malformed.
    errors = (MlflowException, requests.RequestException, sqlalchemy.exc.SQLAlchemyError)
    return (*errors, Timeout, OSError, ImportError, ValueError)


def report_away(uri: str, error: Exception) -> None:
    """Log that a store takes no data, once until it is back."""
    if uri not in _away:
        _away.add(uri)
        reason = " ".join(str(error).split())[:300]
        log.warning(
            "MLflow store %s takes no data now (%s: %s); the runs are on disk and are delivered later",
            *(public_address(uri), type(error).__name__, reason),
        )


def report_back(uri: str) -> None:
    """Log that a store takes data again, where it was reported as away."""
    if uri in _away:
        _away.discard(uri)
        log.warning("MLflow store %s is back", public_address(uri))


def is_missing(error: Exception) -> bool:
    """Whether the error says that a run or an experiment does not exist any more or has been deleted by hand."""
    return getattr(error, "error_code", None) == "RESOURCE_DOES_NOT_EXIST" or "must be in the 'active'" in str(error)


def write_lock(uri: str, run_dir: Path) -> FileLock:
    """One writer at a time: per sqlite file, or per store and runs directory where there is a server.

    Without it two jobs would each create the parent of their arm, and sqlite would refuse the second writer.
    """
    path = sqlite_path(uri)
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        return FileLock(f"{path}.lock", timeout=LOCK_SECONDS)
    return FileLock(run_dir.parent / f".mlflow-{store_key(uri)}.lock", timeout=LOCK_SECONDS)


def experiment_id(client: MlflowClient, uri: str, name: str) -> str:
    """The id of the experiment, created or brought back from the deleted ones where needed."""
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        path = sqlite_path(uri)
        location = (path.parent / "mlartifacts" / name).as_uri() if path else None
        try:
            return str(client.create_experiment(name, artifact_location=location))
        except MlflowException:  # another host was faster
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    return str(found.experiment_id)
