"""Temperature, nucleus and length of a spec reach every completion of a run: rollouts, probes and evaluations."""

from __future__ import annotations

import shutil
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import torch

from repro.models import sampling
from repro.models.model_spec import ModelSpec, TinyModel, WarmStart
from repro.selection.methods.difficulty import Difficulty
from repro.spec.schema import Cell, EvaluateSpec, TrainSpec
from repro.tasks.dataset_spec import DatasetSpec
from repro.tasks.made.arithmetic import Arithmetic
from repro.training import rollouts
from repro.training.evaluation import Sampler
from repro.training.job import run_job

TRAIN = (0.7, 0.4)
EVALUATE = (1.3, 0.8)
"""Temperature and nucleus: the second keeps tokens that the first leaves out."""
LENGTH = 9
CELL = Cell(
    spec="test",
    arm="arm",
    model=ModelSpec(tiny=TinyModel(width=24, layers=1, heads=3, warm_start=WarmStart(updates=4, batch_size=16))),
    dataset=DatasetSpec(arithmetic=Arithmetic(pool=24, test=12, validation=0)),
    train=TrainSpec(
        steps=2,
        questions_per_step=4,
        group_size=4,
        minibatches=2,
        max_completion_tokens=LENGTH,
        temperature=TRAIN[0],
        top_p=TRAIN[1],
    ),
    evaluate=EvaluateSpec(
        every=1,
        samples=4,
        sets=("test",),
        pool_samples=1,
        temperature=EVALUATE[0],
        top_p=EVALUATE[1],
        base_temperatures=(),
    ),
    selection=Difficulty(method="difficulty", references=8, every=1),
    replay=None,
    budget=None,
    seed=0,
)


def inside(model: Any, prompt: list[int], completion: list[int], temperature: float, top_p: float) -> list[bool]:
    """Of each token, whether the likelier ones have less than `top_p` between them, in double precision."""
    with torch.no_grad():
        logits = model(torch.tensor([prompt + completion])).logits[0, len(prompt) - 1 : -1].double()  # (T, V)
    rows = (logits / temperature).softmax(-1)
    return [
        bool(row[row > row[token] + 1e-6].sum() < top_p + 1e-4) for row, token in zip(rows, completion, strict=True)
    ]


def test_every_completion_is_of_the_temperature_nucleus_and_length_that_the_spec_says(
    tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copyfile(empty_store, tmp_path / "mlflow.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    kept: dict[tuple[str, tuple[float, float]], list[bool]] = defaultdict(list)
    lengths: dict[str, list[int]] = defaultdict(list)
    phases = ["rollout"]
    complete, completions = sampling.complete, Sampler.completions

    def asked(self: Sampler, problems: Any, samples: int, temperature: float, *more: Any, **options: Any) -> Any:
        phases.append(more[2] if temperature else "greedy")
        try:
            return completions(self, problems, samples, temperature, *more, **options)
        finally:
            phases.pop()

    def made(model: Any, prompt_ids: Any, *more: Any, **options: Any) -> Any:
        found = complete(model, prompt_ids, *more, **options)
        for prompt, completion in zip(prompt_ids, found[0], strict=True):
            lengths[phases[-1]].append(len(completion))
            for way in (TRAIN, EVALUATE):
                kept[phases[-1], way] += inside(model, list(prompt), list(completion), *way)
        return found

    monkeypatch.setattr(Sampler, "completions", asked)
    monkeypatch.setattr(sampling, "complete", made)
    monkeypatch.setattr(rollouts, "complete", made)
    run_job(CELL, "run", tmp_path / "runs/run", tmp_path / "shared")
    assert lengths.keys() >= {"rollout", "probe", "evaluate"}
    assert all(max(found) == LENGTH for found in lengths.values())
    for phase in ("rollout", "probe"):
        assert len(kept[phase, TRAIN]) > 100 and all(kept[phase, TRAIN]), phase
    assert all(kept["evaluate", EVALUATE])
    assert sum(kept["evaluate", TRAIN]) < 0.9 * len(kept["evaluate", TRAIN])
