"""A sqlite store is made whole or not at all, and a file that is no whole store is named with its cure."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from repro.errors import UserError
from repro.tracking.client import check_store, open_client
from repro.tracking.read import read_runs
from repro.tracking.sqlite_store import _newest_schema, _schemas, check_sqlite, make_sqlite, state_of
from repro.tracking.store import deliver
from tests.tracking.helpers import make_cell, make_run


def stopped(folder: Path, *cases: str) -> list[dict]:
    """What became of a store whose creation was stopped in each of these ways; see `tests.tracking.creation`."""
    command = [sys.executable, "-m", "tests.tracking.creation", str(folder), *cases]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment, timeout=110, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def check(results: list[dict], cases: int) -> None:
    assert len(results) == cases
    for result in results:
        assert result["after"] in ("absent", "whole"), result
        assert result["again"] == "whole", result
        assert result["left"] == ["mlflow.db", "mlflow.db.lock"], "nothing unfinished is left behind"


def test_a_store_whose_creation_is_killed_is_absent_and_made_by_the_next_call(tmp_path: Path) -> None:
    results = stopped(tmp_path, "SIGKILL:400000", "full:300000")
    check(results, 2)
    assert [result["after"] for result in results] == ["absent", "absent"]


@pytest.mark.slow
def test_no_signal_at_any_moment_leaves_half_a_store(tmp_path: Path) -> None:
    cases = [f"SIGKILL:{size}" for size in (0, 100_000, 700_000, 1_000_000)]
    cases += ["SIGINT:300000", "SIGTERM:500000", "SIGKILL:named", "full:900000", "two"]
    results = stopped(tmp_path, *cases)
    check(results, len(cases))
    assert results[-1]["after"] == "whole"


def change(path: Path, *statements: str) -> None:
    with sqlite3.connect(path) as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


@pytest.fixture
def store(tmp_path: Path, empty_store: Path) -> Path:
    return Path(shutil.copyfile(empty_store, tmp_path / "mlflow.db"))


def with_a_run(path: Path, folder: Path) -> None:
    run_dir, labels = make_run(folder / "runs", make_cell())
    assert deliver(run_dir, labels, f"sqlite:///{path}", final=True)


def test_the_newest_schema_is_the_one_that_mlflow_makes(store: Path) -> None:
    connection = sqlite3.connect(store)
    assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [(_newest_schema(),)]
    assert state_of(store) == "whole"
    connection.close()


def half_made(path: Path) -> None:
    """Tables without a version, as a stop leaves a file in which MLflow itself was making them."""
    change(path, "DELETE FROM alembic_version", "DROP TABLE registered_models")
    long_ago = time.time() - 60
    os.utime(path, (long_ago, long_ago))


def test_a_half_made_store_without_runs_is_replaced(store: Path, tmp_path: Path) -> None:
    half_made(store)
    assert check_sqlite(store) == "unfinished"
    make_sqlite(store)
    assert state_of(store) == "whole"
    store.unlink()
    store.touch()  # a full disk may leave a file without content
    assert check_sqlite(store) == "unfinished"


def test_a_file_that_is_no_whole_store_is_named_with_its_cure(store: Path, tmp_path: Path, empty_store: Path) -> None:
    with_a_run(store, tmp_path)
    whole = store.read_bytes()
    before = next(version for version, parent in _schemas().items() if parent is None)

    def refused(match: str) -> None:
        content = store.read_bytes()
        for call in (check_store, lambda uri: read_runs("study", uri)):
            with pytest.raises(UserError, match=match) as error:
                call(f"sqlite:///{store}")
            assert len(str(error.value).splitlines()) <= 5
        assert store.read_bytes() == content, "what is there is not touched"

    change(store, f"UPDATE alembic_version SET version_num = '{before}'")
    refused(r"older MLflow(.|\n)*cp \S+mlflow.db \S+mlflow.db.old && mlflow db upgrade sqlite:////\S+/mlflow.db")
    change(store, "UPDATE alembic_version SET version_num = 'ffffffffffff'")
    refused(r"newer MLflow(.|\n)*mv \S+mlflow.db \S+mlflow.db.old")
    store.write_bytes(whole)
    change(store, "DROP TABLE latest_metrics")
    refused(r"damaged(.|\n)*mv ")
    store.write_bytes(whole[: len(whole) // 2])
    refused(r"damaged(.|\n)*mv ")
    store.write_bytes(b"# notes\n" * 100)
    refused("no MLflow store, expected one or none")
    store.unlink()
    change(store, "CREATE TABLE mine (a)", "INSERT INTO mine VALUES (1)")
    refused("no MLflow store, expected one or none")


def test_a_store_made_by_a_run_of_plain_mlflow_is_used_as_it_is(store: Path, tmp_path: Path) -> None:
    inode = store.stat().st_ino
    with_a_run(store, tmp_path)
    assert store.stat().st_ino == inode
    assert open_client(f"sqlite:///{store}").search_experiments()
    assert check_sqlite(store) == "whole"


def test_a_transaction_that_a_kill_left_open_is_rolled_back_and_the_store_is_whole(store: Path, tmp_path: Path) -> None:
    code = (
        "import os, sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('PRAGMA cache_size = 1')\n"
        "c.execute('BEGIN'); c.executemany('INSERT INTO experiments (experiment_id, name) VALUES (?, ?)', "
        "[(i, str(i) * 500) for i in range(5, 2000)]); os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", code, str(store)], check=True)
    assert (tmp_path / "mlflow.db-journal").exists(), "the case is real"
    assert state_of(store) == "whole"
    assert sqlite3.connect(store).execute("SELECT count(*) FROM experiments").fetchall() == [(1,)]
