"""The replay corrections through TRL's stock loss on the real call path, against the formulas written out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from repro.replay.corrections import CORRECTIONS
from repro.replay.group import Group
from repro.replay.replay_spec import ReplaySpec
from repro.training import merge
from repro.training.ranks import Ranks
from repro.training.replaying import _mask
from tests.selection.worlds import uniform

from .brute_force import Update, gradient, recorded_run
from .conftest import TRAIN

FAST = TRAIN.model_copy(update={"learning_rate": 0.01, "temperature": 0.8})


def gap(update: Update, correction: str, train: Any) -> float:
    """Largest difference between the gradient of a real update and the one written out."""
    expected, _ = gradient(update, correction, train)
    return max(float((a.double() - b).abs().max()) for a, b in zip(update.gradient, expected, strict=True))


LOSSES = {
    "none": ("grpo", "bnpo"),
    "paper": ("dr_grpo", "dapo"),
    "proximal": ("grpo", "bnpo", "dr_grpo", "dapo"),
    "second_moment": ("grpo", "bnpo", "dr_grpo", "dapo"),
}
"""Each loss normalises with three corrections; each correction is normalised by two losses at least."""


def test_every_correction_is_compared() -> None:
    assert set(LOSSES) == set(CORRECTIONS)


@pytest.mark.parametrize(("correction", "loss"), [(one, loss) for one, losses in LOSSES.items() for loss in losses])
def test_every_update_of_a_real_run_has_the_gradient_of_the_formulas(
    make_trainer: Any, data: Any, monkeypatch: Any, correction: Any, loss: str
) -> None:
    """Before the first update of a step and after it, fresh and replayed rows of ragged lengths in one minibatch.

    Four questions only, so that the same question is both fresh and replayed and must not be taken for one group.
    """
    train = FAST.model_copy(update={"loss": loss, "steps": 4})
    ids = [problem.id for problem in data.train[:4]]
    trainer = make_trainer(train=train, replay=ReplaySpec(capacity=12, correction=correction), selector=uniform(ids, 2))
    updates = recorded_run(trainer, monkeypatch)
    assert [(u.step, u.position) for u in updates] == [(step, position) for step in range(1, 5) for position in (0, 1)]
    clipped = masked = kept = 0.0
    for update in updates:
        expected, facts = gradient(update, correction, train)
        assert max(float(g.abs().max()) for g in expected) > 1e-3
        for ours, theirs in zip(update.gradient, expected, strict=True):
            torch.testing.assert_close(ours.double(), theirs, rtol=0, atol=1e-6)
        if update.step > 1:
            assert {row.replayed for row in update.rows} == {True, False}
            assert len({len(row.completion) for row in update.rows}) > 1
            assert facts["replayed_ratio"] > 0.2
            assert facts["fresh_ratio"] < 1e-9 if update.position == 0 else facts["fresh_ratio"] > 0.02
            clipped, masked, kept = clipped + facts["clipped"], masked + facts["masked"], kept + facts["kept"]
    assert clipped > 5 and kept > 100
    assert masked > 20 if correction == "second_moment" else masked == 0
    assert any(set(record.fresh) & set(record.replayed) for record in trainer.records)
    for other in set(CORRECTIONS) - {correction} if loss == "grpo" else ():
        assert gap(updates[-1], other, train) > 1e-4, "the formulas differ where they are compared"


@pytest.mark.parametrize(
    ("correction", "slope"), [("paper", 0.0), ("proximal", -1.5), ("none", -1.0), ("second_moment", -1.5)]
)
def test_a_stale_token_trains_by_its_correction(make_trainer: Any, correction: Any, slope: float) -> None:
    """r_old = 1.5, A = +1, pi_theta = pi_old: through TRL's loss on a token of the real policy, d loss / d log-prob."""
    trainer = make_trainer(train=TRAIN.model_copy(update={"loss": "bnpo"}))
    trainer.model.train()
    trainer.current_gradient_accumulation_steps = 1
    output = trainer._generate_and_score_completions([{"prompt": ""}] * 16)
    (group, *_) = merge.fresh_groups(output, [0, 1, 2, 3], [(0.0, 1.0, 0.0, 1.0)] * 4, step=1)
    logp = output["old_per_token_logps"][:1, :1].numpy()  # (1, 1)
    stale = Group(
        0, group.prompt_ids, [group.completion_ids[0][:1]], [1.0], [1.0], logp - torch.tensor(1.5).log().item(), 1
    )
    rows = merge.group_tensors([stale], trainer.processing_class.pad_token_id, 0, 0)
    old = trainer._logps(rows)
    logps, advantages = CORRECTIONS[correction].apply(rows, old)
    leaves: list[torch.Tensor] = []
    original = trainer._get_per_token_logps_and_entropies

    def watched(*arguments: Any, **options: Any) -> Any:
        found = original(*arguments, **options)
        found[0].retain_grad()
        leaves.append(found[0])
        return found

    trainer._get_per_token_logps_and_entropies = watched
    joined = {**rows, "advantages": advantages, "old_per_token_logps": logps, "num_items_in_batch": torch.tensor(1)}
    trainer._compute_loss(trainer.model, joined).backward()
    assert leaves[0].grad is not None and leaves[0].grad.shape == (1, 1)
    assert leaves[0].grad.item() == pytest.approx(slope, abs=1e-5)
    ratios = merge.ratio_statistics(rows, old, 0.2)
    assert ratios == pytest.approx({"ratio_mean": 1.5, "ratio_max": 1.5, "ratio_outside": 1.0}, abs=1e-5)
    assert merge.ratio_statistics(rows, old, 0.51)["ratio_outside"] == 0


