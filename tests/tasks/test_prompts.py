"""Prompts: one rendering for every use, with or without a chat template."""

from __future__ import annotations

import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerFast

from repro.errors import UserError
from repro.tasks.prompts import PromptStyle

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
NO_SYSTEM = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"


def tokenizer(chat_template: str | None) -> PreTrainedTokenizerFast:
    words = Tokenizer(WordLevel({"<unk>": 0, "<pad>": 1, "</s>": 2}, unk_token="<unk>"))
    words.pre_tokenizer = WhitespaceSplit()
    fast = PreTrainedTokenizerFast(tokenizer_object=words, unk_token="<unk>", pad_token="<pad>", eos_token="</s>")
    fast.chat_template = chat_template
    return fast


@pytest.mark.parametrize("system_prompt", [None, "Be brief."])
def test_without_a_template_the_prompt_is_the_question_and_its_suffix(system_prompt):
    assert PromptStyle(system_prompt).prompt("7*5-9?", tokenizer(None), "") == "7*5-9?"
    assert PromptStyle(system_prompt).prompt("How many eggs?", tokenizer(None), "\n") == "How many eggs?\n"


def test_a_template_opens_the_assistant_turn_and_ignores_the_suffix():
    assert (
        PromptStyle(None).prompt("How many eggs?", tokenizer(CHATML), "\n")
        == "<|im_start|>user\nHow many eggs?<|im_end|>\n<|im_start|>assistant\n"
    )


def test_a_system_prompt_becomes_the_system_turn():
    prompt = PromptStyle("Be brief.").prompt("How many eggs?", tokenizer(CHATML), "\n")
    assert prompt.startswith("<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHow many eggs?<|im_end|>\n")
    assert prompt.endswith("<|im_end|>\n<|im_start|>assistant\n")


def test_a_template_without_system_turn_gets_the_system_prompt_in_the_user_turn():
    assert (
        PromptStyle("Be brief.").prompt("How many eggs?", tokenizer(NO_SYSTEM + CHATML), "\n")
        == "<|im_start|>user\nBe brief.\n\nHow many eggs?<|im_end|>\n<|im_start|>assistant\n"
    )


def test_a_template_that_drops_the_system_turn_without_a_word_gets_it_in_the_user_turn():
    users_only = CHATML.replace("{% for m in messages %}", "{% for m in messages if m['role'] == 'user' %}")
    assert (
        PromptStyle("Be brief.").prompt("How many eggs?", tokenizer(users_only), "\n")
        == "<|im_start|>user\nBe brief.\n\nHow many eggs?<|im_end|>\n<|im_start|>assistant\n"
    )


def test_a_template_that_drops_the_question_is_refused():
    with pytest.raises(UserError, match='drops what it is given: "How many eggs\\?" is not in its prompt'):
        PromptStyle(None).prompt("How many eggs?", tokenizer("{% for m in messages %}.{% endfor %}"), "")


def test_a_template_that_asks_for_the_date_gets_the_same_one_every_day():
    dated = "{{ strftime_now('%d %b %Y') }} " + CHATML
    assert PromptStyle(None).prompt("How many?", tokenizer(dated), "").startswith("26 Jul 2024 ")


@pytest.mark.parametrize("computed", ["{{ [1, 2] | random }}", "{% set f = '%d' %}{{ strftime_now(f) }}"])
def test_a_template_that_computes_what_nobody_gave_it_is_refused(computed):
    with pytest.raises(UserError, match="could not be repeated"):
        PromptStyle(None).prompt("How many?", tokenizer(computed + CHATML), "")


@pytest.mark.parametrize("attribute", [None, True, False])
def test_the_start_token_is_what_the_tokenizer_itself_puts_first(attribute):
    fast = tokenizer(None)
    fast.add_special_tokens({"bos_token": "<s>"})
    fast.backend_tokenizer.post_processor = TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", fast.bos_token_id)]
    )
    if attribute is not None:
        fast.add_bos_token = attribute
    first = fast.decode(fast("2 eggs")["input_ids"][0])
    assert PromptStyle(None).prompt("2 eggs", fast, "\n") == ("<s>2 eggs\n" if first == "<s>" else "2 eggs\n")
