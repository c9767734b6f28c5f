"""A reward written outside the package trains beside accuracy, and the report names both."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from repro.analysis.page.report import write_report
from repro.study.expand import expand_study
from repro.study.load import load_spec
from repro.tracking.journal import Journal
from repro.training.job import run_job

REWARD = '''\
from repro.tasks.problem import Problem


def brief(completion: str, problem: Problem) -> float:
    """Short completions that hold a step."""
    return min(1.0, 8 / max(1, len(completion))) if "=" in completion else 0.0
'''

STUDY = """\
name: taste
model: {tiny: {width: 24, layers: 1, heads: 3, warm_start: {updates: 40, batch_size: 32}}}
dataset: {arithmetic: {pool: 64, test: 16, validation: 8}}
train: {steps: 2, questions_per_step: 4, group_size: 4, minibatches: 2, max_completion_tokens: 16}
evaluate: {every: 2, samples: 2, pool_samples: 2, base_temperatures: []}
arms:
  full:
  brief: {reward: briefly:brief, train: {min_spread: 0.05}, selection: {method: pass_rate, fraction: 0.5}}
seeds: [0]
"""


def test_a_study_with_a_reward_of_ones_own_reports_it_by_name_beside_accuracy(
    tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copyfile(empty_store, tmp_path / "mlflow.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    monkeypatch.setenv("PYTHONPATH", "")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "briefly.py").write_text(REWARD)
    (tmp_path / "study.yaml").write_text(STUDY)
    loaded = load_spec(tmp_path / "study.yaml")
    for planned in expand_study(loaded.spec):
        run_job(planned.cell, planned.identity, tmp_path / "runs" / planned.cell.arm, tmp_path / "runs")

    accuracy, brief = (Journal(tmp_path / "runs" / arm) for arm in ("full", "brief"))
    rows = [row["metrics"] for row in brief.read_jsonl("metrics.jsonl") if "train/reward" in row["metrics"]]
    assert len(rows) == 2 and all(row["train/reward"] != row["train/accuracy"] for row in rows)
    assert not any("train/accuracy" in row["metrics"] for row in accuracy.read_jsonl("metrics.jsonl"))
    steps = brief.read_jsonl("steps.jsonl")
    assert all(len(row["trains"]) == 4 for row in steps)
    assert not any("trains" in row for row in accuracy.read_jsonl("steps.jsonl"))
    rates = [set(run.read_json("base.json")["pool"]["pass_rates"].values()) for run in (accuracy, brief)]
    assert rates[0] <= {0, 0.5, 1} and not rates[1] <= {0, 0.5, 1}
    final = brief.read_jsonl("evaluations.jsonl")[-1]
    assert all(isinstance(count, int) for count in final["passes"].values())

    text = write_report(loaded, tmp_path / "runs", tmp_path / "report").with_suffix(".md").read_text()
    assert "Training rewards accuracy (arms `full`); brief (arms `brief`), a number from 0 to 1." in text
    assert "by mean reward before training" in text
    assert "Rewards that differ by at most train.min_spread, 0.05, in a freshly" in text
    assert not re.search(r"pass[ -]rate", text)
