"""Benchmarks in a whole run: evaluated when due, averaged, recorded by problem, and never sampled twice."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from repro.errors import UserError
from repro.spec.schema import EvaluateSpec
from repro.tasks.benchmark_spec import Benchmark
from repro.tasks.datasets import load_dataset
from repro.tracking.journal import Journal
from repro.training.benchmarks import load_benchmarks
from repro.training.job import run_job
from tests.training.test_job import cell


def test_benchmarks_are_evaluated_with_the_test_set_and_their_mean_is_logged(
    tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copyfile(empty_store, tmp_path / "mlflow.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    monkeypatch.chdir(tmp_path)
    data = load_dataset(cell().dataset)
    for name, problems in (("same", data.test), ("train", data.train[:5])):
        rows = [{"question": problem.question, "answer": problem.answer} for problem in problems]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    benchmarks = [{"path": "same.jsonl"}, {"path": "train.jsonl", "name": "seen", "samples": 3, "temperature": 0.5}]
    evaluate = EvaluateSpec.model_validate(
        {"every": 2, "samples": 2, "pool_samples": 2, "base_temperatures": [0.5], "benchmarks": benchmarks}
    )
    with pytest.warns(UserWarning, match="5 training questions are the same and 0 nearly .* 5 questions of seen"):
        run_job(cell(evaluate=evaluate), "id", tmp_path / "run", tmp_path)
    journal = Journal(tmp_path / "run")
    record = journal.read_json("data.json")
    assert record["questions"] | {"pool_like": 0} == {
        "train": 64,
        "validation": 8,
        "test": 16,
        "pool_like": 0,
        "same": 16,
        "seen": 5,
    }
    assert [(overlap["set"], overlap["exact"]) for overlap in record["overlaps"]] == [("seen", 5)]

    evaluations = {(row["step"], row["set"]): row for row in journal.read_jsonl("evaluations.jsonl")}
    logged = {
        row["step"]: row["metrics"] for row in journal.read_jsonl("metrics.jsonl") if "eval/same" in row["metrics"]
    }
    assert sorted(logged) == [0, 2, 4]
    for step, metrics in logged.items():
        test, same, seen = (evaluations[step, name] for name in ("test", "same", "seen"))
        assert list(same["passes"].values()) == list(test["passes"].values())
        assert set(same["passes"]).isdisjoint(test["passes"])  # its own ids
        assert (seen["samples"], seen["temperature"], len(seen["passes"])) == (3, 0.5, 5)
        assert metrics["eval/same"] == metrics["eval/accuracy"]
        assert metrics["eval/seen"] == pytest.approx(sum(seen["passes"].values()) / 15)
        assert metrics["eval/benchmarks"] == pytest.approx((metrics["eval/same"] + metrics["eval/seen"]) / 2)


def test_a_benchmark_that_cannot_be_loaded_is_named(tmp_path: Path) -> None:
    evaluate = EvaluateSpec(benchmarks=[Benchmark(path=str(tmp_path / "none.jsonl"))])
    with pytest.raises(UserError, match=r"evaluate.benchmarks: none: .*none.jsonl does not exist"):
        load_benchmarks(evaluate)


def test_a_benchmark_is_cut_to_its_questions_and_may_have_a_layout_of_its_own(tmp_path: Path) -> None:
    rows = [{"task": {"text": f"Q{number}"}, "gold": number} for number in range(6)]
    (tmp_path / "test.json").write_text(json.dumps(rows))
    layout = {"question": "task.text", "answer": "gold"}
    evaluate = EvaluateSpec.model_validate(
        {
            "questions": 4,
            "top_p": 0.9,
            "benchmarks": [
                {"path": str(tmp_path), "name": "folder", **layout},
                {"path": str(tmp_path / "test.json"), "name": "file", "questions": 2, "top_p": 0.5, **layout},
            ],
        }
    )
    folder, file = load_benchmarks(evaluate)
    assert [problem.answer for problem in folder.problems] == ["0", "1", "2", "3"]
    assert [problem.question for problem in file.problems] == ["Q0", "Q1"]
    assert (folder.samples, folder.top_p, file.top_p) == (4, 0.9, 0.5)
