"""The single-pass scorer against a straight float64 loop, one item and one token at a time."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from transformers import CohereConfig, CohereForCausalLM, Qwen2Config, Qwen2ForCausalLM

from repro.errors import UserError
from repro.models.sampling import sample
from repro.models.tokenizers import bpe_tokenizer, character_tokenizer
from repro.scoring.confidence import confidence_texts, score_confidence
from repro.selection.bands import nearest_to
from repro.tasks.problem import AnswerFormat, Problem
from repro.tasks.prompts import PromptStyle

FORMAT = AnswerFormat("#")
ALPHABET = "0123456789+-*=;?#"


@pytest.fixture(scope="module")
def tokenizer():
    return character_tokenizer(ALPHABET)


@pytest.fixture(scope="module")
def model(tokenizer):
    return spread_out(Qwen2ForCausalLM(config(Qwen2Config, tokenizer)))


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


def spread_out(model, scale=6.0):
    """Redraw all matrices larger, from a generator of its own, so that confidences differ between items."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.05 * scale)
    return model.eval()


def problems(count, seed=0):
    rng = np.random.default_rng(seed)
    out = []
    for i in range(count):
        steps = int(rng.integers(1, 9))
        body = "".join(f"{rng.integers(2, 10)}{'+-*'[rng.integers(3)]}" for _ in range(steps)) + "7"
        out.append(Problem(str(i), body + "?", str(rng.integers(0, 10 ** rng.integers(1, 4))), f"{body}={i}"))
    return out


def loop_in_float64(model, tokenizer, contexts, targets):
    """The definition of s (papers: UFO-RL, `Conf`), straight: no batch, no padding, log-softmax in float64."""
    wide = copy.deepcopy(model).double()
    out = []
    for context, target in zip(contexts, targets, strict=True):
        ids = tokenizer(context + target, add_special_tokens=False)["input_ids"]
        count = len(tokenizer(target, add_special_tokens=False)["input_ids"])
        with torch.no_grad():
            logits = wide(input_ids=torch.tensor([ids])).logits[0]
        total = 0.0
        for place in range(len(ids) - count, len(ids)):
            total += float(torch.log_softmax(logits[place - 1], -1)[ids[place]])
        out.append(np.exp(total / count))
    return np.array(out)


@pytest.mark.parametrize("target", ["final_answer", "solution", "greedy_response"])
def test_s_equals_the_float64_loop_and_keeps_the_same_questions(model, tokenizer, target):
    items = problems(80)

    def respond(given):
        options = {"samples": 1, "temperature": 0.0, "top_p": 1.0, "max_new_tokens": 12, "seed": 0}
        texts = sample(model, tokenizer, given, **options).texts
        return ["", *texts[1:]]  # a policy may say nothing

    contexts, targets = confidence_texts(target, "default", items, tokenizer, PromptStyle(), FORMAT, respond=respond)
    scored = score_confidence(model, tokenizer, contexts, targets, token_budget=200)
    expected = loop_in_float64(model, tokenizer, contexts, targets)
    assert expected.std() / expected.mean() > 0.3, "the oracle must tell items apart"
    np.testing.assert_allclose(scored.s, expected, atol=1e-4, rtol=0)
    np.testing.assert_allclose(np.log(scored.s), np.log(expected), atol=1e-4, rtol=0)
    places = np.arange(len(expected))
    assert nearest_to(scored.s, "mean", 8, places).tolist() == nearest_to(expected, "mean", 8, places).tolist()
    assert scored.tokens.tolist() == [len(tokenizer(t)["input_ids"]) for t in targets]
    assert scored.cost.scored_tokens == scored.tokens.sum()
    assert scored.cost.prompt_tokens == sum(map(len, contexts))
    assert list(scored.cost.lengths) == [len(c) + k for c, k in zip(contexts, scored.tokens, strict=True)]
    assert sum(scored.cost.lengths) <= scored.cost.padded_tokens < 1.3 * sum(scored.cost.lengths)


def test_only_the_answers_own_tokens_are_scored(model, tokenizer):
    item = Problem("a", "3+4?", "7", "")
    contexts, targets = confidence_texts("final_answer", "default", [item], tokenizer, PromptStyle(), FORMAT)
    scored = score_confidence(model, tokenizer, contexts, targets)
    ids = tokenizer("3+4?#7", add_special_tokens=False)["input_ids"]
    with torch.no_grad():
        after_prefix = model(input_ids=torch.tensor([ids])).logits[0, -2].softmax(-1)
    assert scored.s[0] == pytest.approx(float(after_prefix[ids[-1]]), abs=1e-6)  # the one digit: not "#", no end
    assert scored.cost.scored_tokens == 1


