"""Rewards for the form of a completion: the two that open-r1 gives beside accuracy (`src/open_r1/rewards.py`).

UFO-RL trains with open-r1's rewards. There they are added; here they are averaged by weight, so that a reward stays in
[0, 1]: advantages that are divided by the group's standard deviation are the same.
"""

from __future__ import annotations

from repro.tasks.problem import Problem

TAGS = ("<think>\n", "\n</think>\n", "\n<answer>\n", "\n</answer>")


def format_reward(completion: str, problem: Problem) -> float:
    """1 where the completion begins with a `<think>` block that an `<answer>` block follows at once, else 0.

    Each of the four tags is a line of its own, and at least one line, which may be empty, stands inside each block.
    What follows the line that closes the answer does not matter.
    """
    lines = completion.split("\n")
    if lines[0] != "<think>":
        return 0.0
    for place in range(2, len(lines) - 1):
        if lines[place] == "</think>" and lines[place + 1] == "<answer>":
            return float("</answer>" in lines[place + 3 :])
    return 0.0


def tag_count_reward(completion: str, problem: Problem) -> float:
    """A quarter for each of the four tags, with its line breaks, that stands in the completion exactly once."""
    return sum(completion.count(tag) == 1 for tag in TAGS) / len(TAGS)
