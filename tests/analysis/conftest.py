"""One real MLflow store for the whole folder: studies are experiments in it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from repro.analysis.measures import Measures
from repro.analysis.page.report import write_report
from tests.analysis.synthetic import QUICKSTART, Store, make_study

ARTEFACTS = [f"dots_rr.{item}" for item in ("table_1", "steps_to_match", "auc", "cost_model", "table_7", "figure_4")]
ARTEFACTS += [f"ufo_rl.{item}" for item in ("figure_1", *(f"table_{number}" for number in range(1, 7)), "ablations")]
ARTEFACTS += ["leaderboard.ranking", "leaderboard.practice"]


@pytest.fixture(scope="session")
def store_uri(empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    place = tmp_path_factory.mktemp("reported") / "mlflow.db"
    return f"sqlite:///{shutil.copyfile(empty_store, place)}"


@pytest.fixture(scope="session")
def quickstart(store_uri: str, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Five arms and three seeds that look like a real study."""
    folder: Path = tmp_path_factory.mktemp("quickstart")
    fields = {"question": "Does choosing questions save compute?", "report": {"artefacts": ARTEFACTS}}
    return make_study(
        folder, store_uri, QUICKSTART, name="synthetic", steps=40, every=5, questions=64, exact=False, fields=fields
    )


@pytest.fixture(scope="session")
def report(quickstart: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of that study."""
    out = tmp_path_factory.mktemp("reports") / "synthetic"
    return write_report(quickstart.loaded, quickstart.runs_dir, out, quickstart.uri)


@pytest.fixture
def study(store_uri: str, tmp_path: Path, request: pytest.FixtureRequest) -> Callable[..., Store]:
    """Makes a study with a name of its own in the shared store: `study({arm: (config, behaviour)}, ...)`."""
    numbers = count()

    def make(arms: Any, **more: Any) -> Store:
        label = "".join(c if c.isalnum() else "-" for c in request.node.name)[:60].strip("-")
        return make_study(tmp_path, store_uri, arms, name=f"{label}-{next(numbers)}", **more)

    return make


@pytest.fixture
def quick_study(tmp_path: Path) -> Callable[..., Store]:
    """The same, read from its run directories: for tests that are not about the store."""
    numbers = count()
    return lambda arms, **more: make_study(tmp_path / str(next(numbers)), None, arms, **more)


def measure(store: Store, panel: int = 0) -> Measures:
    """The numbers of one panel."""
    study = store.read()
    return Measures(study.panels[panel], study.spec.report.target)
