"""Prompts: one rendering for every use, with or without a chat template."""

from __future__ import annotations

import pytest
from tokenizers import Tokenizer
from tokenizers.models import BPE, WordLevel
from tokenizers.pre_tokenizers import Metaspace, WhitespaceSplit
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


def test_a_system_turn_that_is_dropped_is_missed_though_a_question_has_the_same_words():
    no_system = "{% for m in messages if m['role'] != 'system' %}"
    users_only = tokenizer(CHATML.replace("{% for m in messages %}", no_system))
    questions = ["How many eggs? Be brief.", "Be brief.", "How many?"]
    for style in (PromptStyle("Be brief."), PromptStyle("Be brief.", (("1+1? Be brief.", "2"),))):
        for question, prompt in zip(questions, style.prompts(questions, users_only, ""), strict=True):
            first = style.examples[0][0] if style.examples else question
            assert f"user\nBe brief.\n\n{first}<|im_end|>" in prompt and f"{question}<|im_end|>" in prompt


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


# ---------------------------------------------------------------- examples

STYLE = PromptStyle(examples=(("1+1?", "It is 2"), ("2+2?", "It is 4")))
ALTERNATES = (
    "{% for m in messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant') }}{% endif %}{% endfor %}"
)


def test_examples_are_plain_text_in_the_format_of_the_prompt_without_a_template():
    plain = STYLE.prompt("3+4?", tokenizer(None), "\n")
    assert plain == "1+1?\nIt is 2\n\n2+2?\nIt is 4\n\n3+4?\n"
    assert STYLE.reply(tokenizer(None)).one_block and not PromptStyle().reply(tokenizer(None)).one_block


def test_examples_are_turns_with_a_template():
    turns = [("user", "1+1?"), ("assistant", "It is 2"), ("user", "2+2?"), ("assistant", "It is 4"), ("user", "3+4?")]
    expected = "".join(f"<|im_start|>{role}\n{text}<|im_end|>\n" for role, text in turns) + "<|im_start|>assistant\n"
    assert STYLE.prompt("3+4?", tokenizer(CHATML), "\n") == expected
    assert not STYLE.reply(tokenizer(CHATML)).one_block


def test_the_system_prompt_opens_the_first_user_turn_where_turns_must_alternate():
    style = PromptStyle("Be brief.", STYLE.examples)
    prompt = style.prompt("3+4?", tokenizer(ALTERNATES + CHATML), "\n")
    assert prompt.startswith("<|im_start|>user\nBe brief.\n\n1+1?<|im_end|>\n<|im_start|>assistant\nIt is 2")
    assert prompt.endswith("<|im_start|>user\n3+4?<|im_end|>\n<|im_start|>assistant\n")


@pytest.mark.parametrize(
    "template",
    [
        CHATML.replace("for m in messages", "for m in messages if m['role'] != 'assistant'"),
        CHATML.replace("for m in messages", "for m in messages[-1:]"),
        CHATML.replace("m['content']", "m['content'].split('is')[-1]"),
    ],
)
def test_a_template_that_drops_an_example_is_refused(template):
    with pytest.raises(UserError, match=r"drops what it is given.*or chat_template: plain"):
        STYLE.prompt("3+4?", tokenizer(template), "")


# ---------------------------------------------------------------- templates of the wild


def test_an_empty_system_prompt_takes_the_place_of_a_templates_own():
    own = "{% if messages[0]['role'] != 'system' %}<|im_start|>system\nYou are kind.<|im_end|>\n{% endif %}" + CHATML
    assert "You are kind." in PromptStyle(None).prompt("Why?", tokenizer(own), "")
    assert PromptStyle("").prompt("Why?", tokenizer(own), "").startswith("<|im_start|>system\n<|im_end|>\n")
    without = PromptStyle("").prompt("Why?", tokenizer(NO_SYSTEM + CHATML), "")
    assert without == "<|im_start|>user\nWhy?<|im_end|>\n<|im_start|>assistant\n"


def test_of_several_templates_the_default_one_is_used_and_without_one_none_is_guessed():
    fast = tokenizer(None)
    fast.chat_template = {"default": CHATML + "{{ strftime_now('%Y') }}", "rag": "{{ messages }}"}
    assert PromptStyle().prompt("Why?", fast, "").endswith("assistant\n2024")
    fast.chat_template = {"rag": CHATML, "tool_use": CHATML}
    with pytest.raises(UserError, match=r"named rag, tool_use and none named default; .*model\.chat_template"):
        PromptStyle().prompt("Why?", fast, "")


