"""Thinking blocks: what a prompt opened counts, and what is thought is no answer."""

from __future__ import annotations

import pytest

from repro.tasks.answers import extract_answer
from repro.tasks.replies import left_open
from repro.tasks.thinking import TAGS


@pytest.mark.parametrize(("opening", "closing"), TAGS)
def test_a_block_that_the_prompt_opened_and_nobody_closed_holds_no_answer(opening, closing):
    before = left_open(f"<|user|>How many?<|assistant|>{opening}\n")
    assert before == f"{opening}\n"
    assert extract_answer(left_open(f"How many?{opening}\nLet me see: ") + "maybe 72") == ""
    assert extract_answer(f"{before}It may be 72 or so") == ""
    assert extract_answer(f"{before}It may be 71{closing}72") == "72"


def test_a_prompt_that_only_speaks_of_a_block_opens_none():
    assert left_open("Think inside <think> and </think>. How many?") == ""


@pytest.mark.parametrize(
    ("opening", "closing"),
    [
        ("<thinking_process>", "</thinking_process>"),
        ("<my_reasoning depth=3>", "</my_reasoning>"),
        ("<chain_of_thought>", "</chain_of_thought>"),
        ("<|begin_of_reasoning|>", "<|end_of_reasoning|>"),
        ("<|thinking|>", "<|/thinking|>"),
        ("< think >", "</ think >"),
        ("Here’s my reasoning process:", "here's my answer:"),
        ("### Thinking\n", "\n### Answer\n"),
        ("<details class='reasoning'>", "</details>"),
    ],
)
def test_blocks_of_models_that_nobody_listed_are_thinking(opening, closing):
    assert left_open(f"<assistant>{opening}") == opening
    assert extract_answer(f"{opening}It may be 72 or so") == ""
    assert extract_answer(f"{opening}It may be 71\n{closing}The answer is 72.") == "72"
    assert extract_answer(f"It may be 71\n{closing}The answer is 72.") == "72"


@pytest.mark.parametrize(
    ("completion", "answer"),
    [
        ("<reflection>It may be <think>72</think> or 73", ""),
        ("<reasoning>7<reflection>8</reflection>9", ""),
        ("<reasoning>7<reflection>8</reflection></reasoning>9", "9"),
        ("<think>What is <reflection>?</think>9", "9"),
        ("<think>7</reasoning>8", ""),
        ("<b>72</b>", "72"),
        ("## Thinking\n71\n#### 72", "72"),
        ("I thought [of it] and reason says <y> 72", "72"),
    ],
)
def test_a_block_inside_another_closes_itself_alone(completion, answer):
    assert extract_answer(completion) == answer
