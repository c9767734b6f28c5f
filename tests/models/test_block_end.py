"""Completions end at a blank line where prompts are plain text with examples, in rollouts and samples alike."""

from __future__ import annotations

import json
import shutil
import warnings

import pytest
import torch

from repro.models.block_end import BlockEnd, block_end
from repro.models.decode import Decoding, complete
from repro.models.model_spec import ModelSpec
from repro.models.policy import load_policy, save_policy
from repro.models.sampling import decoding_of
from repro.models.tokenizers import bpe_tokenizer, character_tokenizer
from repro.models.vllm_engine import VLLMEngine
from tests.models.conftest import DATASET
from tests.models.test_decode import SIZES, llama, sliding

BYTES = character_tokenizer()
WRITTEN = "7 \n"


def writes_lines(make, monkeypatch):
    """A model that writes sevens, spaces and line breaks at random."""
    monkeypatch.setitem(SIZES, "vocab_size", len(BYTES))
    model = make()
    head = torch.nn.Linear(model.config.hidden_size, len(BYTES))
    with torch.no_grad():
        head.weight.zero_()
        head.bias.fill_(-100)
        head.bias[BYTES(WRITTEN, add_special_tokens=False)["input_ids"]] = 0
    model.lm_head = head
    return model


def over(text: str) -> bool:
    """By hand: a line without text after a line with some."""
    lines = text.lstrip().split("\n")
    return any(not line.strip() for line in lines[1:-1])


@pytest.mark.parametrize("make", [llama, sliding])
def test_a_completion_ends_with_the_token_that_ends_its_first_blank_line(make, monkeypatch):
    model = writes_lines(make, monkeypatch)
    prompts = BYTES(["1+1?"] * 40, add_special_tokens=False)["input_ids"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a sliding window is told
        whole, _ = complete(model, prompts, 3, Decoding(1.0, 1.0, 16, [1], 0))
        cut, logps = complete(model, prompts, 3, Decoding(1.0, 1.0, 16, [1], 0, BlockEnd(BYTES)))
    assert any(BYTES.decode(row).startswith("\n") and len(row) > 3 for row in cut), (
        "a blank line before it ends nothing"
    )
    for long, short in zip(whole, cut, strict=True):
        ends = [n for n in range(1, len(long) + 1) if over(BYTES.decode(long[:n]))]
        assert short == long[: ends[0] if ends else len(long)]
    assert [len(row) for row in logps] == [len(row) for row in cut]
    assert 10 < sum(len(row) < 16 for row in cut) < 40


@pytest.fixture
def textual(saved, tmp_path):
    """A model directory whose tokenizer keeps line breaks and has no chat template."""
    copy = tmp_path / "textual"
    shutil.copytree(saved, copy)
    bpe_tokenizer(["1+1? It is 2\n"] * 50, 300).save_pretrained(copy)
    return copy


def test_a_loaded_policy_ends_so_where_it_is_shown_examples_in_plain_text(textual, cache, data, tmp_path):
    shown = [{"question": "1+1?", "answer": "It is 2"}]

    def block_of(**fields):
        policy = load_policy(ModelSpec(**fields), DATASET, data, cache)
        assert (block_end(policy.model, policy.tokenizer) is None) == (
            decoding_of(policy.model, policy.tokenizer, 1.0, 1.0, 8).block is None
        )
        return policy, block_end(policy.model, policy.tokenizer)

    policy, block = block_of(path=str(textual), examples=shown)
    assert block is not None
    assert block.length(policy.tokenizer("\n\nIt is 2\n\n1+1?")["input_ids"]) < len(
        policy.tokenizer("\n\nIt is 2\n\n1+1?")["input_ids"]
    )
    save_policy(policy, tmp_path / "trained")
    assert block_of(path=str(tmp_path / "trained"))[1] is None, "the spec decides, not what a model brings"
    assert block_of(path=str(textual))[1] is None
    template = "{% for m in messages %}<{{ m.content }}>{% endfor %}"
    assert block_of(path=str(textual), examples=shown, chat_template=template)[1] is None
    plain = load_policy(ModelSpec(path=str(textual)), DATASET, data, cache)
    save_policy(plain, tmp_path / "plain")
    assert "ends_at" not in json.dumps(json.loads((tmp_path / "plain/generation_config.json").read_text()))


def test_what_vllm_gives_ends_at_the_same_place():
    engine = VLLMEngine.__new__(VLLMEngine)
    rows = BYTES(["7\n\n8", "7 8", "\n\n7\n \n9"], add_special_tokens=False)["input_ids"]
    engine.block = BlockEnd(BYTES)
    tokens, logps = engine._cut(rows, [[-1.0] * len(row) for row in rows])
    assert BYTES.batch_decode(tokens) == ["7\n\n", "7 8", "\n\n7\n \n"]
    assert [len(row) for row in logps] == [3, 3, 6]
    engine.block = None
    assert engine._cut(rows, [])[0] == rows
