"""Leaving rows without advantage out must not change the gradient of any supported loss."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from trl import GRPOTrainer

from repro.training.skip import LOSSES, keep_informative

from .conftest import TRAIN, coin


def dense_gradient(trainer: Any, minibatch: dict[str, Any]) -> list[torch.Tensor]:
    """Gradient of TRL's own loss over all rows."""
    trainer.model.zero_grad()
    GRPOTrainer._compute_loss(trainer, trainer.model, minibatch).backward()
    return [parameter.grad.clone() for parameter in trainer.model.parameters()]


def kept_gradient(trainer: Any, minibatch: dict[str, Any]) -> tuple[list[torch.Tensor], int]:
    """Gradient of our loss over the kept rows, and how many those are."""
    kept, factor = keep_informative(minibatch, trainer.train_spec.loss)
    trainer.model.zero_grad()
    trainer._compute_loss(trainer.model, {**kept, "loss_factor": factor}).backward()
    return [parameter.grad.clone() for parameter in trainer.model.parameters()], len(kept["completion_ids"])


def batch_of(trainer: Any, idle: list[int]) -> dict[str, Any]:
    """A real generation batch in which the given groups have no advantage, old log-probs a little off."""
    trainer.model.train()
    trainer.current_gradient_accumulation_steps = 1
    output = trainer._generate_and_score_completions([{"prompt": ""}] * 16)
    torch.manual_seed(3)
    rows = output["advantages"].shape[0]
    output["advantages"] = torch.randn(rows)
    for group in idle:
        output["advantages"][4 * group : 4 * group + 4] = 0.0
    output["old_per_token_logps"] = output["old_per_token_logps"] + 0.3 * torch.randn_like(
        output["old_per_token_logps"]
    )
    return output


@pytest.mark.parametrize("per_token", [False, True])
@pytest.mark.parametrize("loss", LOSSES)
def test_the_gradient_without_idle_rows_is_that_of_all_rows(make_trainer: Any, loss: str, per_token: bool) -> None:
    trainer = make_trainer(train=TRAIN.model_copy(update={"loss": loss}))
    batch = batch_of(trainer, idle=[0, 2])
    if per_token:
        batch["advantages"] = batch["advantages"].unsqueeze(1) * torch.rand(batch["completion_ids"].shape)
    dense = dense_gradient(trainer, batch)
    ours, rows = kept_gradient(trainer, batch)
    assert rows == 8
    assert max(float(g.abs().max()) for g in dense) > 1e-3
    for a, b in zip(dense, ours, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-6)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_minibatch_without_any_advantage_keeps_one_row_and_has_zero_gradient(make_trainer: Any, loss: str) -> None:
    trainer = make_trainer(train=TRAIN.model_copy(update={"loss": loss}))
    batch = batch_of(trainer, idle=[0, 1, 2, 3])
    ours, rows = kept_gradient(trainer, batch)
    assert rows == 1
    assert all(float(gradient.abs().max()) == 0 for gradient in ours)


def test_a_wrong_factor_would_be_seen(make_trainer: Any) -> None:
    trainer = make_trainer()
    batch = batch_of(trainer, idle=[0, 2])
    kept, factor = keep_informative(batch, "grpo")
    assert factor == 0.5
    dense = dense_gradient(trainer, batch)
    trainer.model.zero_grad()
    trainer._compute_loss(trainer.model, {**kept, "loss_factor": 1.0}).backward()
    gaps = [(p.grad - g).abs().max() for p, g in zip(trainer.model.parameters(), dense, strict=True)]
    assert max(map(float, gaps)) > 1e-3


@pytest.mark.parametrize("loss", LOSSES)
def test_training_with_and_without_idle_rows_gives_the_same_policy_also_through_momentum(
    make_trainer: Any, loss: str
) -> None:
    """The second step has no informative group at all: Adam moves by its momentum alone, in both."""
    policies = []
    for skip in (True, False):
        train = TRAIN.model_copy(update={"loss": loss, "steps": 2, "skip_zero_advantage": skip})
        trainer = make_trainer(train=train, folder=f"skip-{skip}")
        trainer.grades.verifier = lambda text, gold, t=trainer: t.state.global_step < 2 and coin(text, gold)
        trainer.train()
        assert trainer.records[0].metrics["train/zero_variance"] < 1
        assert trainer.records[1].metrics["train/zero_variance"] == 1
        assert trainer.records[1].metrics["train/kept_rows"] == (2 if skip else 16)
        policies.append([p.detach().clone() for p in trainer.model.parameters()])
    for a, b in zip(*policies, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=2e-6)


def test_an_unknown_loss_or_an_unknown_row_entry_is_refused(make_trainer: Any) -> None:
    batch = batch_of(make_trainer(), idle=[0])
    with pytest.raises(ValueError, match="cispo"):
        keep_informative(batch, "cispo")
    with pytest.raises(ValueError, match="pixel_values"):
        keep_informative({**batch, "pixel_values": torch.zeros(16, 2)}, "grpo")
