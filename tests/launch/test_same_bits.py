"""What a cell computes depends on the cell alone: not on --jobs, cores, folder, hash seed or the shell's variables."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from repro.cli import main
from repro.files import read_json, read_jsonl
from repro.study.expand import expand_study
from repro.study.load import load_spec
from repro.tracking.client import open_client
from repro.training.job import run_job
from tests.training.own_study import STUDY, write_study

ROOT = Path(__file__).parents[2]
SHELL = {
    "ACCELERATE_GRADIENT_ACCUMULATION_STEPS": "2",
    "ACCELERATE_MIXED_PRECISION": "bf16",
    "ATEN_CPU_CAPABILITY": "default",
    "CUBLAS_WORKSPACE_CONFIG": ":16:8",
    "MKL_CBWR": "COMPATIBLE",
    "MKL_NUM_THREADS": "2",
    "NVIDIA_TF32_OVERRIDE": "0",
    "OMP_NUM_THREADS": "2",
    "ONEDNN_DEFAULT_FPMATH_MODE": "BF16",
    "PYTHONHASHSEED": "77",
    "RANK": "1",
    "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE": "1",
    "WORLD_SIZE": "2",
}
"""A shell that wants another arithmetic in every way."""


@pytest.fixture
def store(tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    shutil.copyfile(empty_store, tmp_path / "mlflow.db")
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setenv("PYTHONPATH", "")
    return uri


def repro(folder: Path, *words: str) -> None:
    environment = {**os.environ, **SHELL, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-m", "repro", *words], cwd=folder, env=environment, check=True, timeout=300)


def recorded(run_dir: Path) -> list[Any]:
    """All rows of a run without times."""
    rows: list[Any] = []
    for name in ("steps", "evaluations"):
        rows += [{k: v for k, v in row.items() if k != "time"} for row in read_jsonl(run_dir / f"{name}.jsonl")]
    metrics = read_jsonl(run_dir / "metrics.jsonl")
    return rows + [[row["step"], {k: v for k, v in row["metrics"].items() if "seconds" not in k}] for row in metrics]


def test_a_cell_has_the_same_bits_from_any_shell_in_any_folder_beside_any_other(
    tmp_path: Path, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = tmp_path / "here", tmp_path / "over" / "there"
    for folder in (here, there):
        folder.mkdir(parents=True)
    wide = STUDY.replace("{full: {}}", "{full: {selection: {method: confidence, fraction: 0.5}}}")
    spec = write_study(here, wide)
    write_study(there, wide)
    repro(there, "run", "study.yaml", "--jobs", "2")  # two seeds side by side

    monkeypatch.syspath_prepend(str(here))
    monkeypatch.delitem(sys.modules, "coin_of_mine", raising=False)
    monkeypatch.chdir(here)
    one = expand_study(load_spec(spec).spec)[0]
    run_job(one.cell, one.identity, here / "runs" / one.identity, here / "runs")
    first, second = (folder / "runs" / one.identity for folder in (here, there))
    assert recorded(first) == recorded(second)
    weights = [folder / "policy" / "model.safetensors" for folder in (first, second)]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    assert weights[0].read_bytes() != (here / "policy/model.safetensors").read_bytes(), "it has learned something"
    environments = [read_json(folder / "environment.json") for folder in (first, second)]
    assert [each["threads"] for each in environments] == [1, 1]
    assert environments[0]["cpu_capability"] == environments[1]["cpu_capability"] is not None
    client = open_client(store)
    runs = client.search_runs([client.get_experiment_by_name("trial").experiment_id], "tags.`repro.kind` = 'cell'")
    assert [run.data.tags["repro.threads"] for run in runs] == ["1", "1"]


def test_more_threads_are_another_run_that_shares_no_measurement(
    tmp_path: Path, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "coin_of_mine", raising=False)
    monkeypatch.chdir(tmp_path)
    spec = write_study(tmp_path)
    (one, _) = expand_study(load_spec(spec).spec)
    (two, _) = expand_study(load_spec(spec, ["train.threads=2", "train.steps=1"]).spec)
    (same, _) = expand_study(load_spec(spec, ["train.threads=1"]).spec)
    assert one.identity == same.identity != two.identity
    run_job(two.cell, two.identity, tmp_path / "runs" / two.identity, tmp_path / "runs")
    assert read_json(tmp_path / "runs" / two.identity / "environment.json")["threads"] == 2
    items = [marker.parent.name for marker in (tmp_path / "runs/cache").glob("*/*/.complete")]
    assert items and all(name.endswith("-2-threads") for name in items)


@pytest.mark.slow
def test_scores_have_the_same_bits_from_any_shell(tmp_path: Path, store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write_study(tmp_path)
    monkeypatch.chdir(tmp_path)
    words = ["score", "--model", "policy", "--dataset", "rows.jsonl", "--device", "cpu"]
    assert main([*words, "--out", "one.csv", "--runs", "one"]) == 0
    repro(tmp_path, *words, "--out", "two.csv", "--runs", "two")
    one, two = (list(csv.reader((tmp_path / name).open())) for name in ("one.csv", "two.csv"))
    assert one == two and len(one) == 41
