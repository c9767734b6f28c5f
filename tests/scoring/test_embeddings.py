"""Question embeddings and multi-sample rewards against one-at-a-time loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertModel, Qwen2Config, Qwen2ForCausalLM

from repro.cache import Cache
from repro.errors import UserError
from repro.models.model_spec import ModelSpec
from repro.models.policy import load_embedder
from repro.models.tokenizers import character_tokenizer
from repro.scoring.embeddings import embed_questions
from repro.scoring.passes import length_batches
from repro.tasks.dataset_spec import DatasetSpec
from repro.tasks.datasets import load_dataset
from repro.tasks.made.arithmetic import Arithmetic

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


@pytest.mark.parametrize("budget", [None, 1, 24])
def test_an_encoder_without_a_head_does_not_look_at_the_padding(tmp_path, budget):
    tokenizer = character_tokenizer("0123456789+-*=;?#")
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=64,
        pad_token_id=tokenizer.pad_token_id,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        BertModel(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    dataset = DatasetSpec(arithmetic=Arithmetic(pool=8, test=4, validation=0))
    model, loaded = load_embedder(
        ModelSpec(path=str(tmp_path)), dataset, load_dataset(dataset), Cache(tmp_path / "cache")
    )
    rows, _ = embed_questions(model, loaded, QUESTIONS, token_budget=budget)
    for row, question in zip(rows, QUESTIONS, strict=True):
        ids = torch.tensor([loaded(question, add_special_tokens=False)["input_ids"]])
        with torch.no_grad():
            expected = model(input_ids=ids).last_hidden_state[0].mean(0)
        np.testing.assert_allclose(row, expected.numpy(), atol=1e-5)


def test_the_hidden_states_of_a_decoder_are_the_same_with_and_without_its_head(policy, tmp_path):
    model, tokenizer = policy
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    dataset = DatasetSpec(arithmetic=Arithmetic(pool=8, test=4, validation=0))
    bare, loaded = load_embedder(
        ModelSpec(path=str(tmp_path)), dataset, load_dataset(dataset), Cache(tmp_path / "cache")
    )
    assert bare.get_output_embeddings() is None
    ours, theirs = embed_questions(bare, loaded, QUESTIONS)[0], embed_questions(model, tokenizer, QUESTIONS)[0]
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_an_embedder_that_is_no_model_is_a_mistake_of_the_user(tmp_path):
    dataset = DatasetSpec(arithmetic=Arithmetic(pool=8, test=4, validation=0))
    data, cache = load_dataset(dataset), Cache(tmp_path / "cache")
    with pytest.raises(UserError, match=r"model\.path: .* is not a directory"):
        load_embedder(ModelSpec(path=str(tmp_path / "none")), dataset, data, cache)
