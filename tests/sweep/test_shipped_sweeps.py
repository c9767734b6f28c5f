"""Every sweep that ships with the package runs for real, in smoke size."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from analysis.sweep.confirmation import confirmations
from analysis.sweep.search import load_searches
from repro.study.expand import expand_study
from repro.study.load import load_spec
from repro.tracking.client import open_client

ROOT = Path(__file__).parents[2]
SWEEPS = sorted(
    path for path in (ROOT / "experiments").rglob("*.yaml") if "sweep" in (yaml.safe_load(path.read_text()) or {})
)


def test_there_is_a_sweep_to_run() -> None:
    assert [path.name for path in SWEEPS] == ["sweep_dots.yaml"]


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_a_shipped_sweep_finishes_its_trials_and_a_second_call_has_nothing_to_do(path: Path, tmp_path: Path) -> None:
    store, runs = f"sqlite:///{tmp_path / 'mlflow.db'}", tmp_path / "runs"
    command = [sys.executable, "-m", "repro", "sweep", str(path), "--smoke", "--runs", str(runs)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MLFLOW_TRACKING_URI": store}
    first = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=tmp_path, timeout=600)
    assert first.returncode == 0, first.stdout + first.stderr
    assert "2 trials: 2 complete" in first.stdout
    loaded = load_spec(path, smoke=True)
    (search,) = load_searches(loaded.spec, store, runs / "cache")
    (table,) = confirmations([search])
    assert table.markdown() in first.stdout
    assert [row[0] for row in table.rows] == ["`dots.best`", "`dots`", "`full`"]
    for row, runs_of_arm in zip(table.data.to_dict("records"), search.confirmed.values(), strict=True):
        assert [run.place.seed for run in runs_of_arm] == loaded.spec.seeds
        scores = [run.evaluations("test")[-1].accuracy for run in runs_of_arm]
        assert row["accuracy"] == pytest.approx(sum(scores) / len(scores))
    planned = {cell.identity for cell in expand_study(loaded.spec)}
    assert {run.identity for name in ("dots", "full") for run in search.confirmed[name]} <= planned, "`run` shares them"
    assert not {run.identity for run in search.confirmed["dots.best"]} & planned
    (summary,) = (runs / "sweeps").glob("*.json")
    (entry,) = json.loads(summary.read_text()).values()
    assert [trial["state"] for trial in entry["trials"]] == ["complete", "complete"]
    assert all(0 <= value <= 1 for trial in entry["trials"] for value in trial["seeds"].values())
    experiment = open_client(store).get_experiment_by_name(f"{entry['spec']}.sweep")
    trials = open_client(store).search_runs([experiment.experiment_id], "tags.`repro.kind` = 'trial'")
    assert [run.info.status for run in trials] == ["FINISHED", "FINISHED"]

    second = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=tmp_path, timeout=600)
    assert second.returncode == 0 and "2 of 2 trials done" in second.stdout and "started" not in second.stdout

    damaged = search.confirmed["dots"][0]
    evaluations = damaged.record.path("evaluations.jsonl")
    assert evaluations is not None
    evaluations.write_text("{}\n")
    (again,) = load_searches(loaded.spec, store, runs / "cache")
    assert damaged.identity not in {run.identity for kept in again.confirmed.values() for run in kept}
