"""Makes the file of a sqlite store whole or not at all, and tells a whole one from every other file.

MLflow builds its tables by dozens of migrations in the file itself: a stop in between leaves a file that no later call
can use. So the tables are made in a file beside it, which takes the store's name when it is complete and on the disk.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import sqlite3
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from repro.errors import UserError
from repro.files import force_to_disk

State = Literal["absent", "whole", "unfinished", "old", "new", "damaged", "foreign"]
"""`unfinished`: begun by MLflow and never completed, without a run in it. `old` and `new`: of another version of
MLflow. `foreign`: something else than a store."""

_NEEDED = {"experiments", "runs", "metrics", "latest_metrics", "params", "tags", "experiment_tags"}
_OF_A_FRESH_STORE = {"alembic_version": 1, "experiments": 1, "workspaces": 1}  # table -> rows that MLflow puts in
_AT_WORK = (
    15.0  # seconds after its last change for which an unfinished file may have a writer: `mlflow ui` as it starts
)
_SMALL = 32_000_000  # bytes up to which every page is checked
_SIDE_FILES = ("", "-journal", "-wal", "-shm")


def state_of(path: Path) -> State:
    """What the file is; nothing is changed.

    Raises:
        sqlite3.OperationalError: it is locked for longer than a few seconds.
    """
    if not path.exists():
        return "absent"
    if path.stat().st_size == 0:
        return "unfinished"
    try:
        with contextlib.closing(_connect(path)) as connection:
            return _state(connection, path)
    except sqlite3.DatabaseError as error:
        if any(words in str(error) for words in ("locked", "unable to open", "readonly", "disk I/O")):
            raise
        return "foreign" if "not a database" in str(error) else "damaged"


def _connect(path: Path) -> sqlite3.Connection:
    # To write where that is allowed: a kill inside a transaction leaves a journal that the next to open rolls back.
    mode = "rw" if os.access(path, os.W_OK) and os.access(path.parent, os.W_OK) else "ro"
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=3)


def wait_for_turn(path: Path, seconds: float) -> None:
    """Wait until another program has ended its transaction; MLflow itself would wait 20 seconds at each call.

    Raises:
        sqlite3.OperationalError: it has not after so many seconds.
    """
    with contextlib.closing(sqlite3.connect(path, timeout=seconds, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("ROLLBACK")


def _state(connection: sqlite3.Connection, path: Path) -> State:
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if path.stat().st_size <= _SMALL and connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
        return "damaged"
    if tables and not {"experiments", "runs"} & tables:
        return "unfinished" if tables == {"alembic_version"} else "foreign"
    versions = [v for (v,) in connection.execute("SELECT version_num FROM alembic_version")] if (
        "alembic_version" in tables
    ) else []  # fmt: skip
    if versions == [_newest_schema()] and tables >= _NEEDED:
        return "whole"
    if all(_rows(connection, table) <= _OF_A_FRESH_STORE.get(table, 0) for table in tables):
        return "unfinished"
    if versions and versions[0] not in _schemas():
        return "new"
    return "old" if versions and versions != [_newest_schema()] else "damaged"


def _rows(connection: sqlite3.Connection, table: str) -> int:
    return len(connection.execute(f'SELECT 1 FROM "{table}" LIMIT 2').fetchall())


def _schemas() -> dict[str, str | None]:
    """Version of every schema that the installed MLflow knows -> the one before it. Read without importing MLflow."""
    found = find_spec("mlflow")
    assert found is not None and found.submodule_search_locations is not None
    folder = Path(next(iter(found.submodule_search_locations))) / "store" / "db_migrations" / "versions"
    schemas: dict[str, str | None] = {}
    for file in folder.glob("*.py"):
        named = dict(re.findall(r'^(revision|down_revision)\b[^=]*=\s*["\']?(\w+)', file.read_text(), re.MULTILINE))
        if "revision" in named:
            before = named.get("down_revision", "None")
            schemas[named["revision"]] = None if before == "None" else before
    return schemas


def _newest_schema() -> str:
    schemas = _schemas()
    return next(version for version in schemas if version not in schemas.values())


# ---------------------------------------------------------------- what is no store


def check_sqlite(path: Path) -> State:
    """The state of a file that can become or is a store: `absent`, `whole` or `unfinished`.

    Raises:
        UserError: it is something else; the message says how to go on.
    """
    state = state_of(path)
    file, aside = shlex.quote(str(path)), shlex.quote(f"{path}.old")
    move = f"mv {file} {aside}\n  and the same command fills a new store with what is in the runs folder"
    if state == "old":
        address = shlex.quote(f"sqlite:///{path}")
        raise UserError(
            f"{path}: the store was made by an older MLflow, or its creation or upgrade was stopped halfway\n"
            f"  bring it up to date (keep a copy): cp {file} {aside} && mlflow db upgrade {address}\n"
            f"  where that fails, put it aside: {move}"
        )
    if state == "new":
        raise UserError(
            f"{path}: the store was made by a newer MLflow than the one installed here\n"
            f"  install that one (pip install --upgrade mlflow), or put it aside: {move}"
        )
    if state == "damaged":
        raise UserError(f"{path}: the store is damaged: tables or pages are missing\n  put it aside: {move}")
    if state == "foreign":
        raise UserError(
            f"{path}: got a file that is no MLflow store, expected one or none\n"
            "  name another one: export MLFLOW_TRACKING_URI=sqlite:///mlflow.db"
        )
    return state


# ---------------------------------------------------------------- making one


def make_sqlite(path: Path) -> None:
    """Make the store where there is none, or where a creation was begun and left; the caller holds the write lock.

    Killed or out of space at any moment, it leaves no store, at most a file `.NAME.new`, which the next call removes.

    Raises:
        Exception: one of `repro.tracking.client.away_errors()` where the disk is full or the folder read-only.
    """
    if _settled(path) == "whole":
        return
    new = path.with_name(f".{path.name}.new")
    _remove(new)
    try:
        _make_tables(new)
        force_to_disk(new)
        _remove(path)  # unfinished and without a run; or the journal of a file that is gone, which would spoil this one
        new.replace(path)
        force_to_disk(path.parent)
    finally:
        _remove(new)


def _settled(path: Path) -> State:
    """The state once nobody else can be at work on an unfinished file."""
    while True:
        state = check_sqlite(path)
        if state != "unfinished" or path.stat().st_size == 0 or time.time() - path.stat().st_mtime > _AT_WORK:
            return state
        time.sleep(0.2)


def _make_tables(path: Path) -> None:
    from mlflow import MlflowClient
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    address = f"sqlite:///{path}"
    with _without_waiting_for_the_disk(path):
        MlflowClient(tracking_uri=address).search_experiments()
    engine = SqlAlchemyStore._engine_map.pop(address, None)
    if engine is not None:
        engine.dispose()


@contextlib.contextmanager
def _without_waiting_for_the_disk(path: Path) -> Iterator[None]:
    """Inside the block the file at `path` is not synced at each of its migrations; the caller syncs it when whole."""
    import sqlalchemy

    def faster(connection: Any, _: object) -> None:
        for _, _, file in connection.execute("PRAGMA database_list").fetchall():
            if file and Path(file).name == path.name:
                connection.execute("PRAGMA synchronous = OFF")

    sqlalchemy.event.listen(sqlalchemy.Engine, "connect", faster)
    try:
        yield
    finally:
        sqlalchemy.event.remove(sqlalchemy.Engine, "connect", faster)


def _remove(path: Path) -> None:
    for end in _SIDE_FILES:
        path.with_name(path.name + end).unlink(missing_ok=True)
