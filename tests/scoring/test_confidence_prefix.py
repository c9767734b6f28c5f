"""The head that all texts share, computed once: the same confidences, or the plain pass where that cannot be."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from repro.models.prefix import SHORTEST, shared_length
from repro.models.tokenizers import character_tokenizer
from repro.scoring.confidence import score_confidence
from repro.scoring.prefix import shared_states

HEAD = "3*4=12;5-2=3;9+9=18;" * 2
COUNT = 16


@pytest.fixture(scope="module")
def tokenizer():
    return character_tokenizer("0123456789+-*=;?#")


@pytest.fixture(scope="module")
def texts():
    rng = np.random.default_rng(0)
    symbols = list("0123456789+-*=")
    contexts = [f"{HEAD}{i % 10}{''.join(rng.choice(symbols, rng.integers(1, 30)))}?#" for i in range(COUNT)]
    return contexts, ["".join(rng.choice(list("0123456789"), rng.integers(1, 6))) for _ in contexts]


def config(kind, tokenizer, **extra):
    shape = {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 256,
        "pad_token_id": 0,
        "eos_token_id": 1,
        "bos_token_id": None,
    }
    return AutoConfig.for_model(kind, **{**shape, **extra})


def build(settings, make=AutoModelForCausalLM.from_config):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = make(settings)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(8)  # so that what stands far back changes the log-probs
    return model.eval()


def loop_in_float64(model, tokenizer, contexts, targets):
    """Conf, text by text: no batch, no padding, no cache."""
    wide = copy.deepcopy(model).double()
    out = []
    for context, target in zip(contexts, targets, strict=True):
        ids = tokenizer(context + target, add_special_tokens=False)["input_ids"]
        with torch.no_grad():
            logits = wide(input_ids=torch.tensor([ids]), use_cache=False).logits[0]
        log_probs = torch.log_softmax(logits[-len(target) - 1 : -1], -1)
        out.append(float(log_probs.gather(1, torch.tensor(ids[-len(target) :]).unsqueeze(1)).mean()))
    return np.array(out)


KEYS_AND_VALUES = [
    ("llama", {}),
    ("qwen2", {}),
    ("gpt2", {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 256}),  # learned positions
    ("bloom", {"n_layer": 2, "n_head": 4}),  # positions in the attention bias
    ("opt", {"ffn_dim": 64, "word_embed_proj_dim": 32}),  # positions counted from the attention mask
    ("cohere", {"logit_scale": 0.3}),  # logits scaled after the output layer
]


@pytest.mark.parametrize(("kind", "extra"), KEYS_AND_VALUES)
def test_the_shared_head_changes_no_confidence(tokenizer, texts, kind, extra):
    contexts, targets = texts
    model = build(config(kind, tokenizer, **extra))
    scored = score_confidence(model, tokenizer, contexts, targets, token_budget=200)
    alone = [score_confidence(model, tokenizer, [c], [t]) for c, t in zip(contexts, targets, strict=True)]
    assert scored.cost.shared_tokens == len(HEAD)
    assert all(one.cost.shared_tokens == 0 for one in alone)  # one text shares its head with nothing
    plain = np.concatenate([one.s for one in alone])
    np.testing.assert_allclose(np.log(scored.s), np.log(plain), atol=2e-5, rtol=0)
    expected = loop_in_float64(model, tokenizer, contexts, targets)
    assert expected.std() > 0.1, "the oracle must tell texts apart"
    np.testing.assert_allclose(np.log(scored.s), expected, atol=1e-4, rtol=0)


def test_shared_tokens_are_computed_once_and_counted_in_every_text(tokenizer, texts):
    contexts, targets = texts
    model = build(config("llama", tokenizer))
    seen = []
    hook = model.model.embed_tokens.register_forward_hook(lambda _, inputs, output: seen.append(inputs[0].numel()))
    cost = score_confidence(model, tokenizer, contexts, targets).cost
    hook.remove()
    assert cost.prompt_tokens == sum(map(len, contexts))
    assert list(cost.lengths) == [len(c) + len(t) for c, t in zip(contexts, targets, strict=True)]
    own = sum(len(c) - len(HEAD) + len(t) for c, t in zip(contexts, targets, strict=True))
    assert (cost.shared_tokens, cost.computed_tokens) == (len(HEAD), own + len(HEAD))
    head, checks = seen[2], 5  # of the output layer (2), the head itself, a few texts without and with it
    assert head + sum(seen[checks:]) == cost.padded_tokens < sum(cost.lengths)


OTHERWISE = [
    ("mistral", {"sliding_window": 16}),
    ("gemma2", {"head_dim": 8, "sliding_window": 16}),  # every other layer slides
    ("mamba", {"state_size": 8}),
]


@pytest.mark.parametrize(("kind", "extra"), OTHERWISE)
def test_windows_and_recurrent_states_take_the_plain_pass(tokenizer, texts, kind, extra):
    contexts, targets = texts
    model = build(config(kind, tokenizer, **extra))
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1 and kind == "mamba":
                parameter.div_(8)  # a recurrence amplifies rounding
    scored = score_confidence(model, tokenizer, contexts, targets)
    assert scored.cost.shared_tokens == 0
    expected = loop_in_float64(model, tokenizer, contexts, targets)
    np.testing.assert_allclose(np.log(scored.s), expected, atol=1e-4, rtol=0)


class ForgetsPositions(LlamaForCausalLM):
    """A model that takes a cache and is wrong with it: every continuation starts at position 0."""

    def __init__(self, settings: LlamaConfig) -> None:
        super().__init__(settings)
        forward = self.model.forward

        def restarted(input_ids, **options):
            options["position_ids"] = torch.arange(input_ids.shape[1]).unsqueeze(0)
            return forward(input_ids, **options)

        self.model.forward = restarted


def test_a_model_that_is_wrong_with_a_cache_is_found_out(tokenizer, texts):
    contexts, targets = texts
    model = build(config("llama", tokenizer), ForgetsPositions)
    with torch.no_grad():
        assert shared_states(model, list(range(20))) is not None, "nothing but its numbers gives it away"
    scored = score_confidence(model, tokenizer, contexts, targets)
    assert scored.cost.shared_tokens == 0
    right = build(config("llama", tokenizer))
    expected = loop_in_float64(right, tokenizer, contexts, targets)
    np.testing.assert_allclose(np.log(scored.s), expected, atol=1e-4, rtol=0)


def test_a_context_that_all_texts_share_whole_keeps_a_token_to_predict_from(tokenizer):
    model = build(config("llama", tokenizer))
    contexts, targets = [HEAD] * 10, [str(i) for i in range(10)]
    scored = score_confidence(model, tokenizer, contexts, targets)
    assert scored.cost.shared_tokens == len(HEAD) - 1
    assert scored.s.sum() <= 1  # ten outcomes of one distribution
    expected = loop_in_float64(model, tokenizer, contexts, targets)
    np.testing.assert_allclose(np.log(scored.s), expected, atol=1e-4, rtol=0)


def test_states_are_kept_as_they_are_whatever_continues_them(tokenizer):
    model = build(config("llama", tokenizer))
    with torch.no_grad():
        cache = shared_states(model, list(range(3, 15)))
        before = [layer.keys.clone() for layer in cache.layers]
        for rows in (3, 1):
            batch = torch.full((rows, 4), 5)
            model(input_ids=batch, past_key_values=cache, use_cache=True)
    assert cache.get_seq_length() == 12
    assert all(torch.equal(layer.keys, kept) for layer, kept in zip(cache.layers, before, strict=True))


def test_the_shared_length_is_that_of_all_texts():
    rng = np.random.default_rng(1)
    for _ in range(50):
        common = rng.integers(0, 3, rng.integers(0, 40)).tolist()
        rows = [common + rng.integers(0, 3, rng.integers(1, 9)).tolist() for _ in range(5)]
        straight = next((i for i, column in enumerate(zip(*rows, strict=False)) if len(set(column)) > 1), None)
        straight = min(map(len, rows)) if straight is None else straight
        assert shared_length(rows, 1_000) == (straight if straight >= SHORTEST else 0)
        assert shared_length(rows, 20) == (min(straight, 20) if straight >= SHORTEST else 0)
    assert shared_length([list(range(100))], 99) == 0
    whole = list(range(20))
    assert shared_length([[*whole, 7, 8], whole, [*whole, 7]], 99) == 20, "no text shares more than it has"
