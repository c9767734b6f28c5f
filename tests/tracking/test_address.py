"""Addresses of stores: what each stands for, and the way out where it can never work."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

from repro.errors import UserError
from repro.tracking.address import public_address, resolve_store, sqlite_path
from repro.tracking.client import check_store, open_client
from repro.tracking.read import read_runs
from repro.tracking.store import deliver
from tests.tracking.helpers import make_cell, make_run

NEVER = {
    "./mlruns": ["folder of files", "export MLFLOW_TRACKING_URI=sqlite:///mlflow.db"],
    "my runs": ["folder of files", "mlflow migrate-filestore --source 'my runs' --target sqlite:///mlflow.db"],
    "file:///tmp/mlruns": ["folder of files", "export MLFLOW_TRACKING_URI=sqlite:///mlflow.db"],
    "file:mlruns": ["folder of files"],
    "mlflow.db": ["file without a scheme", "export MLFLOW_TRACKING_URI=sqlite:///mlflow.db"],
    "my store.db": ["export MLFLOW_TRACKING_URI='sqlite:///my store.db'"],
    "localhost:5000": ["no scheme", "export MLFLOW_TRACKING_URI=http://localhost:5000"],
    "http:/localhost:5000": ["malformed"],
    "http://": ["no valid host"],
    "http://host:port": ["no valid host and port"],
    "http://host:5000?token=abc": ["MLFLOW_TRACKING_TOKEN"],
    "http://me:a/b@host": ["write @ as %40, / as %2F"],
    "htp://host": ["did you mean http://"],
    "postgres://host/db": ["did you mean postgresql://"],
    "postgresql+nodriver://host/db": ["SQLAlchemy cannot read"],
    "sqlite:mlflow.db": ["export MLFLOW_TRACKING_URI=sqlite:///mlflow.db"],
    "sqlite://mlflow.db": ["export MLFLOW_TRACKING_URI=sqlite:///mlflow.db"],
    "sqlite:///": ["no file"],
    "sqlite:///:memory:": ["no file"],
    "sqlite:///my runs": ["the folder", "my runs/mlflow.db'"],
    "sqlite:///note.txt/mlflow.db": ["a path through", "which is a file"],
    "sqlite:///a%20b/mlflow.db": ["whose % or ? MLflow reads as a code", "in a folder without these signs"],
    "~/mlflow.db": ["file without a scheme", f"export MLFLOW_TRACKING_URI=sqlite:///{Path.home()}/mlflow.db"],
    "sqlite:~/m.db": [f"export MLFLOW_TRACKING_URI=sqlite:///{Path.home()}/m.db"],
    "sqlite:///~/mlflow.db": ["no shell has replaced", f"export MLFLOW_TRACKING_URI=sqlite:///{Path.home()}/mlflow.db"],
    "sqlite:///$HOME/m.db": ["no shell has replaced", f"export MLFLOW_TRACKING_URI=sqlite:///{Path.home()}/m.db"],
    "sqlite:///a?b/m.db": ["a ? in a path", "in a folder without these signs"],
    "sqlite:///runs?2.db": ["a ? in a path"],
    "sqlite:////dev/null": ["no ordinary file"],
    "'sqlite:///m.db'": ["quotes around", "export MLFLOW_TRACKING_URI=sqlite:///m.db"],
    '"https://me:pw@host"': ["quotes around", "write it without them"],
    "localhost": ["no scheme", "export MLFLOW_TRACKING_URI=http://localhost:5000"],
    "http//host:5000": ["malformed", "export MLFLOW_TRACKING_URI=http://host:5000"],
    "https://host/#/experiments/1": ["page of a server", "export MLFLOW_TRACKING_URI=https://host"],
    "s3://bucket/mlruns": ["the scheme 's3', which MLflow does not know"],
}


@pytest.mark.parametrize("address", NEVER)
def test_an_address_that_never_works_is_refused_with_the_way_out(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("my runs", "a%20b"):
        (tmp_path / folder).mkdir()
    (tmp_path / "note.txt").touch()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    with pytest.raises(UserError) as error:
        check_store()
    text = str(error.value)
    assert text.startswith("MLFLOW_TRACKING_URI: got ") and "expected sqlite:///FILE.db" in text
    assert [part for part in NEVER[address] if part not in text] == []
    assert len(text.splitlines()) <= 3 and ":pw" not in text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a%20b", "my runs", "note.txt"], "nothing is made"
    for line in text.splitlines()[1:]:
        if ": export " in line:  # can be pasted
            subprocess.run(["bash", "-euc", f"{line.partition(': ')[2].partition(' (')[0]}; test -n x"], check=True)
            value = shlex.split(line.partition("export ")[2])[0].partition("=")[2]
            assert "ANOTHER" in value or resolve_store(value)


def test_a_database_without_its_driver_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    import sqlalchemy.dialects.postgresql.psycopg2 as dialect

    def missing(cls: type) -> None:
        raise ModuleNotFoundError("No module named 'psycopg2'", name="psycopg2")

    monkeypatch.setattr(dialect.PGDialect_psycopg2, "import_dbapi", classmethod(missing))
    with pytest.raises(UserError, match=r"driver psycopg2 is not installed(.|\n)*pip install psycopg2-binary"):
        resolve_store("postgresql+psycopg2://me:pw@host/db")


def test_addresses_that_can_work_are_taken_and_shown_without_secrets() -> None:
    for address in ("http://127.0.0.1:5000/", "https://host/mlflow", "databricks", "databricks://profile"):
        assert resolve_store(f" {address}\n") == address.rstrip("/")
    assert sqlite_path(resolve_store("sqlite:///m.db?timeout=5")) == Path("m.db").absolute()
    assert resolve_store("https://me:p%40ss@host") == "https://me:p%40ss@host"
    assert public_address("https://me:p%40ss@host:1/x") == "https://host:1/x"
    assert public_address("postgresql://me:pw@host/db?password=x") == "postgresql://host/db?***"
    assert resolve_store(resolve_store("sqlite:///a b.db")) == resolve_store("sqlite:///a%20b.db")


@pytest.mark.parametrize("address", ["sqlite:///a folder/mlflow.db", "sqlite:///a%20folder/mlflow.db"])
def test_a_path_with_a_space_works(
    address: str, tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a folder").mkdir()
    place = tmp_path / "a folder" / "mlflow.db"
    place.write_bytes(empty_store.read_bytes())
    assert sqlite_path(address) == place
    run_dir, labels = make_run(tmp_path / "runs", make_cell())
    assert deliver(run_dir, labels, address, final=True)
    (record,) = read_runs("study", address)
    assert record.artifacts and record.artifacts.is_relative_to(tmp_path / "a folder")
    assert {item.path for item in open_client(resolve_store(address)).list_artifacts(record.run_id)} >= {"done.json"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a folder", "runs"]
