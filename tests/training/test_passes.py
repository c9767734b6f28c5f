"""Spreading an update over several passes must change neither its gradient nor anything that follows from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import TrainerCallback

from repro.replay.replay_spec import ReplaySpec
from repro.training.checkpoint import last_checkpoint
from repro.training.config import passes_per_update
from repro.training.passes import split_minibatch
from repro.training.skip import LOSSES, keep_informative

from .conftest import TRAIN
from .test_skip import batch_of, dense_gradient


class Gradients(TrainerCallback):
    """The gradient of every update, as the optimizer gets it."""

    def __init__(self) -> None:
        self.seen: list[list[torch.Tensor]] = []

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        self.seen.append([p.grad.clone() for p in model.parameters() if p.grad is not None])


def test_passes_are_the_fewest_equal_ones_that_fit() -> None:
    def passes(micro: int | None, **fields: int) -> int:
        return passes_per_update(TRAIN.model_copy(update={"micro_batch": micro, **fields}))

    assert [passes(micro) for micro in (None, 99, 8, 7, 4, 3, 1)] == [1, 1, 1, 2, 2, 4, 8]
    assert passes(6, questions_per_step=3, group_size=7, minibatches=1) == 7  # 21 rows: parts of 7 are too many


@pytest.mark.parametrize("per_token", [False, True])
@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize("loss", LOSSES)
def test_the_gradients_of_the_parts_add_up_to_that_of_the_whole(
    make_trainer: Any, loss: str, skip: bool, per_token: bool
) -> None:
    trainer = make_trainer(train=TRAIN.model_copy(update={"loss": loss, "skip_zero_advantage": skip}))
    batch = batch_of(trainer, idle=[1])
    if per_token:  # as replayed rows have them under the proximal correction
        batch["advantages"] = batch["advantages"].unsqueeze(1) * torch.rand(batch["completion_ids"].shape)
    dense = dense_gradient(trainer, batch)
    kept, factor = keep_informative(batch, loss) if skip else (batch, 1.0)
    for passes in (3, 5):  # neither divides 12 or 16 rows into equal parts for both
        trainer.args.gradient_accumulation_steps = trainer.current_gradient_accumulation_steps = passes
        trainer.args.steps_per_generation = 2 * passes
        trainer.model.zero_grad()
        parts = split_minibatch(kept, passes, loss, factor)
        assert sum(len(part["completion_ids"]) for part in parts) == (12 if skip else 16)
        for part in parts:
            trainer._compute_loss(trainer.model, part).backward()
        for whole, parameter in zip(dense, trainer.model.parameters(), strict=True):
            torch.testing.assert_close(parameter.grad, whole, rtol=0, atol=1e-6)
        trainer.args.steps_per_generation, trainer.args.gradient_accumulation_steps = 2, 1
        trainer.current_gradient_accumulation_steps = 1


def test_a_minibatch_with_fewer_rows_than_passes_is_filled_up_without_weight(make_trainer: Any) -> None:
    trainer = make_trainer()
    batch = batch_of(trainer, idle=[0, 1, 2])
    dense = dense_gradient(trainer, batch)
    kept, factor = keep_informative(batch, "grpo")
    trainer.args.gradient_accumulation_steps = trainer.current_gradient_accumulation_steps = 6
    parts = split_minibatch(kept, 6, "grpo", factor)
    assert [part["loss_factor"] > 0 for part in parts] == [True] * 4 + [False] * 2
    trainer.model.zero_grad()
    for part in parts:
        trainer._compute_loss(trainer.model, part).backward()
    for whole, parameter in zip(dense, trainer.model.parameters(), strict=True):
        torch.testing.assert_close(parameter.grad, whole, rtol=0, atol=1e-6)


SHRINK = ReplaySpec(fresh=0.5, capacity=8, short="shrink", correction="proximal", filter="draw")
RUNS = [
    ({"loss": "bnpo"}, SHRINK, 3),  # 4 passes; a shrunk batch has 4 rows an update
    ({"loss": "grpo", "skip_zero_advantage": False, "kl": 0.01}, None, 4),  # as many passes as minibatches
    ({"loss": "dapo", "minibatches": 1}, ReplaySpec(fresh=0.5, capacity=8, correction="paper"), 5),
]


@pytest.mark.parametrize(("fields", "replay", "micro"), RUNS, ids=["shrink", "kl", "one_update"])
def test_a_run_in_passes_is_the_run_without(
    make_trainer: Any, start_policy: Any, tokenizer: Any, tmp_path: Path, fields: Any, replay: Any, micro: int
) -> None:
    start_policy.save_pretrained(tmp_path / "start")
    tokenizer.save_pretrained(tmp_path / "start")
    start_policy.config._name_or_path = str(tmp_path / "start")  # where TRL finds the reference of the KL term
    made = []
    for most in (None, micro):
        train = TRAIN.model_copy(update={"micro_batch": most, **fields})
        seen = Gradients()
        trainer = make_trainer(train=train, replay=replay, folder=f"{most}", callbacks=[seen])
        trainer.train()
        made.append((trainer, seen.seen))
    (whole, dense), (spread, parts) = made
    assert spread.args.gradient_accumulation_steps > 1
    assert spread.state.global_step == whole.state.global_step == len(parts) == len(dense)
    assert [r.fresh for r in spread.records] == [r.fresh for r in whole.records]
    assert [r.rewards for r in spread.records] == [r.rewards for r in whole.records]
    assert [r.replayed for r in spread.records] == [r.replayed for r in whole.records]
    for name in ("train/kept_rows", "train/completion_tokens"):
        assert [r.metrics[name] for r in spread.records] == [r.metrics[name] for r in whole.records]
    if replay is SHRINK:
        assert any(r.metrics["replay/shrunk"] > 0 for r in spread.records)
    for a, b in zip(dense[0], parts[0], strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-6)
    for a, b in zip(dense[-1], parts[-1], strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-4)  # the policies have drifted apart by rounding
    for a, b in zip(whole.model.parameters(), spread.model.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=2e-5)


class Killed(Exception):
    """Stands for a kill: raised where no handler of the trainer is."""


def test_a_run_killed_between_two_passes_resumes_bit_for_bit(make_trainer: Any) -> None:
    train = TRAIN.model_copy(update={"steps": 4, "micro_batch": 3, "learning_rate": 1e-3})
    replay = ReplaySpec(fresh=0.5, capacity=6)
    whole = make_trainer(train=train, replay=replay, folder="whole")
    whole.train()
    killed = make_trainer(train=train, replay=replay, folder="killed")
    training_step = killed.training_step

    def step_or_die(*arguments: Any) -> Any:
        if killed._step == 2 * 8 + 6:  # of the 8 passes of the third step
            raise Killed
        return training_step(*arguments)

    killed.training_step = step_or_die
    with pytest.raises(Killed):
        killed.train()
    resumed = make_trainer(train=train, replay=replay, folder="killed")
    checkpoint = last_checkpoint(Path(resumed.args.output_dir))
    assert checkpoint is not None and checkpoint.name == "checkpoint-4"
    resumed.restore(checkpoint)
    resumed.train(resume_from_checkpoint=str(checkpoint))
    assert resumed.state.global_step == whole.state.global_step == 8
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, resumed.model.state_dict()[name]), name
    assert [r.metrics for r in resumed.records] == [r.metrics for r in whole.records[2:]]


def test_checkpointing_activations_changes_no_weight(make_trainer: Any) -> None:
    policies = []
    for on in (False, True):
        train = TRAIN.model_copy(update={"steps": 2, "gradient_checkpointing": on, "micro_batch": 4})
        trainer = make_trainer(train=train, folder=f"checkpointing-{on}")
        trainer.train()
        assert trainer.model.is_gradient_checkpointing == on
        policies.append([p.detach().clone() for p in trainer.model.parameters()])
    for a, b in zip(*policies, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-7)
