"""Warnings about settings that do what they say and are hardly meant."""

from __future__ import annotations

import pytest
import torch

from repro.study.risks import BITS, TYPICAL_WEIGHT, least_rate
from tests.conftest import Load

HUB = (
    "name: study\nmodel: {{hub: a/b, revision: v1, {fields}}}\n"
    "dataset: {{hub: c/d}}\ntrain: {{learning_rate: {rate}}}\n{arms}"
)
ARMS = "arms: {full: {}}\n"


@pytest.mark.parametrize("dtype", BITS)
def test_the_least_rate_is_where_a_typical_weight_stops_to_move(dtype: str) -> None:
    weight = torch.tensor(TYPICAL_WEIGHT, dtype=getattr(torch, dtype))
    moved = [bool(weight - factor * least_rate(dtype) != weight) for factor in (0.95, 1.05)]
    assert moved == [False, True]


@pytest.mark.parametrize(
    ("fields", "rate", "warned"),
    [
        ("dtype: bfloat16", "1e-6", True),
        ("dtype: float16", "1e-6", True),
        ("dtype: bfloat16", "1e-4", False),
        ("dtype: float16", "1e-5", False),
        ("dtype: bfloat16, lora: {}", "1e-6", False),
        ("dtype: float32", "1e-6", False),
    ],
)
def test_updates_that_vanish_in_half_precision_are_warned_about(
    load: Load, fields: str, rate: str, warned: bool
) -> None:
    warnings = load(HUB.format(fields=fields, rate=rate, arms=ARMS)).warnings
    assert len(warnings) == warned
    if warned:
        assert "model.dtype: warning: got " in warnings[0] and "train.precision bfloat16" in warnings[0]


def test_the_rate_of_an_arm_counts_too(load: Load) -> None:
    arms = "arms: {full: {}, slow: {train: {learning_rate: 1e-6}}}\n"
    assert len(load(HUB.format(fields="dtype: bfloat16", rate="1e-3", arms=arms)).warnings) == 1


def test_hub_models_without_a_revision_are_told_in_one_line(load: Load) -> None:
    models = "name: study\nmodel: [{hub: a/b}, {hub: a/c}, {hub: a/d, revision: main}]\ndataset: {hub: c/d}\n"
    (warning,) = load(models + ARMS).warnings
    assert "model: warning: a/b and 1 more without a revision" in warning


def test_a_smoke_study_has_stand_ins_and_says_so(load: Load) -> None:
    text = (
        "name: study\n"
        "model: {hub: Qwen/Qwen2.5-3B, revision: v1, system_prompt: dots_rr, dtype: float32, lora: {rank: 8}}\n"
        "dataset: {hub: c/d}\n"
        "predictor: {embedder: {hub: e/f, revision: v1}, max_completion_tokens: 3072, policies: "
        "[{hub: mistralai/Mathstral-7B-v0.1, revision: v1, dtype: bfloat16}, {path: there}]}\n"
        "train: {precision: bfloat16, micro_batch: 4, gradient_checkpointing: true}\n"
        "arms: {dots: {selection: {method: difficulty, predictor: trained}}}\n"
    )
    loaded = load(text, smoke=True)
    (model,), predictor = loaded.spec.model, loaded.spec.predictor
    assert model.stand_in and model.revision is None and model.label == "Qwen2.5-3B"
    assert model.lora is not None and model.lora.rank == 8
    assert model.system_prompt is not None and model.system_prompt.startswith("Let's think")
    train = loaded.spec.train
    assert (train.precision, train.micro_batch, train.gradient_checkpointing) == ("bfloat16", 4, True)
    assert predictor is not None and predictor.embedder is not None and predictor.max_completion_tokens == 32
    assert [policy.stand_in for policy in predictor.policies] == [True, False]
    assert predictor.policies[0].dtype == "bfloat16" and predictor.embedder.stand_in
    assert [line.split(":")[0] for line in loaded.notes] == [
        "stand-in for Qwen/Qwen2.5-3B",
        "stand-in for mistralai/Mathstral-7B-v0.1",
        "stand-in for e/f",
        "note",  # on the questions
    ]
    assert load(text).notes == ()
