"""Prompts that are computed once for the rows that share them: the log-probs and gradients of the dense way."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM
from trl.trainer.utils import add_fused_lm_head

from repro.models import prefix
from repro.models.kv_cache import padded_left
from repro.models.model_spec import LoraSpec
from repro.spec.schema import ReplaySpec
from repro.training import updates
from repro.training.shared_prompts import can_share, completion_logps, shared_prompts

from .conftest import TRAIN
from .test_old_logps import batch_of, disturb, gradient

WIDTH = 6
LENGTHS = (6, 3, 1, 6, 2, 4, 5, 6)
SIZES = {"vocab_size": 90, "hidden_size": 48, "intermediate_size": 96, "num_hidden_layers": 3}
HEADS = {"num_attention_heads": 4, "num_key_value_heads": 2}
EXAMPLES = "1+2=3,4*5=20,7-5=2,6"  # with which every prompt begins


def tokens(count: int, seed: int) -> list[int]:
    drawn: list[int] = torch.randint(1, 90, (count,), generator=torch.Generator().manual_seed(seed)).tolist()
    return drawn


def small(dtype: torch.dtype) -> Any:
    """A Llama with tied embeddings, as SmolLM2, whose log-probs differ much between tokens."""
    torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(**SIZES, **HEADS, tie_word_embeddings=True)).to(dtype)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() > 1:
                weight.mul_(4)
    add_fused_lm_head(model, temperature=0.7, outputs=("log_probs", "entropy"))
    return model


CASES = {
    "examples and groups": ([tokens(20, 0) + tokens(n, n) for n in (5, 9, 1, 7)], [0, 0, 1, 2, 2, 3, 1, 0]),
    "examples alone": ([tokens(24, 0) + tokens(n, n) for n in range(2, 10)], list(range(8))),
    "groups alone": ([tokens(n, n) for n in (25, 19, 28)], [0, 0, 1, 2, 2, 2, 1, 0]),
    "one group": ([tokens(30, 0)], [0] * 8),
    "prompts that end alike": ([[*tokens(20, 0), end] for end in (3, 4)], [0, 1] * 4),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("dtype", "logp", "slope"), [(torch.float32, 1e-5, 5e-6), (torch.float64, 1e-5, 1e-6)])
def test_log_probs_entropies_and_gradients_are_those_of_whole_rows(
    case: str, dtype: torch.dtype, logp: float, slope: float
) -> None:
    prompts, of = CASES[case]
    model = small(dtype)
    prompt_ids, prompt_mask = padded_left([prompts[i] for i in of], 0, torch.device("cpu"))
    ids = torch.tensor([tokens(WIDTH, 50 + row) for row in range(len(of))])
    mask = (torch.arange(WIDTH) < torch.tensor(LENGTHS)[:, None]).long()
    weight = torch.randn(ids.shape, generator=torch.Generator().manual_seed(1), dtype=dtype) * mask

    def dense() -> tuple[torch.Tensor, torch.Tensor]:
        whole, seen = torch.cat([prompt_ids, ids], 1), torch.cat([prompt_mask, mask], 1)
        labels = whole.masked_fill(seen == 0, -100)
        labels[:, :-WIDTH] = -100
        out = model(input_ids=whole, attention_mask=seen, labels=labels, fused_lm_head=True)
        return out.log_probs[:, -WIDTH:], out.entropy[:, -WIDTH:]

    def shared() -> tuple[torch.Tensor, torch.Tensor]:
        plan = shared_prompts(prompt_ids, prompt_mask, mask)
        assert plan is not None
        assert len({width for width, _ in plan.parts}) > 1, "completions of like length are passed together"
        return completion_logps(model, model, plan, ids, mask)

    found = []
    for way in (dense, shared):
        model.zero_grad()
        logps, entropies = way()
        ((logps + 0.1 * entropies) * weight).sum().backward()
        found.append((logps.detach(), entropies.detach(), [p.grad.clone() for p in model.parameters()]))
    (logps, entropies, slopes), (ours, our_entropies, our_slopes) = found
    assert logps.std() > 1
    torch.testing.assert_close(ours, logps, rtol=0, atol=logp)
    torch.testing.assert_close(our_entropies, entropies, rtol=0, atol=logp)
    assert not ours[mask == 0].any()
    for one, two in zip(slopes, our_slopes, strict=True):
        assert float((one - two).norm() / one.norm()) < slope


def full(width: int) -> torch.Tensor:
    """The mask of 8 completions of `width` tokens."""
    return torch.ones(8, width, dtype=torch.long)


def test_rows_that_share_little_are_passed_whole() -> None:
    ids, mask = padded_left([tokens(12, seed) for seed in range(8)], 0, torch.device("cpu"))
    assert shared_prompts(ids, mask, full(40)) is None
    assert shared_prompts(ids[:1].repeat(8, 1), mask, full(40)) is None  # the completions are most of it
    assert shared_prompts(ids[:1].repeat(8, 1), mask, full(4)) is not None
    ids, mask = padded_left([[5]] * 8, 0, torch.device("cpu"))
    assert shared_prompts(ids, mask, full(4)) is None


def test_models_whose_log_probs_would_differ_are_passed_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    model = small(torch.float32)
    assert not can_share(model, gradient=False), "a small model: launching layers costs more than their tokens"
    monkeypatch.setattr(prefix, "SMALLEST", 0)
    assert can_share(model, gradient=True)
    sliding = MistralForCausalLM(MistralConfig(**SIZES, **HEADS, sliding_window=8))
    assert not can_share(sliding, gradient=False)
    drops = LlamaForCausalLM(LlamaConfig(**SIZES, **HEADS, attention_dropout=0.1)).train()
    assert can_share(drops, gradient=False)
    assert not can_share(drops, gradient=True)
    model.gradient_checkpointing_enable()
    model.train()
    assert can_share(model, gradient=False)
    assert not can_share(model, gradient=True)


WAYS = (("dense", 2**24), ("shared", 0))
"""A way and the `SMALLEST` that makes a trainer go it."""
TRAINERS: dict[str, dict[str, Any]] = {
    "updates": {"train": TRAIN},
    "one update": {"train": TRAIN.model_copy(update={"minibatches": 1, "temperature": 0.7})},
    "replay": {"train": TRAIN, "replay": ReplaySpec(fresh=0.5, capacity=8)},
    "a reference": {
        "train": TRAIN.model_copy(update={"kl": 0.1, "skip_zero_advantage": False}),
        "lora": LoraSpec(rank=4, dropout=0.0),
    },
}


def shown(trainer: Any) -> Any:
    """The trainer with examples before its prompts."""
    trainer.prompts = trainer.rollouts.prompts = [EXAMPLES + prompt for prompt in trainer.prompts]
    return trainer


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Rows of each pass whose prompts were shared."""
    found: list[int] = []

    def counted(*given: Any) -> tuple[torch.Tensor, torch.Tensor]:
        found.append(len(given[2].of))
        return completion_logps(*given)

    monkeypatch.setattr(updates, "completion_logps", counted)
    return found


