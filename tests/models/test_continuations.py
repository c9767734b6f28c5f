"""A text that continues another has the tokens it has there."""

from __future__ import annotations

import pytest

from repro.models.continuations import continuation_ids
from repro.models.supervised import encode
from repro.models.tokenizers import character_tokenizer
from tests.tasks.test_prompts import spaced


@pytest.mark.parametrize("scheme", ["always", "first", "never"])
@pytest.mark.parametrize("text", ["3", " 3", "3 eggs", "\n3"])
def test_a_prompt_and_what_follows_it_have_the_tokens_of_the_whole_text(scheme, text):
    fast = spaced(scheme, "<s> $A")
    prompt, whole = fast(["<s> 2 eggs?", "<s> 2 eggs?" + text], add_special_tokens=False)["input_ids"]
    (row,) = encode(["<s> 2 eggs?"], [text], fast)
    assert row["input_ids"] == [*whole, fast.eos_token_id]
    assert row["labels"] == [-100] * len(prompt) + row["input_ids"][len(prompt) :]


def test_tokenizers_that_put_nothing_before_a_text_give_the_tokens_of_the_text_alone():
    plain = character_tokenizer()
    texts = ["3", " 3", "\n3 = 3", ""]
    assert continuation_ids(plain, texts) == plain(texts, add_special_tokens=False)["input_ids"]
    assert continuation_ids(plain, []) == []
