"""Texts of completions: special tokens are left out, but for those that thinking blocks are made of."""

from __future__ import annotations

import pytest

from repro.models.texts import completion_texts
from repro.models.tokenizers import character_tokenizer
from repro.tasks.answers import extract_answer


def tokenizer(*special: str):
    made = character_tokenizer()
    made.add_special_tokens({"additional_special_tokens": list(special)})
    return made


@pytest.mark.parametrize(
    ("special", "thought", "closing"),
    [
        (("[THINK]", "[/THINK]"), "[THINK]Maybe 71", "[/THINK]"),
        (("<|START_THINKING|>", "<|END_THINKING|>"), "<|START_THINKING|>Maybe 71", "<|END_THINKING|>"),
        (
            ("<|channel|>", "<|message|>", "<|end|>", "<|start|>"),
            "<|channel|>analysis<|message|>Maybe 71",
            "<|end|><|start|>assistant<|channel|>final<|message|>",
        ),
    ],
)
def test_tags_that_are_special_tokens_stay_so_that_thoughts_are_no_answer(special, thought, closing):
    made = tokenizer(*special)
    rows = [[*made(text)["input_ids"], made.eos_token_id] for text in (thought, f"{thought}{closing}It is 72.")]
    cut, whole = completion_texts(made, rows)
    assert cut == thought and extract_answer(cut) == ""
    assert extract_answer(whole) == "72" and "<eos>" not in whole


def test_other_special_tokens_are_left_out_and_no_space_is_tidied_away():
    made = tokenizer("<|im_end|>")
    made.clean_up_tokenization_spaces = True
    ids = [*made("{ 1 , 2 } .<|im_end|>")["input_ids"], made.eos_token_id]
    assert completion_texts(made, [ids, []]) == ["{ 1 , 2 } .", ""]