@pytest.mark.parametrize("case", TRAINERS)
def test_a_pass_has_the_same_gradient_whether_or_not_prompts_are_shared(
    make_trainer: Any, case: str, calls: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[torch.Tensor] = []
    for way, smallest in WAYS:
        monkeypatch.setattr(prefix, "SMALLEST", smallest)
        trainer = shown(make_trainer(folder=way, **TRAINERS[case]))
        disturb(trainer, 1)
        batch = batch_of(trainer)
        disturb(trainer, 2)
        found.append(gradient(trainer, batch))
        assert bool(calls) == (way == "shared")
    assert float((found[1] - found[0]).norm() / found[0].norm()) < 1e-5


def test_training_ends_in_the_same_weights_whether_or_not_prompts_are_shared(
    make_trainer: Any, calls: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[torch.Tensor] = []
    for way, smallest in WAYS:
        monkeypatch.setattr(prefix, "SMALLEST", smallest)
        train = TRAIN.model_copy(update={"steps": 1, "micro_batch": 4})
        trainer = shown(make_trainer(folder=way, train=train))
        start = torch.cat([p.detach().flatten() for p in trainer.model.parameters()])
        trainer.train()
        found.append(torch.cat([p.detach().flatten() for p in trainer.model.parameters()]) - start)
    assert calls
    assert max(calls) <= 4
    assert found[0].norm() > 1e-3
    assert float((found[1] - found[0]).norm() / found[0].norm()) < 1e-3  # Adam divides by slopes near 0


def test_bfloat16_arithmetic_shares_prompts_within_its_rounding(
    make_trainer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for way, smallest in WAYS:
        monkeypatch.setattr(prefix, "SMALLEST", smallest)
        trainer = shown(make_trainer(train=TRAIN.model_copy(update={"precision": "bfloat16"}), folder=way))
        disturb(trainer, 1)
        found.append(batch_of(trainer)["old_per_token_logps"])
    assert found[0].shape == found[1].shape
    assert float((found[0] - found[1]).abs().mean()) < 2e-2
