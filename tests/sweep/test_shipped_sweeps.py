"""Every sweep that ships with the package runs for real, in smoke size."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from repro.analysis.sweep.confirmation import confirmations
from repro.analysis.sweep.search import load_searches
from repro.study.expand import expand_study
from repro.study.load import load_spec
from repro.tracking.client import open_client

ROOT = Path(__file__).parents[2]
SWEEPS = sorted(
    path for path in (ROOT / "experiments").rglob("*.yaml") if "sweep" in (yaml.safe_load(path.read_text()) or {})
)


def test_these_sweeps_ship() -> None:
    names = ["leaderboard.yaml", "thresholds_dots_rr.yaml", "thresholds_ufo.yaml", "words.yaml"]
    assert [path.name for path in SWEEPS] == names


def called(path: Path, folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """`repro sweep` in smoke size, with a store and runs of its own in a folder."""
    command = [sys.executable, "-m", "repro", "sweep", str(path), "--smoke", "--runs", str(folder / "runs"), *more]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MLFLOW_TRACKING_URI": store_of(folder)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, cwd=folder, timeout=600)


def store_of(folder: Path) -> str:
    return f"sqlite:///{folder / 'mlflow.db'}"


def test_the_leaderboard_tunes_its_arms_one_by_one(tmp_path: Path) -> None:
    path = ROOT / "experiments" / "beyond" / "leaderboard.yaml"
    spec = load_spec(path).spec
    assert spec.sweep is not None
    assert set(spec.arms) - set(spec.sweep.arms) == {"identical", "random_reward", "oracle"}
    pair = ("-S", "dataset=arithmetic", "-S", "model=tiny")
    first = called(path, tmp_path, "-S", "sweep.arm=[mopps, rr_rollouts]", *pair)
    assert first.returncode == 0, first.stdout + first.stderr
    assert "best of each arm" in first.stdout and "rr_rollouts: {train: {learning_rate:" in first.stdout


@pytest.mark.slow
def test_the_learning_rate_of_smollm2_is_tuned_on_a_seed_that_the_study_does_not_use(tmp_path: Path) -> None:
    first = called(SWEEPS[3], tmp_path)
    assert first.returncode == 0, first.stdout + first.stderr
    assert "2 trials: 2 complete" in first.stdout and "to train it on fresh seeds: -S arms.full" in first.stdout
    spec = load_spec(SWEEPS[3]).spec
    assert spec.sweep is not None and not set(spec.sweep.seeds or ()) & set(spec.seeds)
    second = called(SWEEPS[3], tmp_path)
    assert second.returncode == 0 and "2 of 2 trials done" in second.stdout and "started" not in second.stdout


@pytest.mark.parametrize(
    "path", [pytest.param(SWEEPS[1], id="dots_rr"), pytest.param(SWEEPS[2], id="ufo", marks=pytest.mark.slow)]
)
def test_a_shipped_sweep_finishes_its_trials_and_a_second_call_has_nothing_to_do(path: Path, tmp_path: Path) -> None:
    store, runs = store_of(tmp_path), tmp_path / "runs"
    first = called(path, tmp_path)
    assert first.returncode == 0, first.stdout + first.stderr
    assert "2 trials: 2 complete" in first.stdout
    loaded = load_spec(path, smoke=True)
    assert loaded.spec.sweep is not None
    arm = loaded.spec.sweep.arms[0]
    searches = load_searches(loaded.spec, store, runs / "cache")
    here, there = (search.dataset for search in searches)
    planned = {cell.identity for cell in expand_study(loaded.spec)}
    for search, other, table in zip(searches, (there, here), confirmations(searches), strict=True):
        assert table.markdown() in first.stdout
        runs_of = [name for name in (f"{arm}.best", f"{arm}.best_of.{other}", arm, "full") if name in search.confirmed]
        assert [row[0] for row in table.rows] == [f"`{name}`" for name in runs_of] and runs_of[1].endswith(other)
        for row, runs_of_arm in zip(table.data.to_dict("records"), search.confirmed.values(), strict=True):
            assert [run.place.seed for run in runs_of_arm] == loaded.spec.seeds
            scores = [run.evaluations("test")[-1].accuracy for run in runs_of_arm]
            assert row["accuracy"] == pytest.approx(sum(scores) / len(scores))
        assert not {run.identity for run in search.confirmed[f"{arm}.best"]} & planned
    shared = {run.identity for name in (arm, "full") for run in searches[0].confirmed[name]}
    assert shared <= planned, "`run` shares them"
    (summary,) = (runs / "sweeps").glob("*.json")
    entries = json.loads(summary.read_text()).values()
    for entry in entries:
        assert [trial["state"] for trial in entry["trials"]] == ["complete", "complete"]
        assert all(0 <= value <= 1 for trial in entry["trials"] for value in trial["seeds"].values())
    experiment = open_client(store).get_experiment_by_name(f"{loaded.spec.name}.sweep")
    trials = open_client(store).search_runs([experiment.experiment_id], "tags.`repro.kind` = 'trial'")
    assert [run.info.status for run in trials] == ["FINISHED"] * 4

    second = called(path, tmp_path)
    assert second.returncode == 0 and "2 of 2 trials done" in second.stdout and "started" not in second.stdout

    damaged = searches[0].confirmed[arm][0]
    evaluations = damaged.record.path("evaluations.jsonl")
    assert evaluations is not None
    evaluations.write_text("{}\n")
    again = load_searches(loaded.spec, store, runs / "cache")[0]
    assert damaged.identity not in {run.identity for kept in again.confirmed.values() for run in kept}