def test_a_template_that_takes_parts_in_place_of_text_gets_parts():
    parts = (
        "{% for m in messages %}<{{ m.role }}>{% for part in m.content %}{% if part.type == 'text' %}{{ part.text }}"
        "{% endif %}{% endfor %}{% endfor %}<assistant>"
    )
    assert PromptStyle("Be brief.").prompt("Why?", tokenizer(parts), "") == "<system>Be brief.<user>Why?<assistant>"


def test_a_list_of_parts_that_a_template_writes_out_is_no_text():
    upper = "{% for m in messages %}{{ m.content | upper if m.content is string else m.content }}{% endfor %}"
    with pytest.raises(UserError, match='drops what it is given: "Why\\?"'):
        PromptStyle().prompt("Why?", tokenizer(upper), "")


def test_a_question_may_show_the_address_of_an_object():
    question = "What is <a.B object at 0x7f42aa>?"
    assert question in PromptStyle().prompt(question, tokenizer(CHATML), "")


def test_a_question_may_look_like_a_list_of_parts():
    question = "What is [{'type': 1}] in YAML?"
    assert question in PromptStyle().prompt(question, tokenizer(CHATML), "")


def test_a_template_that_drops_a_question_of_one_digit_is_refused_though_the_digit_is_in_its_date():
    with pytest.raises(UserError, match="drops what it is given"):
        PromptStyle().prompt("4", tokenizer("{{ strftime_now('%Y') }}"), "")


def test_a_template_that_does_not_render_says_why():
    with pytest.raises(UserError, match="does not render the conversation: only robots"):
        PromptStyle().prompt("Why?", tokenizer("{{ raise_exception('only robots') }}"), "")


@pytest.mark.parametrize(
    "computed",
    [
        "{{ lipsum(1) }}",
        "{{ messages | map('random') | list }}",
        "{% set now = strftime_now %}{{ now('%H') }}",
        "{{ cycler('a', 'b') }}",
        "{{ joiner }}{{ raise_exception }}",
    ],
)
def test_other_ways_to_compute_what_nobody_gave_are_refused_too(computed):
    with pytest.raises(UserError, match="could not be repeated"):
        PromptStyle().prompt("How many?", tokenizer(CHATML + computed), "")


def test_the_start_token_is_found_by_a_tokenizer_that_knows_no_letters():
    words = Tokenizer(WordLevel({"<pad>": 0, "</s>": 1, "<s>": 2, "0": 3, "7": 4}))
    words.pre_tokenizer = WhitespaceSplit()
    words.post_processor = TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 2), ("</s>", 1)])
    fast = PreTrainedTokenizerFast(tokenizer_object=words, pad_token="<pad>", eos_token="</s>", bos_token="<s>")
    assert PromptStyle().prompt("7", fast, "\n") == "<s>7\n"


def spaced(scheme: str, single: str) -> PreTrainedTokenizerFast:
    """A tokenizer of the SentencePiece kind: spaces are `▁`, and one stands before texts as `scheme` says."""
    vocab = {piece: i for i, piece in enumerate(["<unk>", "<s>", "</s>", "[gMASK]", "▁", *"0123 eggs?\n"])}
    backend = Tokenizer(BPE(vocab=vocab, merges=[], unk_token="<unk>"))
    backend.pre_tokenizer = Metaspace(prepend_scheme=scheme)
    special = [(piece, vocab[piece]) for piece in ("<s>", "</s>", "[gMASK]") if piece in single]
    backend.post_processor = TemplateProcessing(single=single, special_tokens=special)
    fast = PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="<unk>", bos_token="<s>", eos_token="</s>")
    fast.add_special_tokens({"additional_special_tokens": ["[gMASK]"]})
    return fast


@pytest.mark.parametrize("scheme", ["always", "first", "never"])
@pytest.mark.parametrize("single", ["<s> $A", "[gMASK] <s> $A", "<s> $A </s>", "$A </s>", "$A"])
@pytest.mark.parametrize("question", ["2 eggs?", " 2 eggs?", "2"])
def test_a_prompt_has_the_tokens_that_the_tokenizer_gives_the_text_itself(scheme, single, question):
    fast = spaced(scheme, single)
    own = fast(question)["input_ids"]
    own = own[:-1] if single.endswith("</s>") else own
    assert fast(PromptStyle().prompt(question, fast, ""), add_special_tokens=False)["input_ids"] == own
