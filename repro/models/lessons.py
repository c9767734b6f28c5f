"""What a warm start on a made-up task imitates: questions of the train role with a teacher's completions."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np

from repro.tasks.procedural import role_of

Expression = TypeVar("Expression")


def lessons(
    n: int,
    rng: np.random.Generator,
    *,
    longest: int,
    faultless: float,
    draw: Callable[[np.random.Generator, int], Expression],
    question_of: Callable[[Expression], str],
    imitate: Callable[[Expression, bool], str],
) -> list[tuple[str, str]]:
    """`n` pairs of question and completion, lengths uniform over 1 to `longest` steps.

    `imitate(expression, right)` writes the completion; `right` holds for the first `faultless` share: the policy
    learns the task there, and then picks up the faults of the rest. What it knows and seldom shows is what GRPO can
    bring out. Questions of every held-out role are left out, so that no pool's validation or test question is among
    them.
    """
    rows: list[tuple[str, str]] = []
    while len(rows) < n:
        expression = draw(rng, int(rng.integers(1, longest + 1)))
        question = question_of(expression)
        if role_of(question) == "train":
            rows.append((question, imitate(expression, len(rows) < round(faultless * n))))
    return rows
