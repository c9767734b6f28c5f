"""The two rewards for the form of a completion, beside a reading of open-r1's rules by other means."""

from __future__ import annotations

import random
import re

import pytest

from repro.errors import UserError
from repro.tasks.format_rewards import format_reward, tag_count_reward
from repro.tasks.grading import Grader
from repro.tasks.problem import Problem
from repro.tasks.replies import Reply
from repro.tasks.reward_spec import RewardTerm

PROBLEM = Problem("a", "2+2", "4")
WHOLE = "<think>\n2+2\n</think>\n<answer>\n4\n</answer>"
BREAKS = ("<think>\n", "\n</think>\n", "\n<answer>\n", "\n</answer>")


@pytest.mark.parametrize(
    ("completion", "form", "tags"),
    [
        (WHOLE, 1.0, 1.0),
        (WHOLE + " ", 0.0, 1.0),
        (WHOLE + "\n", 1.0, 1.0),
        (WHOLE + "\nI hope this helps.", 1.0, 1.0),  # `$` matches at the end of every line there
        (WHOLE + " I hope this helps.", 0.0, 1.0),
        ("so " + WHOLE, 0.0, 1.0),
        ("\n" + WHOLE, 0.0, 1.0),
        (WHOLE.replace("\n", ""), 0.0, 0.0),
        (WHOLE.replace("\n", "\r\n"), 0.0, 0.25),
        (WHOLE.replace("</think>\n", "</think>\n\n"), 0.0, 1.0),
        (WHOLE.replace("2+2", ""), 1.0, 1.0),
        (WHOLE.replace("2+2\n", ""), 0.0, 1.0),  # one line break cannot both end a tag and begin the next
        (WHOLE.replace("4\n", ""), 0.0, 1.0),
        ("<think>\n2+2\n</think>\n4", 0.0, 0.5),
        (WHOLE + "\n</answer>", 1.0, 0.75),
        (WHOLE.replace("2+2", "2+2\n</think>\n3"), 1.0, 0.75),
        (WHOLE.upper(), 0.0, 0.0),
        ("4", 0.0, 0.0),
        ("", 0.0, 0.0),
    ],
)
def test_tags_are_rewarded_where_they_stand_once_and_on_lines_of_their_own(completion, form, tags):
    def reward(*names):
        return (
            Grader([RewardTerm(reward=name) for name in names]).grade(lambda c, a: 1, [completion], [PROBLEM]).rewards
        )

    assert (reward("format"), reward("tag_count")) == ([form], [tags])
    assert reward("format", "tag_count") == pytest.approx([(form + tags) / 2])


def test_any_mixture_of_tags_and_lines_gets_what_the_rules_in_other_words_give():
    """From the first character: a tag, anything, ..., and a line's end after the last tag; each tag counted once."""
    in_order = re.compile(
        r".*?".join(map(re.escape, ("<think>\n", "\n</think>\n<answer>\n", "\n</answer>"))), re.DOTALL
    )
    parts = ["<think>", "\n", "2+2", "\n", "</think>", "\n", "<answer>", "\n", "4", "\n", "</answer>", " ", "x"]
    draw, seen = random.Random(0), set()
    for _ in range(4000):
        pieces = list(parts[:11])
        for _ in range(draw.randint(0, 4)):
            place = draw.randrange(len(pieces))
            pieces[place : place + draw.randint(0, 1)] = draw.sample(parts, draw.randint(0, 2))
            pieces += ["\n"] * (not pieces)
        text = "".join(pieces)
        ends = [match.end() for match in map(in_order.match, [text]) if match]
        ends += [end.end() for end in re.finditer("\n</answer>", text) if ends and end.end() > ends[0]]
        form = any(text[end : end + 1] in ("", "\n") for end in ends)
        once = [len(text.split(tag)) == 2 for tag in BREAKS]
        assert (format_reward(text, PROBLEM), tag_count_reward(text, PROBLEM)) == (form, sum(once) / 4), text
        seen.add((form, sum(once)))
    assert {(True, 4), (True, 3), (False, 4), (False, 3), (False, 2), (False, 1), (False, 0)} <= seen


def test_a_block_that_the_prompt_opened_counts():
    grader = Grader([RewardTerm(reward="format")], reply=Reply("<think>"))
    assert grader.grade(lambda c, a: 1, [WHOLE.removeprefix("<think>")], [PROBLEM]).rewards == [1.0]


@pytest.mark.parametrize("weights", [(1, 1, 1), (2, 1, 0.5), (1e6, 1, 1e-6), (0.1, 0.2, 0.3)])
def test_a_list_of_rewards_is_their_mean_weighted_by_hand(weights):
    names = ("accuracy", "format", "tag_count")
    grader = Grader([RewardTerm(reward=name, weight=weight) for name, weight in zip(names, weights, strict=True)])
    completions = [WHOLE, WHOLE.replace("4\n", "5\n"), "#### 4", "nothing", WHOLE + " ", ""]
    by_hand = [(1, 1, 1), (0, 1, 1), (1, 0, 0), (0, 0, 0), (1, 0, 1), (0, 0, 0)]
    found = grader.grade(lambda c, a: "4" in c, completions, [PROBLEM] * len(completions), verdicts=True)
    expected = [sum(w * part for w, part in zip(weights, row, strict=True)) / sum(weights) for row in by_hand]
    assert found.rewards == pytest.approx(expected, rel=1e-12)
    assert 0 == min(found.rewards) < max(found.rewards) <= 1
    assert found.verdicts == [row[0] for row in by_hand]
    assert [list(row) for row in zip(*(found.parts[name] for name in names), strict=True)] == [list(r) for r in by_hand]


def test_equal_parts_make_equal_rewards_so_that_rounding_makes_no_advantage():
    """Three thirds are no exact one: a group whose completions are alike must have no spread at all."""
    terms = [RewardTerm(reward=name, weight=1) for name in ("accuracy", "format", "tag_count")]
    for completion in (WHOLE, WHOLE + " ", "#### 4"):
        rewards = Grader(terms).grade(lambda c, a: True, [completion] * 8, [PROBLEM] * 8).rewards
        assert len(set(rewards)) == 1


def test_a_penalty_below_zero_as_for_overlong_completions_is_refused_with_the_range(tmp_path, monkeypatch):
    (tmp_path / "own_length.py").write_text("def overlong(completion, problem):\n    return -0.5\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    grader = Grader([RewardTerm(reward="accuracy"), RewardTerm(reward="own_length:overlong")])
    with pytest.raises(UserError, match=r"own_length:overlong: got -0\.5 for question 'a'.*a number from 0 to 1"):
        grader.grade(lambda c, a: True, ["#### 4"], [PROBLEM])
