"""A store of its own for each test that asks for one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest


@pytest.fixture
def uri(tmp_path: Path, empty_store: Path) -> str:
    """Address of an empty sqlite store."""
    shutil.copyfile(empty_store, tmp_path / "mlflow.db")
    return f"sqlite:///{tmp_path}/mlflow.db"
