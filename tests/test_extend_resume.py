"""Methods from outside the repository: a killed study ends bit for bit as one that was never killed."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.test_extend import ROOT, write_files

SPEC = """
name: outside
model: {tiny: {warm_start: {updates: 40}}}
dataset: {task: "my_tasks:Reverse", pool: 64, validation: 8, test: 16, name: reverse}
reward: [{reward: accuracy, weight: 0.8}, {reward: "my_rewards:brief", weight: 0.2}]
train: {steps: 6, questions_per_step: 8, group_size: 4, minibatches: 2, max_completion_tokens: 16}
evaluate: {every: 1, samples: 1, questions: 8, pool_samples: 2, base_temperatures: [0.5]}
arms:
  halfway: {selection: {method: "my_rules:Halfway"}, replay: {fresh: 0.5, capacity: 8}}
seeds: [0]
"""


def start(folder: Path) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MLFLOW_TRACKING_URI": "", "OMP_NUM_THREADS": "1"}
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "repro", "run", "study.yaml", "--jobs", "1"],
            cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip


def result(folder: Path) -> tuple[str, list[dict[str, object]], str]:
    """Identity, the metrics of every step without what depends on the clock, digest of the trained weights."""
    (marker,) = folder.glob("runs/v*/done.json")
    run = marker.parent
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    timed = ("seconds", "cpu")
    kept = [
        {"step": row["step"], **{k: v for k, v in row["metrics"].items() if not any(word in k for word in timed)}}
        for row in rows
    ]
    weights = hashlib.sha256((run / "policy" / "model.safetensors").read_bytes()).hexdigest()
    return run.name, kept, weights


def made(name: str, folder: Path) -> Path:
    path = folder / name
    path.mkdir()
    write_files(path)
    (path / "study.yaml").write_text(SPEC)
    return path


@pytest.mark.slow
def test_a_killed_study_of_outside_methods_ends_as_if_it_had_not_been_killed(tmp_path: Path) -> None:
    whole, killed = made("whole", tmp_path), made("killed", tmp_path)
    assert start(whole).wait() == 0, (whole / "log").read_text()
    process = start(killed)
    deadline = time.monotonic() + 600
    while not list(killed.glob("runs/v*/checkpoints/checkpoint-4/complete.json")):
        assert process.poll() is None and time.monotonic() < deadline, (killed / "log").read_text()
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not list(killed.glob("runs/v*/done.json")), "it was killed too late to show anything"
    assert start(killed).wait() == 0, (killed / "log").read_text()
    assert result(killed) == result(whole)
