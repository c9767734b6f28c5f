"""Whole runs of the tiny world with vLLM against generate: the same choices, the same rewards, killed and resumed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("vllm", reason="vLLM is not installed here; make test-vllm has an environment with it")

from repro.spec.schema import Cell
from repro.study.expand import expand_study
from repro.study.load import load_spec
from repro.tracking.journal import Journal
from repro.tracking.run_status import run_status

pytestmark = pytest.mark.slow

STEPS = 10
SPEC = f"""
name: engines
model: tiny
dataset: {{arithmetic: {{}}, limits: {{train: 256, test: 32}}}}
train: {{steps: {STEPS}, questions_per_step: 16, group_size: 8, minibatches: 4}}
evaluate: {{every: 5, samples: 2, pool_samples: 2, base_temperatures: [], sets: [test]}}
axes: {{train.rollout.engine: [hf, vllm]}}
arms: {{full: {{}}}}
seeds: [0, 1, 2]
"""
PROBING = """
name: probing
model: tiny
dataset: {arithmetic: {}, limits: {train: 256, test: 32}}
train: {steps: 4, questions_per_step: 8, group_size: 8, minibatches: 2, rollout: {engine: vllm}}
evaluate: {every: 2, samples: 2, pool_samples: 2, base_temperatures: [], sets: [test], predictor_questions: 8}
arms:
  dots_rr:
    selection: {method: difficulty, references: 8, every: 2, reuse_references: true}
    replay: {fresh: 0.5, capacity: 8}
