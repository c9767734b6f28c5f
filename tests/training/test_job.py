"""One cell from spec to finished record, killed and resumed, and under a budget."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from repro.difficulty.predictor_spec import FitSpec, PredictorSpec, TowersSpec
from repro.errors import UserError
from repro.models.model_spec import ModelSpec, TinyModel, WarmStart
from repro.selection.bands import CalibratedBand, EndBand
from repro.selection.methods.confidence import Confidence
from repro.selection.methods.curriculum import Curriculum
from repro.selection.methods.difficulty import Difficulty
from repro.selection.methods.dynamic import Dynamic
from repro.selection.methods.pass_rate import PassRate
from repro.selection.methods.prompt_entropy import PromptEntropy
from repro.selection.methods.random import RandomSubset
from repro.selection.methods.speed import Speed
from repro.selection.methods.uniform import Uniform
from repro.spec.budget_spec import Budget
from repro.spec.schema import Cell, EvaluateSpec, ReplaySpec, TrainSpec
from repro.tasks.dataset_spec import DatasetSpec
from repro.tasks.datasets import load_dataset
from repro.tasks.made.arithmetic import Arithmetic
from repro.tracking.journal import Journal
from repro.training.job import run_job

TINY = TinyModel(width=24, layers=1, heads=3, warm_start=WarmStart(updates=40, batch_size=32))


def cell(**changes: Any) -> Cell:
    fields: dict[str, Any] = {
        "spec": "test",
        "arm": "arm",
        "model": ModelSpec(tiny=TINY),
        "dataset": DatasetSpec(arithmetic=Arithmetic(pool=64, test=16, validation=8)),
        "train": TrainSpec(
            steps=4,
            questions_per_step=4,
            group_size=4,
            minibatches=2,
            max_completion_tokens=16,
            learning_rate=1e-3,
            keep="checkpoints",
        ),
        "evaluate": EvaluateSpec(every=2, samples=2, pool_samples=2, base_temperatures=(0.5,)),
        "selection": Uniform(),
        "replay": None,
        "budget": None,
        "seed": 0,
    }
    return Cell(**(fields | changes))


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where warm starts and scores are cached for all tests of this file."""
    return tmp_path_factory.mktemp("shared")


