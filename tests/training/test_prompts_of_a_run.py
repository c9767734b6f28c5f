"""A run whose prompts show examples and whose dataset has rows that cannot be used."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from repro.models.model_spec import ModelSpec
from repro.selection.methods.uniform import Uniform
from repro.spec.schema import Cell, EvaluateSpec, TrainSpec
from repro.tasks.benchmark_spec import Benchmark
from repro.tasks.dataset_spec import DatasetSpec
from repro.tracking.journal import Journal
from repro.training.job import GRPOJob

SHOT = {"question": "What is 1 plus 1?", "answer": "1 + 1 = 2\n#### 2"}


def test_a_run_says_what_it_left_out_and_shows_its_examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [{"question": f"What is {i} plus {i}?", "answer": str(2 * i)} for i in range(20)]
    lines = [json.dumps(row) for row in rows]
    lines[7] = '{"question": "What is 7 plus 7?", "answer": '
    lines[9] = json.dumps({"question": "What is it? " * 40, "answer": "1"})
    (tmp_path / "train.jsonl").write_text("\n".join(lines))
    (tmp_path / "test.jsonl").write_text(json.dumps({"question": "What is 50 plus 50?", "answer": "100"}))
    (tmp_path / "bench.jsonl").write_text('{"question": "What is 60 plus 60?", "answer": 120}\n{"question": "Why?"}')
    cell = Cell(
        spec="test",
        arm="arm",
        model=ModelSpec(hub="Qwen/Qwen2.5-0.5B", stand_in=True, system_prompt="Think.", examples=[SHOT]),
        dataset=DatasetSpec(
            path=str(tmp_path / "train.jsonl"),
            test_path=str(tmp_path / "test.jsonl"),
            validation_fraction=0,
            unreadable="drop",
            too_long="drop",
        ),
        train=TrainSpec(
            steps=1,
            questions_per_step=2,
            group_size=2,
            minibatches=1,
            max_completion_tokens=4,
            max_prompt_tokens=200,
        ),
        evaluate=EvaluateSpec(
            every=1,
            samples=1,
            pool_samples=1,
            base_temperatures=(),
            benchmarks=[Benchmark(path=str(tmp_path / "bench.jsonl"), unreadable="drop")],
        ),
        selection=Uniform(),
        replay=None,
        budget=None,
        seed=0,
    )
    with pytest.warns(UserWarning, match="dropped"):
        job = GRPOJob(cell, "one", tmp_path / "runs/one", tmp_path)
    job.run()
    prompt = (
        "<system>Think.\n<user>What is 1 plus 1?\n<assistant>1 + 1 = 2\n#### 2\n<user>What is 0 plus 0?\n<assistant>"
    )
    assert job.sampler.prompts(job.data.train)[0] == prompt
    record = Journal(tmp_path / "runs/one").read_json("data.json")
    assert record["questions"] == {"train": 17, "validation": 0, "test": 1, "bench": 1}
    *own, bench = record["dropped"]
    assert (bench["set"], bench["reason"], bench["count"]) == ("bench", "unreadable", 1)
    found = {one["reason"]: (one["set"], one["count"], one["what"]) for one in own}
    assert set(found) == {"unreadable", "too_long", "examples"}
    assert all(kind[:2] == ("train", 1) for kind in found.values())
    assert "train.jsonl:8: not JSON" in found["unreadable"][2]
    assert "'train.jsonl:10'" in found["too_long"][2] and "train.max_prompt_tokens is 200" in found["too_long"][2]
    assert "'train.jsonl:2'" in found["examples"][2]
