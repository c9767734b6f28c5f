"""Training adapters: nothing else moves, resume is exact, the reference of the KL term is the start policy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from repro.models.flops import FlopCounter
from repro.models.model_spec import LoraSpec
from repro.models.modes import without_dropout
from repro.replay.replay_spec import ReplaySpec
from repro.training.checkpoint import last_checkpoint

from .conftest import TRAIN

LORA = LoraSpec(rank=4, alpha=8)
FAST = TRAIN.model_copy(update={"learning_rate": 1e-2})


def test_only_adapters_move_and_the_optimizer_holds_nothing_else(make_trainer: Any, start_policy: Any) -> None:
    trainer = make_trainer(train=FAST, lora=LORA, replay=ReplaySpec(fresh=0.5, capacity=8))
    trainer.train()
    before = dict(start_policy.named_parameters())
    moved = []
    for name, value in trainer.model.get_base_model().named_parameters():
        if "lora_" in name:
            moved.append(bool("lora_B" in name and value.abs().max() > 0))
        else:
            assert torch.equal(value, before[name.replace(".base_layer", "")]), name
    assert sum(moved) == 2 * 7  # seven linear layers a block; the output layer has none
    held = sum(p.numel() for group in trainer.optimizer.param_groups for p in group["params"])
    width, inner = 24, 96
    # rank x (inputs + outputs) of q, k, v, o and of the two up and one down projections, in each of 2 layers
    assert held == 2 * 4 * (4 * (width + width) + 3 * (width + inner))
    assert held == sum(p.numel() for p in trainer.model.parameters() if p.requires_grad)


def test_an_update_of_adapters_is_counted_without_the_gradients_of_frozen_weights(
    make_trainer: Any, start_policy: Any
) -> None:
    counter = FlopCounter.of(make_trainer(lora=LORA).model)
    full = FlopCounter.of(start_policy)
    assert full.frozen == 0 and full.update([5, 9]) == 3 * full.forward([5, 9])
    assert counter.frozen == full.parameters  # tied embeddings, so all of them count
    adapters = counter.parameters - counter.frozen
    attention = full.forward([5, 9]) - 2 * full.parameters * 14
    assert counter.update([5, 9]) == 3 * attention + 14 * (4 * counter.frozen + 6 * adapters)


@pytest.mark.parametrize("kl", [0.0, 0.1])
def test_a_killed_run_of_adapters_resumes_bit_for_bit(make_trainer: Any, kl: float) -> None:
    train = FAST.model_copy(update={"steps": 4, "kl": kl, "skip_zero_advantage": kl == 0, "micro_batch": 4})
    lora = LORA.model_copy(update={"dropout": 0.2})
    whole = make_trainer(train=train, lora=lora, folder="whole")
    whole.train()

    class Killed(Exception):
        pass

    killed = make_trainer(train=train, lora=lora, folder="killed")
    training_step = killed.training_step

    def step_or_die(*arguments: Any) -> Any:
        if killed.state.global_step == 5:
            raise Killed
        return training_step(*arguments)

    killed.training_step = step_or_die
    with pytest.raises(Killed):
        killed.train()
    resumed = make_trainer(train=train, lora=lora, folder="killed")
    checkpoint = last_checkpoint(Path(resumed.args.output_dir))
    assert checkpoint is not None and (checkpoint / "adapter_model.safetensors").is_file()
    assert not (checkpoint / "model.safetensors").exists() and not (checkpoint / "ref").exists()
    resumed.restore(checkpoint)
    resumed.train(resume_from_checkpoint=str(checkpoint))
    ours, theirs = whole.model.state_dict(), resumed.model.state_dict()
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        assert torch.equal(value, theirs[name]), name
    assert [r.metrics for r in resumed.records] == [r.metrics for r in whole.records[2:]]


def test_the_reference_of_the_kl_term_is_the_policy_without_its_adapters(make_trainer: Any, start_policy: Any) -> None:
    train = FAST.model_copy(update={"kl": 0.1, "skip_zero_advantage": False})
    trainer = make_trainer(train=train, lora=LORA)
    trainer.train()
    trainer.model.train()
    output = trainer._generate_and_score_completions([{"prompt": ""}] * 16)
    ids = torch.cat([output["prompt_ids"], output["completion_ids"]], 1)
    attention = torch.cat([output["prompt_mask"], output["completion_mask"]], 1)
    width = output["completion_ids"].shape[1]
    mask = output["completion_mask"].bool()
    with torch.no_grad():
        logits = start_policy(input_ids=ids, attention_mask=attention).logits[:, -width - 1 : -1]
    expected = logits.log_softmax(-1).gather(2, output["completion_ids"].unsqueeze(2)).squeeze(2)
    torch.testing.assert_close(output["ref_per_token_logps"][mask], expected[mask], rtol=0, atol=1e-5)
    assert (output["old_per_token_logps"][mask] - expected[mask]).abs().max() > 1e-3


def test_dropout_belongs_to_the_gradient_alone(make_trainer: Any) -> None:
    trainer = make_trainer(train=FAST, lora=LORA.model_copy(update={"dropout": 0.5}))
    trainer.train()
    trainer.model.train()
    output = trainer._generate_and_score_completions([{"prompt": ""}] * 16)
    again = trainer._logps(
        {key: output[key] for key in ("prompt_ids", "prompt_mask", "completion_ids", "completion_mask")}
    )
    tokens = output["completion_mask"].bool()
    torch.testing.assert_close(again[tokens], output["old_per_token_logps"][tokens], rtol=0, atol=1e-5)
    ids, mask = output["prompt_ids"], output["prompt_mask"]
    with torch.no_grad():
        noisy = [trainer.model(input_ids=ids, attention_mask=mask).logits for _ in range(2)]
        with without_dropout(trainer.model):
            assert trainer.model.training
            still = [trainer.model(input_ids=ids, attention_mask=mask).logits for _ in range(2)]
    assert not torch.equal(*noisy) and torch.equal(*still)
    assert all(module.training for module in trainer.model.modules())
