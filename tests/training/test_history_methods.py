"""The methods that learn from earlier rewards in a real run: with replay, resumed, and an oracle that does not pay."""

from __future__ import annotations

from pathlib import Path

from repro.spec.budget_spec import Budget
from repro.spec.schema import EvaluateSpec, ReplaySpec
from repro.tracking.journal import Journal
from repro.tracking.series import SPEND
from repro.training.budget import budget_used
from repro.training.job import run_job
from repro.training.ledger import Ledger

from .chorus import MEMBERS, Chorus
from .test_job import cell, metrics_of, shared, store  # noqa: F401 - fixtures


def test_all_of_them_train_with_replay_and_resume_to_the_same_choices(tmp_path: Path, shared: Path) -> None:  # noqa: F811
    train = cell().train.model_copy(update={"steps": 3, "questions_per_step": 14})
    evaluate = EvaluateSpec(every=2, samples=1, pool_samples=1, base_temperatures=())
    chorus, replay = Chorus(method="tests.training.chorus:Chorus"), ReplaySpec(fresh=0.5, capacity=14)
    study = cell(selection=chorus, train=train, evaluate=evaluate, replay=replay)
    run_dir = tmp_path / "runs/all"
    run_job(study, "all", run_dir, shared)
    journal = Journal(run_dir)
    chosen, ledger = [row["fresh"] for row in journal.read_jsonl("steps.jsonl")], journal.read_json("ledger.json")
    assert len(chosen[0]) == 14 and all(len(set(fresh)) == len(fresh) >= len(MEMBERS) for fresh in chosen)
    assert ledger["oracle"]["completions"] == 2 * 16 * 2  # a quarter of 64 questions at steps 1 and 3
    assert ledger["probe"]["completions"] == 64 * 2  # pass rates of the start policy, asked for thrice and paid once
    metrics = metrics_of(run_dir)
    final = [row for _, row in metrics if "cost/generated_tokens" in row][-1]
    assert final["cost/generated_tokens"] == sum(ledger[phase]["generated_tokens"] for phase in SPEND)
    assert ledger["oracle"]["generated_tokens"] > 0 and "oracle" not in SPEND
    told = {name.split("_", 1)[1] for _, row in metrics for name in row if name.startswith("select/")}
    assert {"posterior_mean", "between_anchors", "target_difficulty", "ability", "learnability", "left"} <= told
    # As after a kill between the checkpoint at step 2 and the end.
    (run_dir / "done.json").unlink()
    run_job(study, "all", run_dir, shared)
    assert [row["fresh"] for row in journal.read_jsonl("steps.jsonl")] == chosen
    assert metrics_of(run_dir) == metrics
    assert journal.read_json("ledger.json")["oracle"]["completions"] == 2 * 16 * 2


def test_what_an_oracle_probes_is_part_of_no_budget_and_of_no_cost() -> None:
    ledger = Ledger()
    ledger.add("oracle", generated_tokens=1000, completions=10, seconds=9.0)
    ledger.add("probe", generated_tokens=30)
    assert budget_used(Budget(tokens=100), ledger) == 0.3 and budget_used(Budget(seconds=9), ledger) == 0
    assert ledger.metrics()["cost/generated_tokens"] == 30 and ledger.metrics()["cost/completions"] == 0