def test_tokens_that_became_less_likely_lie_outside_the_clip_too() -> None:
    """Ratios 0.5, 0.9, 1.5 and a masked one of e: two of three lie outside 1 +- 0.2."""
    logps = torch.tensor([[-1.0, -1.0], [-1.0, -1.0]])
    rows = {"behaviour_logps": logps, "completion_mask": torch.tensor([[1, 1], [1, 0]])}
    old = logps + torch.tensor([[0.5, 0.9], [1.5, torch.e]]).log()
    found = merge.ratio_statistics(rows, old, 0.2)
    assert found == pytest.approx({"ratio_mean": 2.9 / 3, "ratio_max": 1.5, "ratio_outside": 2 / 3})


def test_padding_of_replayed_rows_has_the_advantage_of_its_group() -> None:
    """What stands in the padding of log-probs must not make an advantage there: it would count as a token."""
    behaviour = torch.tensor([[-1.0, 0.0]])
    rows = {
        "behaviour_logps": behaviour,
        "completion_mask": torch.tensor([[1, 0]]),
        "advantages": torch.tensor([2.0]),
    }
    old = behaviour + torch.tensor([[1.5, 2.0]]).log()
    logps, advantages = CORRECTIONS["proximal"].apply(rows, old)
    assert logps is old
    torch.testing.assert_close(advantages, torch.tensor([[3.0, 2.0]]))


def test_the_bound_on_the_second_moment_is_over_the_replayed_tokens_of_all_processes() -> None:
    """Alone, this process would mask its square of 0.09; beside the other's small ones the mean is within the bound."""
    behaviour = torch.full((2, 3), -1.0)
    old = behaviour + torch.tensor([[0.3, 0.1, 5.0], [0.2, -0.1, 0.0]])
    rows = {"behaviour_logps": behaviour, "completion_mask": torch.tensor([[1, 1, 0], [1, 1, 1]])}

    class Two(Ranks):
        other: np.ndarray = np.zeros(9)

        def gather(self, value: Any) -> list[Any]:
            return [value, self.other]

    alone, told = _mask(rows, old, 0.02, Ranks())
    assert alone.tolist() == [[True, False, True], [False, False, False]], "padding has no advantage"
    assert told == pytest.approx({"masked": 1 / 5, "second_moment": 0.15 / 5}, abs=1e-6)
    together, told = _mask(rows, old, 0.02, Two())
    assert together.tolist() == [[False, False, True], [False, False, False]]
    assert told["masked"] == 0 and told["second_moment"] == pytest.approx(0.03, abs=1e-6)


def test_replayed_rows_join_whole_and_padded(make_trainer: Any) -> None:
    trainer = make_trainer()
    trainer.model.train()
    output = trainer._generate_and_score_completions([{"prompt": ""}] * 16)
    pad = trainer.processing_class.pad_token_id
    wide = merge.group_tensors(merge.fresh_groups(output, [0], [(0.0, 1.0, 0.0, 1.0)], 1), pad, 40, 30)
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
