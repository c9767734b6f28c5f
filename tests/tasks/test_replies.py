"""Replies: what the prompt opened belongs to them, and what follows their end does not."""

from __future__ import annotations

import pytest

from repro.tasks.answers import extract_answer
from repro.tasks.grading import Grader
from repro.tasks.problem import Problem
from repro.tasks.replies import Reply, left_open
from repro.tasks.thinking import TAGS
from repro.tasks.verify import MathVerifier


@pytest.mark.parametrize(("opening", "closing"), TAGS)
@pytest.mark.parametrize("after", ["", "\n", "\nOkay, let me see: "])
def test_a_block_that_a_prompt_leaves_open_holds_no_answer(opening, closing, after):
    reply = Reply(left_open(f"<end>\n<assistant>\n{opening}{after}"))
    assert reply.opened == f"{opening}{after}"
    assert extract_answer(reply.whole("It may be 72 or so")) == ""
    assert extract_answer(reply.whole(f"It may be 71{closing}72")) == "72"


@pytest.mark.parametrize(
    ("closing", "opened"),
    [
        ("<|im_start|>assistant\n", ""),
        ("<|im_start|>assistant\n<think>\n\n</think>\n\n", ""),
        ("<|im_start|>assistant\n<Think>\n", "<Think>\n"),
        ("<assistant><think></think><answer>", "<answer>"),
        (r"The answer is \boxed{", r"\boxed{"),
    ],
)
def test_what_is_closed_again_is_not_open(closing, opened):
    assert left_open(closing) == opened


def test_an_answer_and_a_box_that_the_prompt_opened_are_read():
    assert extract_answer(Reply(left_open("<assistant><answer>")).whole("72</answer>")) == "72"
    assert extract_answer(Reply(left_open(r"So it is \boxed{")).whole("71}, not 72")) == "71"


def test_a_reply_that_ends_with_a_blank_line_is_not_followed_by_what_the_model_asks_itself():
    reply = Reply(one_block=True)
    assert reply.whole("3+4=7\n#### 7\n\nWhat is 1+1?\n1+1=2\n#### 2") == "3+4=7\n#### 7"
    assert reply.whole(" \n\n7 \n \n8") == "7 "
    assert Reply().whole("a\n\nb") == "a\n\nb"


def test_a_reward_sees_the_reply_and_nothing_after_it():
    asked = Problem("a", "3+4?", "7")
    written = "3+4=7\n#### 7\n\nWhat is 1+1?\n#### 2"
    for block, reward in ((True, 1.0), (False, 0.0)):
        assert Grader(reply=Reply(one_block=block)).grade(MathVerifier(), [written], [asked]).rewards == [reward]
    thinking = Grader(reply=Reply("<think>\n")).grade(MathVerifier(), ["It is 7", "Is it?</think>7"], [asked, asked])
    assert thinking.rewards == [0.0, 1.0]
