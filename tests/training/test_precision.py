"""bfloat16 arithmetic over float32 weights: what is rounded, what is not, and a whole job of adapters in it."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from repro.cache import Cache
from repro.models.model_spec import LoraSpec, ModelSpec, TinyModel
from repro.models.modes import compute_in
from repro.models.policy import load_policy
from repro.models.sampling import mean_entropy, sample
from repro.scoring.confidence import score_confidence
from repro.scoring.embeddings import embed_questions
from repro.tasks.datasets import load_dataset
from repro.tracking.journal import Journal
from repro.training.job import run_job

from .conftest import TRAIN
from .test_job import cell, metrics_of, shared, store  # noqa: F401


def share_moved(trainer: Any) -> float:
    before = [p.detach().clone() for p in trainer.model.parameters()]
    trainer.train()
    moved = [(a != b).flatten() for a, b in zip(before, trainer.model.parameters(), strict=True)]
    return float(torch.cat(moved).float().mean())


def test_a_small_rate_moves_float32_weights_and_leaves_bfloat16_weights_where_they_are(make_trainer: Any) -> None:
    slow = TRAIN.model_copy(update={"learning_rate": 1e-6, "steps": 1})
    master = make_trainer(train=slow.model_copy(update={"precision": "bfloat16"}), folder="master")
    assert share_moved(master) > 0.5
    assert {p.dtype for p in master.model.parameters()} == {torch.float32}
    moments = [slot for state in master.optimizer.state.values() for slot in state.values() if torch.is_tensor(slot)]
    assert {slot.dtype for slot in moments} == {torch.float32}
    half = make_trainer(train=slow, folder="half")
    half.model.to(torch.bfloat16)
    assert share_moved(half) < 0.05


def test_sampling_and_entropy_compute_in_the_precision_of_training(start_policy: Any, tokenizer: Any) -> None:
    prompts, completions = ["1+2?", "3*4-5?"], ["1+2=3#3", "3*4=12"]
    plain = mean_entropy(start_policy, tokenizer, prompts, completions)
    seen: list[torch.dtype] = []
    hook = start_policy.model.layers[0].self_attn.q_proj.register_forward_hook(lambda *call: seen.append(call[2].dtype))
    options: dict[str, Any] = {"samples": 2, "temperature": 1.0, "top_p": 1.0, "max_new_tokens": 4, "seed": 0}
    try:
        compute_in(start_policy, "bfloat16")
        rounded = mean_entropy(start_policy, tokenizer, prompts, completions)
        sample(start_policy, tokenizer, prompts, **options)
        assert set(seen) == {torch.bfloat16}
        compute_in(start_policy, "float32")
        seen.clear()
        assert mean_entropy(start_policy, tokenizer, prompts, completions) == plain
        assert set(seen) == {torch.float32}
    finally:
        hook.remove()
        compute_in(start_policy, "float32")
    assert rounded != plain
    assert rounded == pytest.approx(plain, rel=1e-2)


def test_a_pass_over_given_text_computes_in_the_type_of_the_weights(make_trainer: Any, tokenizer: Any) -> None:
    """Whatever training computes in, and though accelerate makes a model that is trained cast."""
    trainer = make_trainer(train=TRAIN.model_copy(update={"precision": "bfloat16", "steps": 1}))
    model, prompts, targets = trainer.policy, ["1+2?", "3*4-5?"], ["1+2=3#3", "3*4=12"]
    start = copy.deepcopy(model.state_dict())

    def measured() -> list[float]:
        confidences = score_confidence(model, tokenizer, prompts, targets).s
        return [*confidences, *embed_questions(model, tokenizer, prompts)[0].ravel()]

    def logits() -> torch.Tensor:
        found: torch.Tensor = model(torch.tensor([[3, 4, 5]])).logits
        return found

    plain, exact = measured(), logits()
    compute_in(model, "bfloat16")
    assert measured() == plain
    trainer.train()
    model.load_state_dict(start)
    model.eval()
    assert not torch.equal(logits(), exact), "it casts now"
    assert measured() == plain
    assert not torch.equal(logits(), exact), "and still does"


def test_a_job_of_adapters_in_bfloat16_is_recorded_saved_and_finished_after_a_kill(
    tmp_path: Path,
    shared: Path,  # noqa: F811
) -> None:
    memory = {"precision": "bfloat16", "micro_batch": 3, "gradient_checkpointing": True}
    train = cell().train.model_copy(update={**memory, "learning_rate": 1e-2, "steps": 2, "max_completion_tokens": 40})
    study = cell(model=ModelSpec(tiny=TinyModel(), lora=LoraSpec(rank=4)), train=train)
    run_dir = tmp_path / "runs/lora"
    run_job(study, "lora", run_dir, shared)
    journal = Journal(run_dir)
    counted = journal.read_json("base.json")["parameters"]
    saved = load_file(run_dir / "policy/adapter_model.safetensors")
    assert counted["trained"] == sum(value.numel() for value in saved.values()) < counted["total"] / 2
    assert {value.dtype for value in saved.values()} == {torch.float32}
    assert any(value.abs().max() > 0 for name, value in saved.items() if "lora_B" in name)
    metrics = metrics_of(run_dir)
    # As after a kill between the last checkpoint and the marker.
    (run_dir / "done.json").unlink()
    weights = (run_dir / "policy/adapter_model.safetensors").read_bytes()
    (run_dir / "policy/adapter_model.safetensors").unlink()
    run_job(study, "lora", run_dir, shared)
    assert (run_dir / "policy/adapter_model.safetensors").read_bytes() == weights
    assert metrics_of(run_dir) == metrics
    # What was saved is a policy that another study may start from.
    data, cache = load_dataset(study.dataset), Cache(shared / "cache")
    again = load_policy(ModelSpec(path=str(run_dir / "policy")), study.dataset, data, cache)
    assert again.parameters["trained"] == again.parameters["total"] == counted["total"] - counted["trained"]
    policy = load_policy(study.model, study.dataset, data, cache)
    plain = policy.identity
    assert policy.sampling_identity == plain
    policy.compute_in("bfloat16")
    assert (policy.identity, policy.sampling_identity) == (plain, f"{plain}-bfloat16")
