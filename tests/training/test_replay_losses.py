"""The three replay corrections through TRL's stock loss, against the formulas written out."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from repro.replay.buffer import Group
from repro.spec.schema import ReplaySpec
from repro.training import merge

from .conftest import TRAIN


def fresh_and_replayed(trainer: Any) -> tuple[dict[str, Any], dict[str, Any], torch.Tensor]:
    """A fresh batch, replayed rows whose behaviour policy is far off, and pi_old of those rows."""
    trainer.model.train()
    trainer.current_gradient_accumulation_steps = 1
    output = trainer._generate_and_score_completions([{"prompt": ""}] * 16)
    groups = trainer._groups(output, [0, 1, 2, 3], [(0.0, 1.0, 0.0, 1.0)] * 4, step=1)
    torch.manual_seed(5)
    stale = [
        Group(
            question=g.question,
            prompt_ids=g.prompt_ids,
            completion_ids=g.completion_ids,
            rewards=g.rewards,
            advantages=torch.randn(4).numpy(),
            behaviour_logps=[row + 0.4 * torch.randn(len(row)).numpy() for row in g.behaviour_logps],
            step=1,
        )
        for g in groups[:2]
    ]
    rows = merge.group_tensors(stale, trainer.processing_class.pad_token_id, 0, 0)
    # pi_old is a little off pi_theta, as it is after the first update of a step
    old = trainer._logps(rows) + 0.2 * torch.randn(rows["completion_ids"].shape)
    return output, rows, old


def written_out(correction: str, logps: torch.Tensor, rows: dict[str, Any], old: torch.Tensor) -> torch.Tensor:
    """Per-token loss of the replayed rows, from the definitions (DOTS + RR, replay loss; eps 0.2)."""
    advantage = rows["advantages"].unsqueeze(1)
    if correction == "paper":
        ratio = (logps - rows["behaviour_logps"]).exp()
        low, high = torch.full_like(ratio, 0.8), torch.full_like(ratio, 1.2)
    elif correction == "proximal":
        ratio = (logps - rows["behaviour_logps"]).exp()
        centre = (old - rows["behaviour_logps"]).exp()
        low, high = 0.8 * centre, 1.2 * centre
    else:
        ratio = (logps - old).exp()
        low, high = torch.full_like(ratio, 0.8), torch.full_like(ratio, 1.2)
    clipped = torch.maximum(torch.minimum(ratio, high), low)
    return -torch.minimum(ratio * advantage, clipped * advantage)


@pytest.mark.parametrize("loss", ["grpo", "bnpo", "dr_grpo", "dapo"])
@pytest.mark.parametrize("correction", ["paper", "proximal", "none"])
def test_the_gradient_of_replayed_rows_equals_the_formula(make_trainer: Any, correction: Any, loss: str) -> None:
    trainer = make_trainer(train=TRAIN.model_copy(update={"loss": loss}))
    _, rows, old = fresh_and_replayed(trainer)
    logps, advantages = merge.corrected(rows, old, correction)
    mask = rows["completion_mask"].float()
    minibatch = {
        **{key: rows[key] for key in ("prompt_ids", "prompt_mask", "completion_ids", "completion_mask")},
        "advantages": advantages,
        "old_per_token_logps": logps,
        "num_items_in_batch": mask.sum() * trainer.args.steps_per_generation,
    }
    trainer.model.zero_grad()
    trainer._compute_loss(trainer.model, minibatch).backward()
    ours = [p.grad.clone() for p in trainer.model.parameters()]

    ids = torch.cat([rows["prompt_ids"], rows["completion_ids"]], 1)
    attention = torch.cat([rows["prompt_mask"], rows["completion_mask"]], 1)
    trainer.model.zero_grad()
    logits = trainer.model(input_ids=ids, attention_mask=attention).logits / trainer.temperature
    width = rows["completion_ids"].shape[1]
    predicted = logits[:, -width - 1 : -1].log_softmax(-1)
    now = predicted.gather(2, rows["completion_ids"].unsqueeze(2)).squeeze(2)
    per_token = written_out(correction, now, rows, old)
    if loss == "grpo":
        expected = ((per_token * mask).sum(1) / mask.sum(1)).mean()
    elif loss == "dr_grpo":
        expected = (per_token * mask).sum() / (len(mask) * trainer.max_completion_length)
    else:  # bnpo over this minibatch; dapo over its share of the generation batch, the same number here
        expected = (per_token * mask).sum() / mask.sum()
    expected.backward()
    assert max(float(g.abs().max()) for g in ours) > 1e-3
    for parameter, gradient in zip(trainer.model.parameters(), ours, strict=True):
        torch.testing.assert_close(gradient, parameter.grad, rtol=0, atol=2e-6)


def test_the_corrections_differ_on_stale_tokens() -> None:
    """r_old = 1.5, A = +1, pi_theta = pi_old: the paper's clip gives no gradient, the code's gives -1.5."""
    gradients = {}
    for correction in ("paper", "proximal", "none"):
        logps = torch.zeros(1, 1, requires_grad=True)
        rows = {
            "behaviour_logps": torch.full((1, 1), -torch.log(torch.tensor(1.5)).item()),
            "advantages": torch.ones(1),
            "completion_mask": torch.ones(1, 1, dtype=torch.int),
        }
        old, advantages = merge.corrected(rows, torch.zeros(1, 1), correction)  # type: ignore[arg-type]
        advantages = advantages.reshape(1, 1)
        ratio = (logps - old).exp()
        (-torch.minimum(ratio * advantages, ratio.clamp(0.8, 1.2) * advantages)).sum().backward()
        gradients[correction] = logps.grad.item()
    assert gradients == pytest.approx({"paper": 0.0, "proximal": -1.5, "none": -1.0})


def test_replayed_rows_join_whole_and_padded(make_trainer: Any) -> None:
    trainer = make_trainer()
    output, _, _ = fresh_and_replayed(trainer)
    pad = trainer.processing_class.pad_token_id
    wide = merge.group_tensors(trainer._groups(output, [0], [(0.0, 1.0, 0.0, 1.0)], 1), pad, 40, 30)
    widened = merge.widen(output, pad, 40, 30)
    joined = merge.join(widened, {**wide, "old_per_token_logps": wide["behaviour_logps"]})
    assert joined["completion_ids"].shape == (20, 30)
    assert joined["prompt_ids"].shape == (20, 40)
    assert joined["num_items_in_batch"] == output["completion_mask"].sum() + output["completion_mask"][:4].sum()
    for key in ("prompt_ids", "prompt_mask", "completion_ids", "completion_mask", "advantages"):
        torch.testing.assert_close(joined[key][16:], joined[key][:4])
    assert (joined["completion_ids"][joined["completion_mask"] == 0] == pad).all()


@pytest.mark.parametrize("minibatches", [1, 2])
def test_before_the_first_update_fresh_rows_have_ratio_one_and_replayed_rows_the_stored_policys(
    make_trainer: Any, minibatches: int
) -> None:
    train = TRAIN.model_copy(update={"minibatches": minibatches, "learning_rate": 5e-3})
    trainer = make_trainer(train=train, replay=ReplaySpec(fresh=0.5, capacity=8, correction="paper"))
    seen: list[dict[str, Any]] = []
    original = trainer._with_replay

    def spy(output: dict[str, Any], replayed: list[Group], *rest: Any) -> dict[str, Any]:
        joined = original(output, replayed, *rest)
        seen.append({"joined": joined, "replayed": replayed, "now": trainer._logps(joined)})
        return joined

    trainer._with_replay = spy
    trainer.train()
    joined, replayed, now = seen[2]["joined"], seen[2]["replayed"], seen[2]["now"]
    assert len(replayed) == 2 and len(joined["completion_ids"]) == 16
    mask = joined["completion_mask"].bool()
    ratio = (now - joined["old_per_token_logps"]).exp()
    torch.testing.assert_close(ratio[:8][mask[:8]], torch.ones(int(mask[:8].sum())), rtol=0, atol=1e-5)
    stored = torch.cat([torch.from_numpy(row.copy()) for group in replayed for row in group.behaviour_logps])
    torch.testing.assert_close(joined["old_per_token_logps"][8:][mask[8:]], stored, rtol=0, atol=0)
    assert float((ratio[8:][mask[8:]] - 1).abs().max()) > 1e-3
    assert trainer.records[2].metrics["replay/ratio_max"] > 1.001
