"""Cells of the studies for GPUs on a CPU: stand-ins in place of the hub's models, everything else as the spec says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from repro.study.expand import expand
from repro.study.load import load_spec
from repro.tracking.journal import Journal
from repro.training.job import run_job

from .test_job import store  # noqa: F401

ROOT = Path(__file__).parents[2]
GSM8K = ROOT / "tests" / "fixtures" / "gsm8k"
CELLS = [
    (
        "ufo_rl/gsm8k.yaml",
        "Llama-3.1-8B-Instruct",
        "ufo",
        ["arms.ufo.selection.fraction=0.3", "arms.ufo.models=[Llama-3.1-8B-Instruct]"],
    ),  # of 58 questions
    ("dots_rr/qwen2.5-3b_scp.yaml", "Qwen2.5-3B", "dots_rr", []),
]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.mark.slow
@pytest.mark.parametrize(("path", "model", "arm", "changes"), CELLS, ids=["ufo", "dots_rr"])
def test_a_cell_of_a_study_for_gpus_runs_with_stand_ins(
    path: str, model: str, arm: str, changes: list[str], runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REPRO_DATA", str(GSM8K.parent))
    loaded = load_spec(ROOT / "experiments" / path, ["dataset=gsm8k", *changes], smoke=True)
    (cell,) = (one for one in expand(loaded.spec) if (one.model.label, one.arm) == (model, arm))
    assert cell.model.stand_in and cell.train.precision == "bfloat16" and cell.train.gradient_checkpointing
    run_job(cell, "smoke", tmp_path / "run", runs)
    journal = Journal(tmp_path / "run")
    assert journal.finished
    config = json.loads((tmp_path / "run/policy/config.json").read_text())
    assert (config["model_type"], config["dtype"]) == ({"ufo": "llama", "dots_rr": "qwen2"}[arm], "float32")
    rows: list[dict[str, Any]] = journal.read_jsonl("steps.jsonl")
    assert len(rows) == 2
    ledger = journal.read_json("ledger.json")
    assert ledger["score"]["scored_tokens"] > 0
    if arm == "dots_rr":
        assert ledger["predictor"]["completions"] > 0
