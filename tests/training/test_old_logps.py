"""The pass over log-probs before the updates, which is left out where sampling told them: no gradient changes."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from repro.models.model_spec import LoraSpec
from repro.spec.schema import ReplaySpec

from .conftest import TRAIN

CASES: dict[str, dict[str, Any]] = {
    "several updates": {"train": TRAIN.model_copy(update={"temperature": 0.7})},
    "one update and a buffer": {
        "train": TRAIN.model_copy(update={"minibatches": 1}),
        "replay": ReplaySpec(fresh=0.5, capacity=8),
    },
    # Of a reference TRL asks the log-probs by the same method, after those that are left out.
    "a reference": {
        "train": TRAIN.model_copy(update={"kl": 0.1, "skip_zero_advantage": False}),
        "lora": LoraSpec(rank=4),
    },
}


def disturb(trainer: Any, seed: int) -> None:
    """Move what is trained, as an update would; equally for equal trainers."""
    noise = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in trainer.model.parameters():
            if parameter.requires_grad:
                parameter += 0.05 * torch.randn(parameter.shape, generator=noise)


def batch_of(trainer: Any) -> dict[str, Any]:
    trainer.model.train()
    output: dict[str, Any] = trainer._generate_and_score_completions([{"prompt": ""}] * 16)
    return output


def gradient(trainer: Any, batch: dict[str, Any]) -> torch.Tensor:
    trainer.model.zero_grad()
    trainer.current_gradient_accumulation_steps = 1
    trainer._compute_loss(trainer.model, batch).backward()
    return torch.cat([p.grad.flatten() for p in trainer.model.parameters() if p.grad is not None])


@pytest.mark.parametrize("case", CASES)
def test_the_gradient_is_that_of_log_probs_from_a_pass(make_trainer: Any, case: str) -> None:
    """At the weights that sampled and at others, as after an update, where the ratio is not 1."""
    found: dict[str, list[torch.Tensor]] = {}
    scored: dict[str, int] = {}
    for way in ("left out", "made"):
        trainer = make_trainer(folder=way, **CASES[case])
        disturb(trainer, 1)
        if way == "made":
            make = trainer.rollouts.make
            trainer.rollouts.make = lambda *given, make=make: (make(*given)[0], None)  # sampling tells nothing
        batch = batch_of(trainer)
        scored[way] = trainer.ledger.cost("train").scored_tokens
        tokens = int(batch["prompt_mask"].sum() + batch["completion_mask"].sum())
        found[way] = [gradient(trainer, batch)]
        disturb(trainer, 2)
        found[way].append(gradient(trainer, batch))
        as_now = {key: value for key, value in batch.items() if key != "old_per_token_logps"}
        assert (gradient(trainer, as_now) - found[way][1]).abs().max() > 1e-3, "old log-probs matter"
    assert scored["made"] - scored["left out"] == tokens
    for ours, theirs in zip(found["left out"], found["made"], strict=True):
        assert theirs.abs().max() > 1e-2
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)


def test_in_half_precision_the_pass_is_made(make_trainer: Any) -> None:
    """Sampling rounds otherwise than a pass over whole completions does there."""
    trainer = make_trainer(train=TRAIN.model_copy(update={"precision": "bfloat16"}))
    batch = batch_of(trainer)
    tokens = int(batch["prompt_mask"].sum() + batch["completion_mask"].sum())
    assert trainer.ledger.cost("train").scored_tokens == tokens
