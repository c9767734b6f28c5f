"""What is scored: the prompts of rollouts and of UFO-RL's release, to the letter; errors that name a question."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from transformers import Qwen2Config, Qwen2ForCausalLM

from repro.errors import UserError
from repro.models.tokenizers import bpe_tokenizer, character_tokenizer
from repro.scoring.confidence import confidence_texts, score_confidence
from repro.tasks.problem import AnswerFormat, Problem
from repro.tasks.prompts import PromptStyle

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
FORMAT = AnswerFormat("\n#### ", "\n")
APPLES = Problem("apples", "Ann has 1,000 apples and eats 2. How many are left?", " 1,998 ", "1,000 - 2 = 1,998")
PEARS = Problem("pears", "Bob has 7 pears and 3 apples. How many fruits?", "10", "7 + 3 = 10")
# Written out by hand from the description of the release.
PAPER = (
    "<|im_start|>system\n"
    "A conversation between User and Assistant. The user asks a question, and the Assistant solves it. The assistant "
    "first thinks about the reasoning process in the mind and then provides the user with the answer. The reasoning "
    "process and answer are enclosed within <think> </think> and <answer> </answer> tags, respectively, i.e., "
    "<think> reasoning process here </think>\n<answer> answer here </answer>.<|im_end|>\n"
    "<|im_start|>user\n"
    "Ann has 1,000 apples and eats 2. How many are left?<|im_end|>\n"
    "<|im_start|>assistant\n"
)


@pytest.fixture(scope="module")
def bpe():
    return bpe_tokenizer([PAPER, APPLES.question, PEARS.question, "<answer> 1998 10"] * 20, 400)


@pytest.fixture(scope="module")
def chat(bpe):
    tokenizer = copy.deepcopy(bpe)
    tokenizer.chat_template = CHATML
    return tokenizer


@pytest.fixture(scope="module")
def model(bpe):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Qwen2ForCausalLM(
            Qwen2Config(
                vocab_size=len(bpe),
                hidden_size=32,
                intermediate_size=64,
                num_hidden_layers=1,
                num_attention_heads=2,
                num_key_value_heads=2,
                max_position_embeddings=512,
                bos_token_id=None,
            )
        ).eval()


def test_the_papers_final_answer_is_rendered_as_in_the_release(chat):
    contexts, targets = confidence_texts(
        "final_answer", "paper", [APPLES], chat, PromptStyle("You are someone else."), FORMAT
    )
    assert contexts == [PAPER + "<answer> "]
    assert targets == ["1998"]  # stripped, without commas; neither closing tag nor end of turn


def test_the_papers_solution_and_response_follow_the_opened_turn(chat):
    contexts, targets = confidence_texts("solution", "paper", [APPLES], chat, PromptStyle(), FORMAT)
    assert (contexts, targets) == ([PAPER], [FORMAT.completion(APPLES)])
    asked = []

    def respond(prompts):
        asked.extend(prompts)
        return ["<think> easy </think>\n<answer> 998 </answer>"]

    contexts, targets = confidence_texts(
        "greedy_response", "paper", [APPLES], chat, PromptStyle(), FORMAT, respond=respond
    )
    assert contexts == asked == [PAPER]
    assert targets == ["<think> easy </think>\n<answer> 998 </answer>"]


def test_the_default_prompt_is_that_of_rollouts(bpe, chat):
    contexts, targets = confidence_texts("final_answer", "default", [PEARS], bpe, PromptStyle("Not used."), FORMAT)
    assert (contexts, targets) == ([f"{PEARS.question}\n\n#### "], ["10"])
    contexts, _ = confidence_texts("solution", "default", [PEARS], chat, PromptStyle("Be brief."), FORMAT)
    turns = ["system\nBe brief.", f"user\n{PEARS.question}"]
    assert contexts == ["".join(f"<|im_start|>{turn}<|im_end|>\n" for turn in turns) + "<|im_start|>assistant\n"]


def test_a_template_that_opens_a_think_block_keeps_it_before_the_answer(bpe):
    thinking = copy.deepcopy(bpe)
    thinking.chat_template = CHATML.replace("assistant\n{% endif", "assistant\n<think>\n{% endif")
    contexts, _ = confidence_texts("final_answer", "paper", [APPLES], thinking, PromptStyle(), FORMAT)
    assert contexts == [PAPER + "<think>\n<answer> "]


def test_tokens_are_counted_from_the_answer_alone_where_it_merges_with_what_stands_before(model):
    """` ab` is one token of the text and `ab` another one alone: T is that of the answer alone, as in the release."""
    merging = bpe_tokenizer(["is ab is ab is ab"] * 50, 300)
    whole = merging("is ab", add_special_tokens=False)["input_ids"]
    alone = merging("ab", add_special_tokens=False)["input_ids"]
    assert whole[-1] != alone[-1], "the answer must merge with the space before it"
    scored = score_confidence(model, merging, ["is "], ["ab"])
    assert scored.tokens.tolist() == [len(alone)]
    assert scored.prompt_tokens.tolist() == [len(whole) - len(alone)]
    with torch.no_grad():
        log_probs = model(input_ids=torch.tensor([whole])).logits[0].log_softmax(-1)
    expected = [float(log_probs[i - 1, whole[i]]) for i in range(len(whole) - len(alone), len(whole))]
    assert np.log(scored.s[0]) == pytest.approx(np.mean(expected), abs=1e-5)


def test_a_tokenizer_without_chat_template_cannot_take_the_papers_prompt(bpe):
    with pytest.raises(UserError, match=r"paper needs a tokenizer with a chat template.*or the default prompt"):
        confidence_texts("final_answer", "paper", [APPLES], bpe, PromptStyle(), FORMAT)


@pytest.mark.parametrize(("style", "answer"), [("default", "  "), ("paper", " , ")])
def test_an_empty_answer_names_its_question(chat, style, answer):
    items = [PEARS, Problem("q7", "1+1?", answer), Problem("q8", "1+2?", answer)]
    with pytest.raises(UserError, match=r"2 of 3 have none, the first is 'q7'.*dataset\.answer"):
        confidence_texts("final_answer", style, items, chat, PromptStyle(), FORMAT)


def test_an_answer_in_unknown_characters_names_its_question(model):
    digits = character_tokenizer("0123456789+?#")
    with pytest.raises(UserError, match=r"question 'q2': the target 'seven' has no tokens; expected at least one"):
        score_confidence(model, digits, ["1+1?#", "3+4?#"], ["2", "seven"], names=["q1", "q2"])


def test_a_question_in_unknown_characters_leaves_nothing_to_predict_from(model):
    digits = character_tokenizer("0123456789+?#")
    with pytest.raises(UserError, match=r"question 'q1': all 1 tokens are the target's; expected a token before"):
        score_confidence(model, digits, ["one and one"], ["2"], names=["q1"])


def test_a_question_longer_than_the_context_is_named_with_the_limit_before_anything_is_scored(model):
    digits = character_tokenizer("0123456789+?#")
    received = []
    prompts, targets, names = ["1+" * 20, "1+" * 300, "1+" * 400], ["2", "3", "4"], ["short", "long", "longer"]
    message = r"question 'long': 601 tokens with its target \(2 of 3 are so\); expected at most the 512 .*leave such"
    with pytest.raises(UserError, match=message):
        score_confidence(model, digits, prompts, targets, names=names, receive=lambda *rows: received.append(rows))
    assert not received
    limit = score_confidence(model, digits, ["1+" * 255 + "1"], ["2"])
    assert limit.prompt_tokens.tolist() == [511]


def test_results_are_received_batch_by_batch_every_index_once(model, bpe):
    rng = np.random.default_rng(0)
    contexts = [f"{APPLES.question[: rng.integers(1, 50)]} <answer> " for _ in range(30)]
    targets = [str(rng.integers(10_000)) for _ in contexts]
    received = []
    scored = score_confidence(
        model, bpe, contexts, targets, token_budget=200, receive=lambda *columns: received.append(columns)
    )
    assert len(received) > 5
    indices = np.concatenate([rows for rows, _ in received])
    confidence, tokens, prompt_tokens = (
        np.concatenate([columns[name] for _, columns in received])
        for name in ("confidence", "target_tokens", "prompt_tokens")
    )
    assert sorted(indices.tolist()) == list(range(30))
    assert confidence.dtype == np.float64
    assert np.exp(confidence).tolist() == scored.s[indices].tolist()
    assert tokens.tolist() == scored.tokens[indices].tolist()
    assert prompt_tokens.tolist() == scored.prompt_tokens[indices].tolist()
    assert [len(bpe(c + t)["input_ids"]) for c, t in zip(contexts, targets, strict=True)] == list(scored.cost.lengths)


def test_lists_of_different_length_are_refused(model, bpe):
    with pytest.raises(ValueError, match="2 prompts, 1 targets: expected"):
        score_confidence(model, bpe, ["a", "b"], ["c"])
    with pytest.raises(ValueError, match="1 prompts, 1 targets, 2 names: expected"):
        score_confidence(model, bpe, ["a"], ["c"], names=["x", "y"])


def test_no_texts_give_empty_arrays(model, bpe):
    scored = score_confidence(model, bpe, [], [])
    assert (len(scored.s), len(scored.tokens), len(scored.prompt_tokens)) == (0, 0, 0)
