"""Prompt perplexity and entropy against a straight float64 loop, one question and one token at a time."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from transformers import CohereConfig, CohereForCausalLM, Qwen2Config, Qwen2ForCausalLM

from repro.errors import UserError
from repro.models.tokenizers import bpe_tokenizer, character_tokenizer
from repro.scoring import target_logits
from repro.scoring.prompt_scores import score_prompts
from repro.tasks.prompts import PromptStyle

CHAT = (
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content | trim }}<eos>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
QUESTIONS = [
    "how many apples are 12 and 7 apples?",
    "a train goes 60 miles in 2 hours; how fast?",
    "what is 3+4?",
    "  two pears and 17 apples, how many fruits are there in all, if 3 are eaten by a goat?  ",
    "x",
    "what is 3+4?",
]


def config(kind, tokenizer, **extra):
    return kind(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
        **extra,
    )


def spread_out(model):
    """Redraw all matrices larger, from a generator of its own, so that scores differ between questions."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3)
    return model.eval()


@pytest.fixture(scope="module")
def bpe():
    return bpe_tokenizer([*QUESTIONS, "you are a careful solver", "<|system|> <|user|> <|assistant|>"] * 20, 320)


@pytest.fixture(scope="module")
def model(bpe):
    return spread_out(Qwen2ForCausalLM(config(Qwen2Config, bpe)))


@pytest.fixture
def chat(bpe):
    tokenizer = copy.deepcopy(bpe)
    tokenizer.chat_template = CHAT
    return tokenizer


def loop_in_float64(model, tokenizer, before, questions):
    """The definitions, straight: probabilities and entropies of the question's tokens, in float64, one at a time."""
    wide = copy.deepcopy(model).double()
    out = []
    for question in questions:
        ids = tokenizer(before + question, add_special_tokens=False)["input_ids"]
        first = max(1, len(tokenizer(before, add_special_tokens=False)["input_ids"])) if before else 1
        with torch.no_grad():
            logits = wide(input_ids=torch.tensor([ids])).logits[0]
        log_prob, entropy = 0.0, 0.0
        for place in range(first, len(ids)):
            p = torch.softmax(logits[place - 1], -1)
            log_prob += float(torch.log(p[ids[place]]))
            entropy -= float((p * torch.log(p)).sum())
        count = len(ids) - first
        out.append((np.exp(log_prob / count), entropy / count / np.log(logits.shape[1])))
    return np.array(out).T


def check(scored, expected):
    assert (expected.std(axis=1) / expected.mean(axis=1) > 0.01).all(), "the oracle must tell questions apart"
    np.testing.assert_allclose(scored.perplexity, expected[0], atol=0, rtol=1e-4)
    np.testing.assert_allclose(scored.entropy, expected[1], atol=0, rtol=1e-4)
    for values in (scored.perplexity, scored.entropy):
        assert values.dtype == np.float64 and (values >= 0).all() and (values <= 1).all()


@pytest.mark.parametrize("system", [None, "you are a careful solver"])
def test_scores_are_those_of_the_questions_own_tokens_inside_the_chat(model, chat, system):
    def render(question):
        return PromptStyle(system).prompt(question, chat, "")

    scored = score_prompts(model, chat, QUESTIONS, render, token_budget=200)
    before = (f"<|system|>{system}<eos>" if system else "") + "<|user|>"
    check(scored, loop_in_float64(model, chat, before, [question.strip() for question in QUESTIONS]))
    counts = [len(chat(before + q.strip())["input_ids"]) - len(chat(before)["input_ids"]) for q in QUESTIONS]
    assert scored.cost.scored_tokens == sum(counts)
    assert scored.cost.prompt_tokens == len(QUESTIONS) * len(chat(before)["input_ids"])


def test_with_nothing_before_it_the_first_token_has_no_prediction_and_is_left_out(model, bpe):
    questions = [question for question in QUESTIONS if question != "x"]
    scored = score_prompts(model, bpe, questions, lambda question: question + "\n", token_budget=100)
    check(scored, loop_in_float64(model, bpe, "", questions))
    lengths = [len(bpe(question)["input_ids"]) for question in questions]
    assert list(scored.cost.lengths) == lengths  # what follows a question is not processed
    assert scored.cost.scored_tokens == sum(lengths) - len(questions)
    with pytest.raises(UserError, match=r"'q5'.*'x'"):
        score_prompts(model, bpe, QUESTIONS, lambda q: q, names=[f"q{i + 1}" for i in range(len(QUESTIONS))])


