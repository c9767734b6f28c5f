"""The KL term in real updates of every kind, against its formula; its reference is the start policy and stays it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from repro.models.model_spec import LoraSpec
from repro.replay.replay_spec import ReplaySpec
from repro.training.checkpoint import last_checkpoint
from repro.training.ranks import Ranks
from tests.selection.worlds import uniform

from .brute_force import Update, gradient, recorded_run
from .conftest import TRAIN
from .ranked import trainer_of
from .two import on_two

KL = TRAIN.model_copy(
    update={"kl": 0.3, "skip_zero_advantage": False, "learning_rate": 0.01, "temperature": 0.8, "steps": 2}
)
LORA = LoraSpec(rank=4, alpha=8)


@pytest.fixture
def saved(start_policy: Any, tokenizer: Any, tmp_path: Path) -> Path:
    """The start policy where TRL finds the reference of full weights."""
    start_policy.save_pretrained(tmp_path / "start")
    tokenizer.save_pretrained(tmp_path / "start")
    start_policy.config._name_or_path = str(tmp_path / "start")
    return tmp_path / "start"


def worst(update: Update, correction: str, train: Any) -> float:
    """Largest difference between the gradient of a real update and the one written out."""
    expected, _ = gradient(update, correction, train)
    return max(float((a.double() - b).abs().max()) for a, b in zip(update.gradient, expected, strict=True))


MODES = [
    ("grpo", None, {"group_size": 2}, None),  # where half of the groups are idle
    ("bnpo", "paper", {"micro_batch": 3}, None),
    ("dr_grpo", "proximal", {"advantage_std": False}, None),
    ("dapo", "none", {"minibatches": 1, "micro_batch": 5}, None),
    ("bnpo", None, {"minibatches": 1, "micro_batch": 3}, LORA),
    ("grpo", "paper", {"minibatches": 1}, LORA),
    ("dapo", "proximal", {"micro_batch": 3}, LORA),
    ("dr_grpo", "none", {"advantage_std": False, "min_spread": 0.5}, LORA),
]


@pytest.mark.parametrize(("loss", "correction", "fields", "lora"), MODES)
def test_every_update_has_the_gradient_of_the_loss_with_its_kl_term(
    make_trainer: Any, data: Any, saved: Path, monkeypatch: Any, loss: Any, correction: Any, fields: Any, lora: Any
) -> None:
    """Replayed rows are among them, and rows without advantage, which have a KL gradient all the same."""
    train = KL.model_copy(update={"loss": loss, **fields})
    replay = None if correction is None else ReplaySpec(capacity=12, correction=correction)
    ids = [problem.id for problem in data.train[:4]]
    trainer = make_trainer(train=train, replay=replay, lora=lora, selector=uniform(ids, 2))
    updates = recorded_run(trainer, monkeypatch)
    assert len(updates) == 2 * train.minibatches
    for update in updates:
        assert worst(update, correction or "none", train) < 1e-6
    last = updates[-1]
    _, facts = gradient(last, correction or "none", train)
    assert facts["divergence"] > 1e-3
    assert worst(last, correction or "none", train.model_copy(update={"kl": 0.0})) > 1e-4, "without the term"
    if train.group_size == 2:
        assert any(row.advantage == 0 for update in updates for row in update.rows)
    assert {row.replayed for row in last.rows} == ({False} if replay is None else {True, False})
    assert [record.metrics["train/kl"] > 1e-5 for record in trainer.records][1:] == [True]


def kl_gradients(ranks: Ranks, folder: Path, start: Path, losses: list[str]) -> list[float]:
    """Trains as one of two; how far the gradients are from those of the rows of both."""
    found = []
    for loss in losses:
        train = KL.model_copy(update={"loss": loss, "steps": 2})
        replay = ReplaySpec(fresh=0.5, capacity=8, correction="paper")
        ids = [str(number) for number in range(32)]
        with pytest.MonkeyPatch.context() as patch:
            trainer = trainer_of(folder / loss, ranks, train, uniform(ids, 2), replay=replay, start=start)
            updates = recorded_run(trainer, patch)
        for update in updates:
            update.rows = [row for part in ranks.gather(update.rows) for row in part]
            update.tokens_in_batch = sum(ranks.gather(update.tokens_in_batch))
            found.append(worst(update, "paper", train))
    return found


def test_two_processes_have_the_gradient_of_all_their_rows(saved: Path, tmp_path: Path) -> None:
    for found in on_two(kl_gradients, tmp_path / "two", saved, ["bnpo", "dapo"]):
        assert len(found) == 8 and max(found) < 1e-6


@pytest.mark.parametrize("replay", [None, ReplaySpec(fresh=0.5, capacity=8)])
def test_a_resumed_run_goes_on_with_the_same_reference_bit_for_bit(make_trainer: Any, saved: Path, replay: Any) -> None:
    train = KL.model_copy(update={"steps": 3})
    whole = make_trainer(train=train, replay=replay, folder="whole")
    whole.train()
    cut = make_trainer(train=train, replay=replay, folder="cut")
    on_step = cut.on_step
    cut.on_step = lambda record: (on_step(record), setattr(cut.control, "should_training_stop", record.step == 2))
    cut.train()
    resumed = make_trainer(train=train, replay=replay, folder="cut")
    checkpoint = last_checkpoint(Path(resumed.args.output_dir))
    assert checkpoint is not None and checkpoint.name == "checkpoint-4"
    resumed.restore(checkpoint)
    resumed.train(resume_from_checkpoint=str(checkpoint))
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, resumed.model.state_dict()[name]), name
    assert [r.metrics for r in resumed.records] == [r.metrics for r in whole.records[2:]]


def test_the_reference_is_the_start_policy_and_the_pass_over_it_is_counted(
    make_trainer: Any, saved: Path, start_policy: Any
) -> None:
    trainer = make_trainer(train=KL, replay=ReplaySpec(fresh=0.5, capacity=8))
    join, replayed = trainer._with_replay, []

    def joined(output: Any, groups: Any, *rest: Any) -> Any:
        replayed.extend(len(group.prompt_ids) + len(row) for group in groups for row in group.completion_ids)
        return join(output, groups, *rest)

    trainer._with_replay = joined
    trainer.train()
    before = dict(start_policy.named_parameters())
    for name, value in trainer.ref_model.named_parameters():
        assert torch.equal(value, before[name]) and value.grad is None
    assert not all(torch.equal(value, before[name]) for name, value in trainer.model.named_parameters())
    # Sampling tells the log-probs of fresh tokens, and replayed ones have those of the reference with them.
    fresh = trainer.ledger.cost("rollout")
    scored = trainer.ledger.cost("train").scored_tokens
    assert replayed and scored == sum(replayed) + fresh.prompt_tokens + fresh.generated_tokens


def test_padding_makes_no_gradient_where_the_policy_hardly_ever_writes_it(make_trainer: Any, saved: Path) -> None:
    """exp(reference - policy) overflows from 88 on, and infinity times the mask's 0 is no number."""
    trainer = make_trainer(train=KL, replay=ReplaySpec(fresh=0.5, capacity=8))
    join, joined = trainer._with_replay, []
    trainer._with_replay = lambda *parts: joined.append(join(*parts)) or joined[-1]
    trainer.train()
    batch, trainer._with_replay = joined[-1], join
    mask = batch["completion_mask"].bool()
    reference = batch["ref_per_token_logps"]
    assert mask.shape == reference.shape and not mask.all() and (reference[mask] > -50).all()
    logps = torch.where(mask, batch["old_per_token_logps"], torch.tensor(-200.0)).requires_grad_()
    trainer._get_per_token_logps_and_entropies = lambda *a, **k: (logps, torch.zeros_like(logps), None)
    trainer.current_gradient_accumulation_steps = 1
    trainer._compute_loss(trainer.model, batch).backward()
    assert logps.grad is not None and torch.isfinite(logps.grad).all() and (logps.grad[~mask] == 0).all()


