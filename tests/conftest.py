"""Settings and fixtures for every test: one thread, no hub, an empty MLflow store to copy, specs to load."""

from __future__ import annotations

import os

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")  # before torch and numpy start their thread pools
os.environ.setdefault("HF_HUB_OFFLINE", "1")

from collections.abc import Callable, Sequence  # noqa: E402
from pathlib import Path  # noqa: E402

import pytest  # noqa: E402

from repro.errors import UserError  # noqa: E402
from repro.study.load import LoadedSpec, load_spec  # noqa: E402

HEAD = "name: study\nmodel: tiny\ndataset: arithmetic\n"  # lines 1 to 3

Load = Callable[..., LoadedSpec]
Mistakes = Callable[..., list[str]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests go first: at the end no process waits for another that has just begun one."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sqlite store without runs; copy it, because making its tables takes seconds."""
    from repro.tracking.client import open_client

    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    open_client(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """`load(text, overrides)`: text after the head, or a whole spec where it names itself."""

    def run(text: str, overrides: Sequence[str] = (), smoke: bool = False) -> LoadedSpec:
        path = tmp_path / "spec.yaml"
        path.write_text(text if "name:" in text else HEAD + text, encoding="utf-8")
        return load_spec(path, overrides, smoke)

    return run


@pytest.fixture
def mistakes(load: Load, tmp_path: Path) -> Mistakes:
    """The lines of the error that loading raises, with the folder of the file left out; [] where it loads."""

    def run(text: str, overrides: Sequence[str] = ()) -> list[str]:
        try:
            load(text, overrides)
        except UserError as error:
            return str(error).replace(f"{tmp_path}/", "").splitlines()
        return []

    return run
