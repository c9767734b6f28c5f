"""One real MLflow store for the whole folder: its tables take seconds to make, studies are experiments in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from repro.tracking.client import open_client
from tests.analysis.synthetic import QUICKSTART, Store, make_study


@pytest.fixture(scope="session")
def store_uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    uri = f"sqlite:///{tmp_path_factory.mktemp('store') / 'mlflow.db'}"
    open_client(uri).search_experiments()
    return uri


@pytest.fixture(scope="session")
def quickstart(store_uri: str, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Five arms and three seeds that look like a real study."""
    folder: Path = tmp_path_factory.mktemp("quickstart")
    return make_study(folder, store_uri, QUICKSTART, name="synthetic", steps=40, every=5, questions=256, exact=False)
