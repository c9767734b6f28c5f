"""A real MLflow store per test, copied from one that is made once (making the tables takes seconds)."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from repro.tracking.client import open_client


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    open_client(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def uri(tmp_path: Path, empty_store: Path) -> str:
    """Address of an empty sqlite store."""
    shutil.copyfile(empty_store, tmp_path / "mlflow.db")
    return f"sqlite:///{tmp_path}/mlflow.db"
