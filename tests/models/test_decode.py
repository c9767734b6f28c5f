"""Decoding: rows that have ended leave, draws belong to their row, and the distribution is the policy's."""

from __future__ import annotations

import itertools
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.stats import chisquare
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    LogitsProcessorList,
    Qwen2Config,
    Qwen2ForCausalLM,
    TemperatureLogitsWarper,
    TopPLogitsWarper,
)

from repro.models import decode, kv_cache, prefix
from repro.models.decode import Decoding, complete, why_not_decoded_here
from repro.models.kv_cache import PackedLayer
from repro.models.row_draws import TokenDraw, row_uniforms
from repro.models.sampling import decoding_of

QUESTIONS = ["7*5-9?", "2+2?", "3-9+4*5?", "8*8*8*8*8?", "2+3?"]
SIZES = {"vocab_size": 30, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
FREE = Decoding(temperature=1.0, top_p=1.0, max_new_tokens=12, ends=[1], pad=0)
PROMPTS = [[5, 6, 7], [8, 9], [5, 6, 7], [10, 11, 12, 13, 14], [8, 9], [5, 6, 7]]


def ids(policy, questions=QUESTIONS, samples=1):
    encoded = policy.tokenizer(list(questions), add_special_tokens=False)["input_ids"]
    return [row for row in encoded for _ in range(samples)]


def how(policy, **changes):
    return decoding_of(
        policy.model, policy.tokenizer, **{"temperature": 1.0, "top_p": 1.0, "max_new_tokens": 24, **changes}
    )


def llama(**changes):
    torch.manual_seed(0)
    return LlamaForCausalLM(LlamaConfig(**SIZES, num_key_value_heads=2, **changes)).eval()


def sliding():
    torch.manual_seed(0)
    return Qwen2ForCausalLM(
        Qwen2Config(**SIZES, num_key_value_heads=2, use_sliding_window=True, sliding_window=4, max_window_layers=1)
    ).eval()


def test_a_completion_is_the_same_in_any_batch_and_among_any_neighbours(small):
    rows = ids(small, samples=6)
    whole, _ = complete(small.model, rows, 5, how(small))
    for batch_size in (1, 7, 16):
        assert complete(small.model, rows, 5, how(small), batch_size)[0] == whole
    backwards, _ = complete(small.model, rows[::-1], 5, how(small))  # the first of a prompt's rows is its sample 0
    for first, question in zip(range(0, 30, 6), ids(small), strict=True):
        assert complete(small.model, [question] * 4, 5, how(small))[0] == whole[first : first + 4]
        assert backwards[24 - first : 30 - first] == whole[first : first + 6]
    assert len({tuple(row) for row in whole}) > 15


def test_a_longer_limit_goes_on_where_a_shorter_one_stopped(small):
    rows = ids(small, samples=4)
    long, short = (complete(small.model, rows, 5, how(small, max_new_tokens=most))[0] for most in (24, 5))
    assert [row[:5] for row in long] == short and max(map(len, long)) > 5


def test_whole_completions_follow_the_policys_distribution(small):
    """All first two tokens of a prompt, against their exact probabilities."""
    n, prompt, end = 4000, ids(small, ["2+2?"])[0], small.tokenizer.eos_token_id
    made, _ = complete(small.model, [prompt] * n, 3, how(small, max_new_tokens=2))
    vocabulary = small.model.config.vocab_size
    with torch.no_grad():
        first = small.model(torch.tensor([prompt])).logits[0, -1].double().softmax(-1).numpy()
        after = torch.tensor([[*prompt, token] for token in range(vocabulary)])
        second = small.model(after).logits[:, -1].double().softmax(-1).numpy()
    expected = {
        (a, b): first[a] * second[a, b] for a, b in itertools.product(range(vocabulary), repeat=2) if a != end
    } | {(end,): first[end]}
    counts = dict.fromkeys(expected, 0)
    for row in made:
        counts[tuple(row)] += 1
    likely = [key for key, chance in expected.items() if chance * n >= 5]
    observed = [counts[key] for key in likely] + [n - sum(counts[key] for key in likely)]
    chances = [expected[key] for key in likely] + [1 - sum(expected[key] for key in likely)]
    assert len(likely) > 10 and chisquare(observed, np.array(chances) * n).pvalue > 1e-3


@pytest.mark.parametrize(("temperature", "top_p"), [(1.0, 1.0), (0.6, 1.0), (1.3, 0.8), (0.7, 0.3)])
def test_a_draw_has_the_distribution_of_transformers_warpers(temperature, top_p):
    n, logits = 20_000, torch.randn(1, 12, generator=torch.Generator().manual_seed(1))
    warpers = LogitsProcessorList([TemperatureLogitsWarper(temperature)] if temperature != 1 else [])
    if top_p < 1:
        warpers.append(TopPLogitsWarper(top_p))
    expected = warpers(None, logits).softmax(-1)[0].double().numpy()
    uniforms = torch.from_numpy(row_uniforms(0, [[4]], n)[0])
    tokens, logps = TokenDraw(temperature, top_p)(logits.expand(n, -1), uniforms)
    counts = np.bincount(tokens.numpy(), minlength=12)
    assert not counts[expected == 0].any()
    kept = expected > 0
    assert kept.sum() == 1 or chisquare(counts[kept], expected[kept] / expected[kept].sum() * n).pvalue > 1e-3
    torch.testing.assert_close(logps, (logits[0] / temperature).log_softmax(-1)[tokens])


def test_numbers_at_the_edge_give_a_token_that_can_be_drawn():
    logits = torch.tensor([[-torch.inf, 0.0, 0.0, -torch.inf]] * 3)
    tokens, _ = TokenDraw(1.0, 1.0)(logits, torch.tensor([0.0, 0.5, 1 - 2**-53], dtype=torch.float64))
    assert tokens.tolist() == [1, 2, 2]


@pytest.mark.parametrize("vocabulary", [4096, 5000])
def test_a_large_vocabulary_gives_the_token_of_the_running_sum(vocabulary):
    logits = 3 * torch.randn(200, vocabulary, generator=torch.Generator().manual_seed(1))
    logits[:, ::3] = -torch.inf  # not to be drawn
    uniforms = torch.from_numpy(row_uniforms(0, [[4]], 200)[0])
    tokens, logps = TokenDraw(1.0, 1.0)(logits, uniforms)
    below = logits.double().softmax(-1).cumsum(-1)  # (200, vocabulary)
    above = torch.searchsorted(below, uniforms[:, None], right=True)[:, 0]
    assert (tokens == above).float().mean() > 0.98, "all but draws within rounding of two tokens' border"
    assert logps.isfinite().all() and len(set(tokens.tolist())) > 150
    edges = torch.tensor([0.0, 1 - 2**-53], dtype=torch.float64)
    assert TokenDraw(1.0, 1.0)(logits[:2], edges)[0].tolist() == [
        1,
        max(token for token in range(vocabulary) if token % 3),
    ]
    with pytest.raises(FloatingPointError, match="no distribution"):
        TokenDraw(1.0, 1.0)(logits.fill_(torch.nan), uniforms)


def test_in_bfloat16_keys_are_held_as_attention_casts_them(small, monkeypatch):
    def made():
        with torch.autocast("cpu", torch.bfloat16):
            return complete(small.model, ids(small, samples=3), 5, how(small))

    types = set()
    pack = PackedLayer.pack
    monkeypatch.setattr(PackedLayer, "pack", lambda layer, *rest: types.add(layer.keys.dtype) or pack(layer, *rest))
    as_cast = made()
    assert types == {torch.bfloat16}
    monkeypatch.setattr(kv_cache, "attended_type", lambda states: states.dtype)
    assert made() == as_cast and torch.float32 in types


def test_beyond_the_end_the_cache_holds_zeros_whatever_memory_held_before(monkeypatch):
    monkeypatch.setattr(torch.utils.deterministic, "fill_uninitialized_memory", True)
    keys = torch.ones(2, 1, 3, 4)  # (prompts, heads, tokens, width)
    torch.use_deterministic_algorithms(True)  # fresh memory is NaN now
    try:
        layer = PackedLayer(keys, keys, torch.tensor([0, 1, 1]), room=8)
        layer.update(torch.ones(3, 1, 6, 4), torch.ones(3, 1, 6, 4))  # more than there is room for
    finally:
        torch.use_deterministic_algorithms(False)
    for held in (layer.keys, layer.values):
        assert held[:, :, :9].eq(1).all() and held.shape[2] > 9 and held[:, :, 9:].eq(0).all()


def test_rows_have_numbers_of_their_own_and_the_same_ones_for_any_count():
    numbers = row_uniforms(7, [[1, 2], [3], [1, 2]], 50)
    assert len(set(numbers.ravel())) == 150
    np.testing.assert_array_equal(numbers[2], row_uniforms(7, [[1, 2], [1, 2], [9]], 60)[1, :50])
    np.testing.assert_array_equal(numbers[1:], row_uniforms(7, [[3], [1, 2]], 50, earlier=[[1, 2]]))
    assert not np.isin(row_uniforms(8, [[1, 2]], 50), numbers).any()
    assert abs(row_uniforms(0, [[i] for i in range(500)], 20).mean() - 0.5) < 0.02


def test_log_probs_are_those_of_a_pass_over_the_completion(small):
    rows = ids(small, samples=3)
    made, logps = complete(small.model, rows, 5, how(small, temperature=0.8))
    for prompt, completion, told in zip(rows, made, logps, strict=True):
        with torch.no_grad():
            logits = small.model(torch.tensor([prompt + completion])).logits[0, len(prompt) - 1 : -1] / 0.8
        expected = logits.log_softmax(-1).gather(1, torch.tensor(completion)[:, None])[:, 0]
        np.testing.assert_allclose(told, expected.numpy(), atol=1e-5)


def test_a_row_that_has_ended_is_not_computed_any_more(small):
    seen = []
    hook = small.model.register_forward_pre_hook(
        lambda _, __, given: seen.append(given["input_ids"].shape), with_kwargs=True
    )
    try:
        made, _ = complete(small.model, ids(small, samples=8), 5, how(small))
    finally:
        hook.remove()
    assert seen[0] == (5, 10), "a prompt is passed once for all its samples"
    assert sum(rows for rows, _ in seen[1:]) == sum(len(row) - 1 for row in made)
    assert len({len(row) for row in made}) > 3


@pytest.mark.parametrize("model", [llama(), llama(rope_parameters={"rope_type": "linear", "factor": 2.0})])
def test_the_loop_decodes_as_the_models_own_generate(model, monkeypatch):
    prompts = [*PROMPTS, *PROMPTS]
    ours = [complete(model, prompts, 1, FREE)]
    monkeypatch.setattr(decode, "FIRST_ROOM", 2)  # the cache has to grow
    ours.append(complete(model, prompts, 1, FREE))
    monkeypatch.setattr(decode, "why_not_decoded_here", lambda _: "a test asks for it")
    with pytest.warns(UserWarning, match="LlamaForCausalLM is decoded by its own generate"):
        decode._tell.cache_clear()
        theirs, logps = complete(model, prompts, 1, FREE)
    for made, told in ours:
        assert made == theirs
        np.testing.assert_allclose(np.concatenate(told), np.concatenate(logps), atol=1e-5)
    assert any(row[-1] == 1 and len(row) < 12 for row in theirs) and any(len(row) == 12 for row in theirs)


def test_greedy_decoding_takes_the_path_of_generate(small):
    rows = ids(small)
    made, _ = complete(small.model, rows, 0, how(small, temperature=0.0))
    for prompt, completion in zip(rows, made, strict=True):
        out = small.model.generate(
            input_ids=torch.tensor([prompt]),
            attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
            max_new_tokens=24,
            do_sample=False,
            temperature=None,
            top_p=None,
            top_k=None,
        )
        assert out[0, len(prompt) :].tolist() == completion


def test_a_model_with_sliding_windows_is_left_to_generate_and_keeps_its_seeds_per_row():
    model = sliding()
    assert "DynamicSlidingWindowLayer" in str(why_not_decoded_here(model))
    decode._tell.cache_clear()
    with pytest.warns(UserWarning, match="sliding|Sliding"):
        whole = complete(model, PROMPTS, 4, FREE)[0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # it is said once
        assert complete(model, PROMPTS, 4, FREE, batch_size=2)[0] == whole
    assert len({tuple(row) for row in whole}) == len(PROMPTS)


@pytest.mark.parametrize("make", [llama, sliding])
def test_sampling_defaults_that_a_model_brings_change_nothing(make):
    model = make()
    decode._tell.cache_clear()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a sliding window is told
        before = complete(model, PROMPTS, 4, FREE)[0]
        brought = {"min_p": 0.9, "typical_p": 0.2, "no_repeat_ngram_size": 1, "num_beams": 3, "repetition_penalty": 5.0}
        model.generation_config.update(**brought, suppress_tokens=[2, 3], stop_strings=["a"])
        assert complete(model, PROMPTS, 4, FREE)[0] == before
    assert model.generation_config.num_beams == 3, "the model keeps its own"


def test_logits_that_are_no_numbers_stop_the_run():
    model = llama()
    with torch.no_grad():
        model.lm_head.weight[3, 0] = torch.nan
    with pytest.raises(FloatingPointError, match="NaN or infinite"):
        complete(model, PROMPTS, 1, FREE)


def test_no_rows_make_no_completions(small):
    assert complete(small.model, [], 0, FREE) == ([], [])


def test_a_card_decodes_together_what_a_share_of_its_memory_holds(monkeypatch):
    model = llama()
    token = 2 * model.config.num_hidden_layers * model.config.num_key_value_heads * model.config.head_dim * 4  # bytes
    row = 100 * token + decode.BYTES_OF_A_LOGIT * model.config.vocab_size
    card = SimpleNamespace(total_memory=int(1000 * row / decode.SHARE_OF_GPU))
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: card)
    monkeypatch.setattr(type(model), "device", torch.device("cuda"))
    assert decode.rows_of_a_batch(model, 100) == 1000
    card.total_memory //= 100
    assert decode.rows_of_a_batch(model, 100) == decode.ROWS


def test_what_all_prompts_begin_with_is_passed_once_and_changes_no_completion(monkeypatch):
    model, common = llama(), [5, 6, 7, 8] * 5
    prompts = [common + rest for rest in ([9], [10, 11, 12], [9, 13]) for _ in range(4)]
    found, widths = [], []
    passed = model.forward
    monkeypatch.setattr(
        model, "forward", lambda *given, **more: (widths.append(more["input_ids"].shape), passed(*given, **more))[1]
    )
    for smallest in (2**24, 0):
        monkeypatch.setattr(prefix, "SMALLEST", smallest)
        found.append(complete(model, prompts, 3, FREE))
    assert [tuple(shape) for shape in widths if shape[1] > 1] == [(3, 23), (1, 20), (3, 3)]
    assert found[0][0] == found[1][0]
    for ours, theirs in zip(found[1][1], found[0][1], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5)
