"""Question embeddings and multi-sample rewards against one-at-a-time loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import Qwen2Config, Qwen2ForCausalLM

from repro.models.tokenizers import character_tokenizer
from repro.selection.embeddings import embed_questions
from repro.selection.passes import length_batches

QUESTIONS = ["1+1?", "2*3-4*5+6?", "9?", "7*7*7?", "2+2?", "3-4+5?"]


@pytest.fixture(scope="module")
def policy():
    tokenizer = character_tokenizer("0123456789+-*=;?#")
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=24,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        attention_dropout=0.5,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Qwen2ForCausalLM(config), tokenizer


@pytest.mark.parametrize("budget", [None, 1, 12, 10_000])
def test_an_embedding_is_the_mean_last_hidden_state_of_the_question_alone(policy, budget):
    model, tokenizer = policy
    model.train()  # dropout would show if the pass forgot evaluation mode
    rows, cost = embed_questions(model, tokenizer, QUESTIONS, token_budget=budget)
    assert model.training
    assert rows.dtype == np.float32
    assert rows.shape == (6, 24)
    assert rows.std(axis=0).min() > 1e-3
    model.eval()
    for row, question in zip(rows, QUESTIONS, strict=True):
        ids = torch.tensor([tokenizer(question, add_special_tokens=False)["input_ids"]])
        with torch.no_grad():
            expected = model.model(input_ids=ids).last_hidden_state[0].mean(0)
        np.testing.assert_allclose(row, expected.numpy(), atol=1e-5)
    assert cost.prompt_tokens == sum(map(len, QUESTIONS)) == sum(cost.lengths)
    assert cost.scored_tokens == 0
    assert cost.seconds > 0


def test_no_questions_and_empty_questions(policy):
    model, tokenizer = policy
    assert embed_questions(model, tokenizer, [])[0].shape == (0, 24)
    with pytest.raises(ValueError, match="question 1 has no tokens"):
        embed_questions(model, tokenizer, ["1+1?", ""])


@pytest.mark.parametrize("budget", [1, 30, 64, 10_000])
def test_batches_hold_every_text_once_within_the_budget(budget):
    lengths = np.random.default_rng(0).integers(1, 60, 200)
    batches = list(length_batches(lengths, budget))
    assert sorted(np.concatenate(batches).tolist()) == list(range(200))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * lengths[batch].max() <= budget
    assert lengths[batches[0]].max() == lengths.max()
    with pytest.raises(ValueError, match="token_budget is 0"):
        next(length_batches(lengths, 0))
