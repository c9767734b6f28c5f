"""Tokenizers: text survives, ids are stable, the special tokens are distinct."""

from __future__ import annotations

import numpy as np
import pytest
from transformers import AutoTokenizer, Qwen2Config

from repro.models.tokenizers import bpe_tokenizer, character_tokenizer
from repro.tasks.made.arithmetic import Arithmetic

TEXTS = ["Natalia sold 48/2 = <<48/2=24>>24 clips in May.\n#### 72", "Weng earns $12 an hour.\n#### 10"] * 5


def test_every_arithmetic_text_survives_encoding_and_has_one_token_per_character():
    tokenizer = character_tokenizer(Arithmetic.alphabet)
    rng = np.random.default_rng(0)
    for _ in range(50):
        text = "".join(rng.choice(list(Arithmetic.alphabet), int(rng.integers(1, 60))))
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        assert len(ids) == len(text)
        assert tokenizer.decode(ids, skip_special_tokens=True) == text


def test_a_tokenizer_loaded_beside_a_qwen2_config_is_the_one_that_was_saved(tmp_path):
    # AutoTokenizer rebuilds the tokenizer of such a directory as a Qwen2Tokenizer.
    texts = ["7*5-9?", "7*5=35;35-9=26#26", "hello, it's 1234  world\n\n#### 7", "漢字"]
    for i, tokenizer in enumerate(
        (character_tokenizer(Arithmetic.alphabet), character_tokenizer(), bpe_tokenizer(TEXTS, 300))
    ):
        tokenizer.save_pretrained(tmp_path / str(i))
        Qwen2Config(vocab_size=len(tokenizer)).save_pretrained(tmp_path / str(i))
        again = AutoTokenizer.from_pretrained(tmp_path / str(i))
        assert len(again) == len(tokenizer)
        assert again.get_vocab() == tokenizer.get_vocab()
        for text in texts:
            ids = tokenizer(text)["input_ids"]
            assert again(text)["input_ids"] == ids
            assert again.decode(ids, skip_special_tokens=True) == tokenizer.decode(ids, skip_special_tokens=True)


def test_bytes_carry_any_text_and_an_odd_alphabet_is_refused():
    tokenizer = character_tokenizer()
    for text in ("ünseen 漢字", "  two spaces\n", "it's 12"):
        ids = tokenizer(text)["input_ids"]
        assert len(ids) == len(text.encode())
        assert tokenizer.decode(ids, skip_special_tokens=True) == text
    with pytest.raises(ValueError, match="printable ASCII"):
        character_tokenizer("01 2")


def test_special_tokens_are_distinct_and_survive_saving(tmp_path):
    for i, tokenizer in enumerate((character_tokenizer(Arithmetic.alphabet), bpe_tokenizer(TEXTS, 300))):
        tokenizer.save_pretrained(tmp_path / str(i))
        again = AutoTokenizer.from_pretrained(tmp_path / str(i))
        assert again.pad_token_id is not None and again.eos_token_id is not None
        assert again.pad_token_id != again.eos_token_id
        assert again.padding_side == "left"
        assert again.chat_template is None


def test_bpe_keeps_any_text_even_unseen_scripts(tmp_path):
    bpe_tokenizer(TEXTS, 300).save_pretrained(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    for text in (*TEXTS, "ünseen 漢字 \U0001f600", "  spaces\n\n#### -1,234.5"):
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        assert tokenizer.decode(ids, skip_special_tokens=True) == text


def test_bpe_learns_merges_up_to_its_size_and_splits_digits():
    tokenizer = bpe_tokenizer(TEXTS, 300)
    assert 259 < len(tokenizer) <= 300
    assert len(tokenizer("4872")["input_ids"]) == 4
    assert len(tokenizer("clips")["input_ids"]) < 5


def test_bpe_smaller_than_its_bytes_is_refused():
    bpe_tokenizer(TEXTS, 259)
    with pytest.raises(ValueError, match="at least 259"):
        bpe_tokenizer(TEXTS, 258)
