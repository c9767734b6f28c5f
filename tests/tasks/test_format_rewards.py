"""The two rewards for the form of a completion, beside a reading of open-r1's own rules."""

from __future__ import annotations

import pytest

from repro.tasks.grading import Grader
from repro.tasks.problem import Problem
from repro.tasks.reward_spec import RewardTerm

PROBLEM = Problem("a", "2+2", "4")
WHOLE = "<think>\n2+2\n</think>\n<answer>\n4\n</answer>"


@pytest.mark.parametrize(
    ("completion", "form", "tags"),
    [
        (WHOLE, 1.0, 1.0),
        (WHOLE + " ", 0.0, 1.0),
        ("so " + WHOLE, 0.0, 1.0),
        (WHOLE.replace("\n", ""), 0.0, 0.0),
        (WHOLE.replace("</think>\n", "</think>\n\n"), 0.0, 1.0),
        ("<think>\n2+2\n</think>\n4", 0.0, 0.5),
        (WHOLE + "\n</answer>", 1.0, 0.75),
        ("4", 0.0, 0.0),
    ],
)
def test_tags_are_rewarded_where_they_stand_once_and_on_lines_of_their_own(completion, form, tags):
    def reward(*names):
        return (
            Grader([RewardTerm(reward=name) for name in names]).grade(lambda c, a: 1, [completion], [PROBLEM]).rewards
        )

    assert (reward("format"), reward("tag_count")) == ([form], [tags])
    assert reward("format", "tag_count") == pytest.approx([(form + tags) / 2])


def test_a_block_that_the_prompt_opened_counts():
    grader = Grader([RewardTerm(reward="format")], opened="<think>")
    assert grader.grade(lambda c, a: 1, [WHOLE.removeprefix("<think>")], [PROBLEM]).rewards == [1.0]