@pytest.fixture(autouse=True)
def store(tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copyfile(empty_store, tmp_path / "mlflow.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    monkeypatch.chdir(tmp_path)


def metrics_of(run_dir: Path) -> list[tuple[int, dict[str, float]]]:
    """Metrics in order, without what measures time."""
    return [
        (row["step"], {k: v for k, v in row["metrics"].items() if "seconds" not in k})
        for row in Journal(run_dir).read_jsonl("metrics.jsonl")
    ]


def test_a_job_records_base_steps_evaluations_and_costs(tmp_path: Path, shared: Path) -> None:
    run_job(cell(), "one", tmp_path / "runs/one", shared)
    journal = Journal(tmp_path / "runs/one")
    assert journal.finished
    evaluations = journal.read_jsonl("evaluations.jsonl")
    assert [(e["step"], e["set"]) for e in evaluations] == [
        (0, "test"),
        (0, "pool_like"),
        (2, "test"),
        (4, "test"),
        (4, "pool_like"),
    ]
    final = evaluations[-2]
    accuracy = sum(final["passes"].values()) / (final["samples"] * 16)
    assert journal.read_json("done.json")["summary"]["eval/accuracy"] == accuracy
    told = {
        row["step"]: row["metrics"]["eval/pass"]
        for row in journal.read_jsonl("metrics.jsonl")
        if "eval/pass" in row["metrics"]
    }
    assert told == {
        e["step"]: np.mean([c > 0 for c in e["passes"].values()]) for e in evaluations if e["set"] == "test"
    }
    assert len(final["passes"]) == len(final["greedy"]) == 16
    steps = journal.read_jsonl("steps.jsonl")
    assert [row["step"] for row in steps] == [1, 2, 3, 4]
    assert all(len(row["fresh"]) == 4 == len(row["steps_true"]) for row in steps)
    base = journal.read_json("base.json")
    assert set(base["temperatures"]) == {"0.5"}
    assert len(base["pool"]["pass_rates"]) == 64
    ledger = journal.read_json("ledger.json")
    assert ledger["rollout"]["completions"] == 4 * 4 * 4
    assert ledger["train"]["seconds"] > 0 and ledger["evaluate"]["completions"] == 2 * 16 * 2 + 16 + 64
    spent = [row for row in journal.read_jsonl("spent.jsonl") if row["phase"] == "rollout"]
    assert sum(row["generated_tokens"] for row in spent) == ledger["rollout"]["generated_tokens"]
    assert (tmp_path / "runs/one/policy/model.safetensors").exists()


def test_evaluating_changes_nothing_about_training(tmp_path: Path, shared: Path) -> None:
    often = cell(evaluate=EvaluateSpec(every=1, samples=1, pool_samples=2, base_temperatures=()))
    run_job(cell(), "seldom", tmp_path / "runs/seldom", shared)
    run_job(often, "often", tmp_path / "runs/often", shared)
    rewards = [
        [m["train/reward"] for _, m in metrics_of(tmp_path / "runs" / name) if "train/reward" in m]
        for name in ("seldom", "often")
    ]
    assert rewards[0] == rewards[1] and len(rewards[0]) == 4


@pytest.mark.parametrize("selection", [Confidence(method="confidence", fraction=0.2), PassRate(method="pass_rate")])
def test_an_offline_subset_is_paid_for_also_when_another_run_computed_it(
    tmp_path: Path, shared: Path, selection: Any
) -> None:
    costs = []
    for seed in (0, 1):
        run_dir = tmp_path / f"runs/{seed}"
        run_job(cell(selection=selection.model_copy(update={"fraction": 0.2}), seed=seed), str(seed), run_dir, shared)
        journal = Journal(run_dir)
        kept = set(journal.read_json("selection.json")["kept"])
        assert len(kept) == 12
        assert {q for row in journal.read_jsonl("steps.jsonl") for q in row["fresh"]} <= kept
        ledger = journal.read_json("ledger.json")
        costs.append(ledger["score" if selection.method == "confidence" else "probe"])
        assert journal.read_jsonl("metrics.jsonl")[0]["metrics"]["cost/seconds"] > 0
    assert costs[0] == costs[1]
    assert costs[0]["scored_tokens" if selection.method == "confidence" else "completions"] > 0


def test_a_token_budget_ends_the_run_at_the_step_that_spends_it(tmp_path: Path, shared: Path) -> None:
    run_job(cell(budget=Budget(tokens=900)), "b", tmp_path / "runs/b", shared)
    series = [m["cost/generated_tokens"] for _, m in metrics_of(tmp_path / "runs/b") if "train/reward" in m]
    assert series[-1] >= 900 > series[-2]
    evaluated = [step for step, m in metrics_of(tmp_path / "runs/b") if "eval/accuracy" in m]
    assert evaluated[-1] == len(series), "the last step is evaluated, whatever `every` says"


# 12 of 64 questions are kept; a step has 4 of them. The last checkpoint of 5 steps is at 4.
EPOCHS = [
    (Confidence(method="confidence", band=CalibratedBand(pass_rate=0.5, questions=8, samples=2), fraction=0.2), 1.6, 5),
    (RandomSubset(method="random", fraction=0.2), 1.0, 3),
    (Uniform(), 0.3, 5),  # 4.8 steps, and a step is whole
    (Curriculum(method="curriculum", by="pass_rate", stages=2, samples=2), 0.3125, 5),
]


def test_a_budget_that_the_selection_alone_spends_is_a_mistake_of_the_user(tmp_path: Path, shared: Path) -> None:
    selection = PassRate(method="pass_rate", samples=2, fraction=0.5)
    with pytest.raises(UserError, match=r"budget\.tokens: 50 of arm 'arm' are spent by its selection alone") as caught:
        run_job(cell(selection=selection, budget=Budget(tokens=50)), "spent", tmp_path / "runs/spent", shared)
    taken = int(str(caught.value).split("took ")[1].split(":")[0].replace(",", ""))
    assert 64 * 2 <= taken <= 64 * 2 * 16
    assert not (tmp_path / "runs/spent/done.json").exists()


@pytest.mark.parametrize(("selection", "epochs", "steps"), EPOCHS)
def test_epochs_count_passes_over_what_the_arm_may_draw_from_and_a_resumed_run_makes_the_same(
    tmp_path: Path, shared: Path, selection: Any, epochs: float, steps: int
) -> None:
    run_dir, study = tmp_path / "runs/e", cell(selection=selection, budget=Budget(epochs=epochs))
    run_job(study, "e", run_dir, shared)
    journal = Journal(run_dir)
    rows = journal.read_jsonl("steps.jsonl")
    assert [row["step"] for row in rows] == list(range(1, steps + 1))
    assert journal.read_json("done.json")["summary"]["steps"] == steps
    assert [e["step"] for e in journal.read_jsonl("evaluations.jsonl") if e["set"] == "test"][-1] == steps
    metrics, weights = metrics_of(run_dir), (run_dir / "policy/model.safetensors").read_bytes()
    chosen, ledger = [row["fresh"] for row in rows], journal.read_json("ledger.json")
    if steps == 3:
        assert len({q for fresh in chosen for q in fresh}) == 12  # one pass: each of them once
        return
    # As after a kill between the checkpoint at step 4 and the end, on a machine that has lost its cache of scores.
    (run_dir / "done.json").unlink()
    cache = tmp_path / "cache"
    shutil.copytree(shared / "cache", cache / "cache", ignore=shutil.ignore_patterns("scores", "pass_rates*"))
    shutil.copytree(shared / "cache/pass_rates", cache / "cache/pass_rates")  # of the report's picture of the pool
    run_job(study, "e", run_dir, cache)
    assert not (cache / "cache/scores").exists()  # what was selected is read, not selected again
    assert metrics_of(run_dir) == metrics
    assert [row["fresh"] for row in journal.read_jsonl("steps.jsonl")] == chosen
    assert (run_dir / "policy/model.safetensors").read_bytes() == weights
    again = journal.read_json("ledger.json")
    for phase, amounts in ledger.items():
        for name in ("generated_tokens", "scored_tokens", "trained_tokens", "completions"):
            assert again[phase][name] == amounts[name], (phase, name)


def test_the_record_of_a_selection_holds_its_centre_and_the_tokens_behind_a_confidence(
    tmp_path: Path, shared: Path
) -> None:
    def record(selection: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        name = str(len(list(tmp_path.glob("runs/*"))))
        one_step = cell().train.model_copy(update={"steps": 1})
        run_job(cell(selection=selection, train=one_step), name, tmp_path / "runs" / name, shared)
        journal = Journal(tmp_path / "runs" / name)
        return journal.read_json("selection.json"), journal.read_json("ledger.json")

    band = CalibratedBand(pass_rate=0.5, questions=8, samples=3)
    chosen, ledger = record(Confidence(method="confidence", target="solution", band=band, fraction=0.1))
    scores, centre = chosen["scores"], chosen["centre"]
    assert min(scores.values()) <= centre <= max(scores.values())
    nearest = sorted(scores, key=lambda q: abs(scores[q] - centre))[:6]
    assert set(chosen["kept"]) == set(nearest)
    problems = {problem.id: problem for problem in load_dataset(cell().dataset).train}
    tokens = {q: len(problem.solution) + len("#") + len(problem.answer) for q, problem in problems.items()}
    assert chosen["target_tokens"] == tokens  # one token per character
    assert ledger["probe"]["completions"] == 8 * 3

    chosen, ledger = record(PromptEntropy(method="prompt_entropy", band=EndBand(end="highest"), fraction=0.1))
    assert chosen["centre"] is None and chosen["target_tokens"] is None
    assert set(chosen["kept"]) == set(sorted(chosen["scores"], key=lambda q: -chosen["scores"][q])[:6])
    length = sum(len(problem.question) for problem in problems.values())
    assert ledger["score"]["scored_tokens"] == length and ledger["probe"]["completions"] == 0

    chosen, _ = record(Curriculum(method="curriculum", by="confidence", target="solution"))
    assert len(chosen["kept"]) == 64 and chosen["scores"] == scores and chosen["target_tokens"] == tokens


def test_a_subset_that_turns_out_smaller_than_a_batch_is_a_mistake_of_the_user(tmp_path: Path, shared: Path) -> None:
    selection = PassRate(method="hardest", samples=2, fraction=0.02)
    with pytest.raises(UserError, match="keeps 1 of 64 questions, fewer than the 4"):
        run_job(cell(selection=selection, budget=Budget(epochs=2)), "few", tmp_path / "runs/few", shared)


JOB = """
import sys, json, torch
from pathlib import Path
torch.set_num_threads(1)
from repro.spec.schema import Cell
from repro.training.job import run_job
run_job(Cell.model_validate_json(sys.argv[1]), sys.argv[2], Path(sys.argv[3]) / sys.argv[2], Path(sys.argv[4]))
"""


OTHER = TinyModel(width=12, layers=1, heads=3, warm_start=WarmStart(updates=40, batch_size=32, seed=1))
PREDICTOR = PredictorSpec(
    policies=[ModelSpec(tiny=OTHER)], questions=64, samples=2, towers=TowersSpec(width=8), fit=FitSpec(epochs=2)
)
ONLINE = {
    "untrained": {"selection": Difficulty(method="difficulty", references=4)},
    "trained": {
        "selection": Difficulty(method="difficulty", references=6, predictor="trained", reuse_references=True),
        "predictor": PREDICTOR,
    },
    "dynamic": {"selection": Dynamic(method="dynamic", most=2)},
    "speed": {"selection": Speed(method="speed", screening=2)},
}


SLOW = {"trained", "dynamic", "speed"}  # one kill is in `make test`, the others take as long again


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in ONLINE])
def test_a_killed_job_resumes_to_the_record_of_an_uninterrupted_one(name: str, tmp_path: Path, shared: Path) -> None:
    train = cell().train.model_copy(update={"steps": 12})
    evaluate = cell().evaluate.model_copy(update={"predictor_questions": 8})
    study = cell(train=train, evaluate=evaluate, replay=ReplaySpec(fresh=0.5, capacity=8), **ONLINE[name])
    run_job(study, "whole", tmp_path / "runs/whole", shared)

    command = [sys.executable, "-c", JOB, study.model_dump_json(), "killed", str(tmp_path / "runs"), str(shared)]
    process = subprocess.Popen(command, env=os.environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    steps = tmp_path / "runs/killed/steps.jsonl"
    deadline = time.monotonic() + 120
    while not (steps.exists() and steps.read_text().count("\n") >= 5):
        assert process.poll() is None, process.stderr.read().decode()  # type: ignore[union-attr]
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    journal = Journal(tmp_path / "runs/killed")
    assert not journal.finished
    redone = len(journal.read_jsonl("spent.jsonl"))

    run_job(study, "killed", tmp_path / "runs/killed", shared)
    assert journal.finished
    assert metrics_of(tmp_path / "runs/killed") == metrics_of(tmp_path / "runs/whole")
    for file in ("steps.jsonl", "evaluations.jsonl", "predictions.jsonl"):
        rows = [
            [{k: v for k, v in row.items() if k != "time"} for row in Journal(tmp_path / "runs" / run).read_jsonl(file)]
            for run in ("whole", "killed")
        ]
        assert rows[0] == rows[1]
    assert [row["step"] for row in rows[0]] == ([] if name in ("dynamic", "speed") else [2, 4, 6, 8, 10, 12])
    shown = [Journal(tmp_path / "runs" / run).read_json("attention.json") for run in ("whole", "killed")]
    assert shown[0] == shown[1] and (shown[0] is None) == (name in ("dynamic", "speed"))
    weights = [(tmp_path / "runs" / run / "policy/model.safetensors").read_bytes() for run in ("whole", "killed")]
    assert weights[0] == weights[1]
    useful = json.loads((tmp_path / "runs/whole/ledger.json").read_text())
    assert (
        json.loads((tmp_path / "runs/killed/ledger.json").read_text())["rollout"]["completions"]
        == (useful["rollout"]["completions"])
    )
    spent = journal.read_jsonl("spent.jsonl")
    assert len(spent) > redone
    assert sum(r["completions"] for r in spent if r["phase"] == "rollout") >= useful["rollout"]["completions"]


def test_a_run_killed_after_its_last_checkpoint_only_needs_its_marker(tmp_path: Path, shared: Path) -> None:
    run_job(cell(), "done", tmp_path / "runs/done", shared)
    run_dir = tmp_path / "runs/done"
    before = json.loads((run_dir / "done.json").read_text())["summary"]
    weights = (run_dir / "policy/model.safetensors").read_bytes()
    (run_dir / "done.json").unlink()
    (run_dir / "policy/model.safetensors").unlink()
    run_job(cell(), "done", run_dir, shared)
    assert json.loads((run_dir / "done.json").read_text())["summary"] == before
    assert (run_dir / "policy/model.safetensors").read_bytes() == weights
    assert len(Journal(run_dir).read_jsonl("steps.jsonl")) == 4


def test_main_sets_keep_their_series_apart(tmp_path: Path, shared: Path) -> None:
    evaluate = cell().evaluate.model_copy(update={"sets": ("extra", "validation", "test")})
    run_job(cell(evaluate=evaluate), "both", tmp_path / "runs/both", shared)
    journal = Journal(tmp_path / "runs/both")
    final = {e["set"]: e for e in journal.read_jsonl("evaluations.jsonl") if e["step"] == 4}
    summary = journal.read_json("done.json")["summary"]
    assert summary["eval/greedy"] == sum(final["test"]["greedy"].values()) / 16
    assert summary["eval/validation"] == sum(final["validation"]["passes"].values()) / (2 * 8)
    assert summary["eval/tokens"] == final["test"]["mean_tokens"]


def test_prompts_that_do_not_suit_the_policy_are_a_mistake_of_the_user(tmp_path: Path, shared: Path) -> None:
    spec = cell()
    long = cell(train=spec.train.model_copy(update={"max_completion_tokens": 300}))
    with pytest.raises(UserError, match="context of tiny-24x1 is 256"):
        run_job(long, "long", tmp_path / "runs/long", shared)
    named = cell(model=spec.model.model_copy(update={"system_prompt": "Be brief."}))
    with pytest.raises(UserError, match="no chat template"):
        run_job(named, "named", tmp_path / "runs/named", shared)