def test_a_uniform_model_gives_one_over_the_vocabulary(tokenizer):
    model = Qwen2ForCausalLM(config(Qwen2Config, tokenizer))
    with torch.no_grad():
        model.lm_head.weight.zero_()
    scored = score_confidence(model, tokenizer, ["1+1?#", "2*3+4?#"], ["2", "10"])
    assert scored.s == pytest.approx([1 / len(tokenizer)] * 2, rel=1e-6)  # geometric mean, whatever the length


def test_batch_size_and_order_change_nothing_but_rounding(model, tokenizer):
    items = problems(40, seed=5)
    contexts, targets = confidence_texts("solution", "default", items, tokenizer, PromptStyle(), FORMAT)
    one_by_one = score_confidence(model, tokenizer, contexts, targets, token_budget=1).s
    at_once = score_confidence(model, tokenizer, contexts, targets, token_budget=100_000).s
    backwards = score_confidence(model, tokenizer, contexts[::-1], targets[::-1], token_budget=300).s[::-1]
    np.testing.assert_allclose(at_once, one_by_one, rtol=1e-5)
    np.testing.assert_allclose(backwards, one_by_one, rtol=1e-5)


def test_a_bpe_target_counts_tokens_of_the_target_alone(model):
    texts = ["the answer is 12 apples and 7 pears", "a train goes 60 miles in 2 hours"]
    bpe = bpe_tokenizer(texts * 20, 300)
    policy = spread_out(Qwen2ForCausalLM(config(Qwen2Config, bpe)))
    contexts, targets = [f"{t}? <answer> " for t in texts], ["12", "apples and pears"]
    scored = score_confidence(policy, bpe, contexts, targets)
    np.testing.assert_allclose(scored.s, loop_in_float64(policy, bpe, contexts, targets), atol=1e-4)
    assert scored.tokens.tolist() == [len(bpe(t, add_special_tokens=False)["input_ids"]) for t in targets]


def test_logits_scaled_after_the_output_layer_are_respected(tokenizer):
    model = spread_out(CohereForCausalLM(config(CohereConfig, tokenizer, logit_scale=0.3)))
    items = problems(20)
    contexts, targets = confidence_texts("solution", "default", items, tokenizer, PromptStyle(), FORMAT)
    scored = score_confidence(model, tokenizer, contexts, targets, token_budget=150)
    np.testing.assert_allclose(scored.s, loop_in_float64(model, tokenizer, contexts, targets), atol=1e-4)


def test_the_output_layer_sees_the_target_positions_only(model, tokenizer):
    items = problems(30)
    contexts, targets = confidence_texts("final_answer", "default", items, tokenizer, PromptStyle(), FORMAT)
    seen = []
    hook = model.lm_head.register_forward_hook(lambda _, inputs, output: seen.append(output.shape[:-1].numel()))
    scored = score_confidence(model, tokenizer, contexts, targets, token_budget=100)
    hook.remove()
    shortest = min(scored.cost.lengths)  # the text that decides how this model predicts is seen twice in full
    assert sum(seen) == scored.tokens.sum() + 2 * shortest


def test_scoring_draws_no_random_numbers_and_restores_the_mode(model, tokenizer):
    model.train()
    before = torch.random.get_rng_state()
    score_confidence(model, tokenizer, ["1+1?#"], ["2"])
    assert model.training
    assert torch.equal(before, torch.random.get_rng_state())
    model.eval()


def test_progress_ends_at_the_number_of_texts(model, tokenizer):
    seen = []
    score_confidence(model, tokenizer, ["1+1?#"] * 5, ["2"] * 5, token_budget=12, progress=lambda *a: seen.append(a))
    assert seen == [(2, 5), (4, 5), (5, 5)]


def test_a_dataset_without_solutions_is_a_user_error_naming_the_field(tokenizer):
    items = [Problem("q1", "1+1?", "2", "1+1=2"), Problem("q2", "1+2?", "3", "")]
    with pytest.raises(UserError, match=r"1 of 2 have none, the first is 'q2'.*dataset\.solution"):
        confidence_texts("solution", "default", items, tokenizer, PromptStyle(), FORMAT)


def test_an_empty_target_is_refused(model, tokenizer):
    with pytest.raises(UserError, match="text 1: the target '' has no tokens"):
        score_confidence(model, tokenizer, ["1+1?#", "1+2?#"], ["2", ""])
    with pytest.raises(UserError, match="text 0: all 1 tokens are the target's"):
        score_confidence(model, tokenizer, [""], ["2"])