def test_a_token_that_reaches_over_the_border_counts_as_the_questions():
    tokenizer = bpe_tokenizer(["c ab c"] * 50, 262)
    assert [len(tokenizer(text)["input_ids"]) for text in ("c a", "c ab c")] == [3, 3]  # c| |a and c| ab| c
    model = spread_out(Qwen2ForCausalLM(config(Qwen2Config, tokenizer)))
    scored = score_prompts(model, tokenizer, ["b c"], lambda question: f"c a{question}")
    ids = torch.tensor([tokenizer("c ab c")["input_ids"]])
    with torch.no_grad():
        p = model(input_ids=ids).logits[0, :2].double().softmax(-1)
    assert scored.cost.scored_tokens == 2
    assert scored.perplexity[0] == pytest.approx(float((p[0, ids[0, 1]] * p[1, ids[0, 2]]).sqrt()), rel=1e-4)


def test_a_template_that_treats_questions_differently_is_refused(model, bpe):
    with pytest.raises(ValueError, match="same two texts"):
        score_prompts(model, bpe, QUESTIONS, lambda question: f"{len(question)}: {question}")


def test_tokens_that_cannot_come_add_nothing_to_the_entropy(bpe):
    model = spread_out(Qwen2ForCausalLM(config(Qwen2Config, bpe)))
    hook = model.lm_head.register_forward_hook(lambda _, __, out: out.index_fill(-1, torch.arange(0, 3), -torch.inf))
    scored = score_prompts(model, bpe, QUESTIONS[:2], lambda question: question)
    hook.remove()
    assert np.isfinite(scored.entropy).all() and (scored.entropy > 0).all()


def test_what_comes_before_the_question_is_context(model, chat):
    def scores(system):
        return score_prompts(model, chat, QUESTIONS, lambda question: PromptStyle(system).prompt(question, chat, ""))

    assert not np.allclose(scores(None).perplexity, scores("you are a careful solver").perplexity)
    assert scores(None).cost.scored_tokens == scores("you are a careful solver").cost.scored_tokens


def test_a_uniform_model_gives_one_over_the_vocabulary_and_full_entropy():
    tokenizer = character_tokenizer("0123456789+?")
    uniform = Qwen2ForCausalLM(config(Qwen2Config, tokenizer))
    with torch.no_grad():
        uniform.lm_head.weight.zero_()
    scored = score_prompts(uniform, tokenizer, ["1+1?", "22+3+4?"], lambda question: question)
    assert scored.perplexity == pytest.approx([1 / len(tokenizer)] * 2, rel=1e-6)
    assert scored.entropy == pytest.approx([1.0] * 2, rel=1e-6)
    assert (scored.entropy <= 1).all()


def test_logits_scaled_after_the_output_layer_are_respected(chat):
    model = spread_out(CohereForCausalLM(config(CohereConfig, chat, logit_scale=1.5)))
    scored = score_prompts(model, chat, QUESTIONS, lambda question: PromptStyle(None).prompt(question, chat, ""))
    check(scored, loop_in_float64(model, chat, "<|user|>", [question.strip() for question in QUESTIONS]))


def test_batches_and_pieces_of_logits_change_nothing_but_rounding(model, chat, monkeypatch):
    def scores(**options):
        return score_prompts(
            model, chat, QUESTIONS, lambda question: PromptStyle(None).prompt(question, chat, ""), **options
        )

    whole = scores(token_budget=100_000)
    alone = scores(token_budget=1)
    monkeypatch.setattr(target_logits, "LOGIT_CELLS", 3 * len(chat))  # three positions at a time
    pieces = scores(token_budget=100_000)
    for other in (alone, pieces):
        np.testing.assert_allclose(other.perplexity, whole.perplexity, rtol=1e-5)
        np.testing.assert_allclose(other.entropy, whole.entropy, rtol=1e-5)


def test_scoring_draws_no_random_numbers_restores_the_mode_and_tells_progress(model, chat):
    model.train()
    before, seen = torch.random.get_rng_state(), []
    score_prompts(model, chat, QUESTIONS, lambda q: "?" + q, token_budget=60, progress=lambda *done: seen.append(done))
    assert model.training
    assert torch.equal(before, torch.random.get_rng_state())
    assert seen[-1] == (len(QUESTIONS), len(QUESTIONS)) and len(seen) > 1
    model.eval()
