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
