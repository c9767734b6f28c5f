"""Completions that a probe of the step has made already train without being made again."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from repro.selection.base import Selector

from .conftest import TRAIN


class Fixed(Selector):
    """Chooses the same questions every step and says which of them train with the probe's completions."""

    def __init__(self, chosen: list[int], reused: list[int]) -> None:
        self._chosen, self._reused = chosen, reused

    def choose(self, n: int) -> list[int]:
        assert n == len(self._chosen)
        return list(self._chosen)

    def reused(self) -> list[int]:
        return list(self._reused)


def probed(tokenizer: Any, questions: list[int]) -> dict[int, list[list[int]]]:
    """Four completions of unlike length per question, each with its end."""
    return {
        q: [[*tokenizer(f"{q}{'7' * g}")["input_ids"], tokenizer.eos_token_id] for g in range(1, 5)] for q in questions
    }


def completions(output: dict[str, Any]) -> list[list[int]]:
    masks = output["completion_mask"].bool()
    return [row[mask].tolist() for row, mask in zip(output["completion_ids"], masks, strict=True)]


def test_the_kept_completions_train_and_only_the_others_are_generated(make_trainer: Any, tokenizer: Any) -> None:
    kept = probed(tokenizer, [3, 9, 20])
    trainer = make_trainer(selector=Fixed([5, 9, 11, 3], [9, 3]), kept=kept)
    trainer.model.train()
    output = trainer._generate_and_score_completions([{"prompt": ""}] * 16)
    made = completions(output)
    assert made[4:8] == kept[9]
    assert made[12:16] == kept[3]
    cost = trainer.ledger.cost("rollout")
    assert cost.completions == 8
    assert cost.generated_tokens == sum(map(len, made[:4] + made[8:12]))
    prompts = output["prompt_mask"].sum(dim=1)
    assert cost.prompt_tokens == int(prompts[:4].sum() + prompts[8:12].sum())


def test_kept_completions_have_the_log_probs_of_the_policy_as_it_is(make_trainer: Any, tokenizer: Any) -> None:
    kept = probed(tokenizer, [9])
    trainer = make_trainer(selector=Fixed([5, 9, 11, 3], [9]), kept=kept)
    trainer.model.train()
    output = trainer._generate_and_score_completions([{"prompt": ""}] * 16)
    rows = range(4, 8)
    for row, tokens in zip(rows, kept[9], strict=True):
        prompt = output["prompt_ids"][row][output["prompt_mask"][row].bool()].tolist()
        with torch.no_grad():
            logits = trainer.model(input_ids=torch.tensor([prompt + tokens])).logits[0, len(prompt) - 1 : -1]
        expected = logits.log_softmax(-1).gather(1, torch.tensor(tokens).unsqueeze(1)).squeeze(1)
        actual = output["old_per_token_logps"][row][: len(tokens)]
        torch.testing.assert_close(actual, expected, rtol=0, atol=1e-5)


def test_their_advantages_are_those_of_their_own_rewards(make_trainer: Any, tokenizer: Any) -> None:
    kept = probed(tokenizer, [9])
    train = TRAIN.model_copy(update={"advantage_std": False})
    trainer = make_trainer(
        selector=Fixed([5, 9, 11, 3], [9]), kept=kept, train=train, verifier=lambda text, gold: text.count("7") >= 3
    )
    trainer.model.train()
    output = trainer._generate_and_score_completions([{"prompt": ""}] * 16)
    assert output["advantages"][4:8].tolist() == [-0.5, -0.5, 0.5, 0.5]


def test_a_step_may_consist_of_kept_completions_alone(make_trainer: Any, tokenizer: Any) -> None:
    chosen = [5, 9, 11, 3]
    kept = probed(tokenizer, chosen)
    trainer = make_trainer(selector=Fixed(chosen, chosen), kept=kept)
    trainer.train()
    assert trainer.ledger.cost("rollout").completions == 0
    assert len(trainer.records) == TRAIN.steps
    assert trainer.ledger.cost("train").trained_tokens > 0


def test_a_question_that_is_not_reused_is_generated_even_if_its_probe_was_kept(
    make_trainer: Any, tokenizer: Any
) -> None:
    chosen = [5, 9, 11, 3]
    trainer = make_trainer(selector=Fixed(chosen, []), kept=probed(tokenizer, chosen))
    trainer.model.train()
    trainer._generate_and_score_completions([{"prompt": ""}] * 16)
    assert trainer.ledger.cost("rollout").completions == 16


def test_a_probe_of_another_size_than_a_group_is_refused(make_trainer: Any, tokenizer: Any) -> None:
    kept = {9: probed(tokenizer, [9])[9][:2]}
    trainer = make_trainer(selector=Fixed([5, 9, 11, 3], [9]), kept=kept)
    trainer.model.train()
    with pytest.raises(AssertionError, match="question 9 was probed 2 times"):
        trainer._generate_and_score_completions([{"prompt": ""}] * 16)
