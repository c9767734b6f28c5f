"""Cells of the studies of SmolLM2, a stand-in in place of the model: its start on solutions, and ways to select."""

from __future__ import annotations

from pathlib import Path

import pytest

from repro.study.expand import expand
from repro.study.load import load_spec
from repro.tracking.journal import Journal
from repro.training.job import run_job

from .test_job import store  # noqa: F401

FOLDER = Path(__file__).parents[2] / "experiments" / "smollm2"
CELLS = [("gpu_ten_minutes", "dots_rr"), ("words", "ufo"), ("scoring", "ufo_solution"), ("gpu_day", "dots")]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.mark.slow
@pytest.mark.parametrize(("study", "arm"), CELLS)
def test_a_cell_of_a_study_of_smollm2_runs_with_a_stand_in(study: str, arm: str, runs: Path, tmp_path: Path) -> None:
    spec = load_spec(FOLDER / f"{study}.yaml", smoke=True).spec
    cell = next(one for one in expand(spec) if one.arm == arm and one.dataset.label == "words")
    assert cell.model.stand_in
    run_job(cell, "smoke", tmp_path / "run", runs)
    journal = Journal(tmp_path / "run")
    assert journal.finished
    assert len(journal.read_jsonl("steps.jsonl")) == 2
    assert journal.read_json("ledger.json")["score"]["scored_tokens"] > 0  # confidences, or embeddings of the questions
