"""Rewards for the form of a completion: the two that open-r1 gives beside accuracy (`src/open_r1/rewards.py`).

UFO-RL trains with open-r1's rewards. There they are added; here they are averaged by weight, so that a reward stays in
[0, 1]: advantages that are divided by the group's standard deviation are the same.
"""

from __future__ import annotations

import re

from repro.tasks.problem import Problem

FORMAT = re.compile(r"<think>\n.*?\n</think>\n<answer>\n.*?\n</answer>", re.DOTALL)
TAGS = ("<think>\n", "\n</think>\n", "\n<answer>\n", "\n</answer>")


def format_reward(completion: str, problem: Problem) -> float:
    """1 where the completion is a `<think>` block and an `<answer>` block, each tag on a line of its own, else 0."""
    return float(FORMAT.fullmatch(completion) is not None)


def tag_count_reward(completion: str, problem: Problem) -> float:
    """A quarter for each of the four tags, with its line breaks, that stands in the completion exactly once."""
    return sum(completion.count(tag) == 1 for tag in TAGS) / len(TAGS)