seeds: [0]
"""
RUN = """
import sys
from pathlib import Path
from repro.spec.schema import Cell
from repro.training.job import run_job
run_job(Cell.model_validate_json(Path(sys.argv[1]).read_text()), "again", Path(sys.argv[2]), Path(sys.argv[3]))
"""
Runs = dict[tuple[str, int], tuple[Cell, Journal]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("engines")


@pytest.fixture(scope="module")
def runs(folder: Path) -> Runs:
    """(engine, seed) -> run, all trained by the command a user would give."""
    path = folder / "engines.yaml"
    path.write_text(SPEC)
    environment = os.environ | {"MLFLOW_TRACKING_URI": f"sqlite:///{folder / 'mlflow.db'}"}
    command = [sys.executable, "-m", "repro", "run", str(path), "--jobs", "2"]
    ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=3000)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    found: Runs = {}
    for planned in expand_study(load_spec(path).spec):
        journal = Journal(folder / "runs" / planned.identity)
        assert journal.finished, run_status(journal.run_dir)
        found[planned.cell.train.rollout.engine, planned.cell.seed] = (planned.cell, journal)
    return found


def group_rewards(journal: Journal) -> list[np.ndarray]:
    """Per step, (questions,): mean reward of each fresh group."""
    return [np.array(row["pass_rate"]) for row in journal.read_jsonl("steps.jsonl")]


def all_rewards(runs: Runs, engine: str) -> np.ndarray:
    """(seeds, steps, questions) of one engine."""
    return np.stack([np.stack(group_rewards(runs[engine, seed][1])) for seed in range(3)])


def chosen(journal: Journal) -> list[list[str]]:
    return [row["fresh"] for row in journal.read_jsonl("steps.jsonl")]


def metric(journal: Journal, name: str) -> list[float]:
    return [row["metrics"][name] for row in journal.read_jsonl("metrics.jsonl") if name in row["metrics"]]


def test_mean_rewards_of_the_first_steps_agree_within_three_standard_errors(runs: Runs) -> None:
    by_engine = [
        np.stack([np.stack(group_rewards(runs[engine, seed][1])) for seed in range(3)], 1) for engine in ("hf", "vllm")
    ]
    assert all(chosen(runs["hf", seed][1]) == chosen(runs["vllm", seed][1]) for seed in range(3))
    by_engine = [all_rewards(runs, engine).swapaxes(0, 1) for engine in ("hf", "vllm")]
    pooled = [rates.reshape(STEPS, -1) for rates in by_engine]  # (steps, seeds x questions) each
    difference = pooled[1].mean(1) - pooled[0].mean(1)  # (steps,)
    error = np.sqrt(sum(rates.var(axis=1, ddof=1) / rates.shape[1] for rates in pooled))  # (steps,)
    assert (np.abs(difference) <= 3 * error).all(), (difference / error).round(2).tolist()
    assert not np.array_equal(pooled[0], pooled[1])  # they are two samplers


def accuracy(journal: Journal, step: int) -> float:
    """avg@k on the test questions, which are the same at every step."""
    (found,) = [row for row in journal.read_jsonl("evaluations.jsonl") if (row["step"], row["set"]) == (step, "test")]
    return float(sum(found["passes"].values()) / (found["samples"] * len(found["passes"])))


def test_both_engines_learn(runs: Runs) -> None:
    for engine in ("hf", "vllm"):
        journals = [runs[engine, seed][1] for seed in range(3)]
        gains = [accuracy(journal, STEPS) - accuracy(journal, 0) for journal in journals]
        assert np.mean(gains) > 0, gains


def test_vllms_log_probs_stay_those_of_the_policy_over_all_steps(runs: Runs) -> None:
    for seed in range(3):
        apart = metric(runs["vllm", seed][1], "rollout/logp_difference_max")
        assert len(apart) == STEPS and 0 < max(apart) < 1e-3
        assert metric(runs["hf", seed][1], "rollout/logp_difference_max") == []


def test_what_is_made_is_counted_whoever_makes_it(runs: Runs) -> None:
    for seed in range(3):
        ledgers = [runs[engine, seed][1].read_json("ledger.json") for engine in ("hf", "vllm")]
        for phase in ("rollout", "evaluate"):
            assert ledgers[0][phase]["completions"] == ledgers[1][phase]["completions"] > 0
            assert min(ledger[phase]["generated_tokens"] for ledger in ledgers) > 0


def test_start_policy_and_pool_are_measured_by_the_engine_itself(runs: Runs) -> None:
    bases = [runs[engine, 0][1].read_json("base.json") for engine in ("hf", "vllm")]
    assert bases[0]["greedy"] == bases[1]["greedy"]  # of one policy
    assert bases[0]["evaluations"][0]["passes"] != bases[1]["evaluations"][0]["passes"]  # other draws
    rates = [np.array(list(base["pool"]["pass_rates"].values())) for base in bases]
    error = np.sqrt(sum(r.var(ddof=1) / len(r) for r in rates))
    assert abs(rates[0].mean() - rates[1].mean()) < 3 * error


def start(arguments: Sequence[Path], folder: Path) -> subprocess.Popen[bytes]:
    environment = os.environ | {"MLFLOW_TRACKING_URI": f"sqlite:///{folder / 'mlflow.db'}"}
    with (folder / "job.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-c", RUN, *map(str, arguments)], cwd=folder, env=environment, stdout=log, stderr=log
        )


def test_a_killed_run_with_probes_and_replay_goes_on_as_if_nothing_had_happened(folder: Path) -> None:
    (folder / "probing.yaml").write_text(PROBING)
    described = folder / "cell.json"
    described.write_text(expand_study(load_spec(folder / "probing.yaml").spec)[0].cell.model_dump_json())
    whole, killed = Journal(folder / "whole"), Journal(folder / "killed")
    cache = folder / "runs"
    assert start([described, whole.run_dir, cache], folder).wait(1800) == 0, (folder / "job.log").read_text()
    process = start([described, killed.run_dir, cache], folder)
    deadline = time.monotonic() + 1800
    while not list(killed.run_dir.glob("checkpoints/checkpoint-*/complete.json")):
        assert process.poll() is None and time.monotonic() < deadline, (folder / "job.log").read_text()
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not killed.finished
    assert start([described, killed.run_dir, cache], folder).wait(1800) == 0, (folder / "job.log").read_text()
    assert killed.finished
    assert chosen(killed) == chosen(whole)
    assert all(np.array_equal(*pair) for pair in zip(group_rewards(killed), group_rewards(whole), strict=True))
    assert metric(killed, "train/loss") == metric(whole, "train/loss")
    assert metric(killed, "eval/predictor_mae") == metric(whole, "eval/predictor_mae") != []
    weights = "policy/model.safetensors"
    assert (killed.run_dir / weights).read_bytes() == (whole.run_dir / weights).read_bytes()
    old, new = (journal.read_json("ledger.json") for journal in (whole, killed))
    for phase in ("rollout", "probe", "evaluate"):
        assert old[phase]["generated_tokens"] == new[phase]["generated_tokens"] > 0
    assert (
        len(metric(whole, "rollout/logp_difference_max")) == 4
        and max(metric(whole, "rollout/logp_difference_max")) < 1e-3
    )