def test_the_reference_of_a_policy_with_code_of_its_own_runs_that_code(make_trainer: Any, saved: Path) -> None:
    (saved / "modeling_own.py").write_text(
        "from transformers import Qwen2Config, Qwen2ForCausalLM\n"
        "class OwnConfig(Qwen2Config):\n    model_type = 'own'\n"
        "class OwnModel(Qwen2ForCausalLM):\n    config_class = OwnConfig\n"
    )
    config = json.loads((saved / "config.json").read_text())
    own = {"AutoConfig": "modeling_own.OwnConfig", "AutoModelForCausalLM": "modeling_own.OwnModel"}
    config |= {"model_type": "own", "architectures": ["OwnModel"], "auto_map": own}
    (saved / "config.json").write_text(json.dumps(config))
    trainer = make_trainer(train=KL, remote_code=True)
    assert type(trainer.ref_model).__name__ == "OwnModel"


def test_reference_log_probs_travel_with_their_group_through_a_checkpoint(make_trainer: Any, saved: Path) -> None:
    trainer = make_trainer(train=KL, replay=ReplaySpec(fresh=0.5, capacity=8))
    trainer.train()
    again = make_trainer(train=KL, replay=ReplaySpec(fresh=0.5, capacity=8), folder="again")
    again.restore(last_checkpoint(Path(trainer.args.output_dir)))
    held, found = trainer.buffer.groups, again.buffer.groups
    assert held and len(held) == len(found)
    for ours, theirs in zip(held, found, strict=True):
        for a, b, tokens in zip(ours.reference_logps, theirs.reference_logps, ours.completion_ids, strict=True):
            assert len(a) == len(tokens) and np.array_equal(a, b)
