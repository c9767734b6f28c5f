"""What every reward promises, as a check for pytest: the same completion is always worth the same, in [0, 1].

def test_my_reward_keeps_its_promises():
    check_reward("my_pkg.rewards:score", problems, ["#### 4", "no idea"])
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from repro.tasks.grading import Grader
from repro.tasks.problem import Problem
from repro.tasks.reward_spec import RewardTerm


def check_reward(reward: str | Mapping[str, Any], problems: Sequence[Problem], completions: Sequence[str]) -> None:
    """Grade every completion as an answer to every problem, as training does, in two orders and one by one.

    Args:
        reward: as in a spec: `module:name`, the name of an installed reward, or a mapping with its fields; not
            accuracy, which belongs to a dataset.

    Raises:
        AssertionError: a completion is worth something else the second time, in another order or alone.
        UserError: the reward fails, or gives something that is no number in [0, 1]; names the question.
        pydantic.ValidationError: there is no such reward, or its fields are wrong.
        ValueError: no problems or completions.
    """
    if not problems or not completions:
        raise ValueError(f"got {len(problems)} problems and {len(completions)} completions, expected at least 1 each")
    term = RewardTerm.model_validate({"reward": reward} if isinstance(reward, str) else dict(reward))
    if term.is_accuracy:
        raise ValueError("got accuracy, which a dataset's verifier gives, expected another reward")
    pairs = [(completion, problem) for problem in problems for completion in completions]
    first = _grades(term, pairs)
    compared = {
        "a second time": _grades(term, pairs),
        "in reverse order": _grades(term, pairs[::-1])[::-1],
        "one by one": [_grades(term, [pair])[0] for pair in pairs],
    }
    for when, found in compared.items():
        for (completion, problem), before, now in zip(pairs, first, found, strict=True):
            assert before == now, (
                f"{term.reward}: question {problem.id!r}, completion {completion!r} is worth {before}, {when} {now}"
            )


def _grades(term: RewardTerm, pairs: Sequence[tuple[str, Problem]]) -> list[float]:
    """Of a reward made anew, as every run makes its own."""
    completions, problems = [completion for completion, _ in pairs], [problem for _, problem in pairs]
    return Grader([term]).grade(_never, completions, problems).rewards


def _never(completion: str, answer: str) -> bool:
    raise AssertionError("a reward that is not accuracy asks no verifier")
