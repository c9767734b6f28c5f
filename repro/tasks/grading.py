"""Gives completions their rewards: the weighted mean of a run's rewards, every value checked."""

from __future__ import annotations

import math
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from repro.errors import UserError
from repro.tasks.problem import Problem, Verifier
from repro.tasks.replies import Reply
from repro.tasks.reward_spec import RewardTerm, accuracy_terms, rewards_accuracy, shares, term_labels
from repro.tasks.rewards import Reward, Score
from repro.tasks.verify import judge
from repro.words import show


@dataclass(frozen=True)
class Grades:
    """The grades of completions, in their order."""

    rewards: list[float]  # in [0, 1]
    parts: dict[str, list[float]]  # label of a term -> its rewards; empty where there is only one term
    verdicts: list[float]  # 0 or 1 of the dataset's verifier; empty where nobody asked


class Grader:
    """The rewards of a run: the mean of its terms, weighted by their shares, so that the total lies in [0, 1].

    Raises ValueError for a term that is no reward, see `repro.tasks.rewards.find_reward`.
    """

    def __init__(self, terms: Sequence[RewardTerm] | None = None, reply: Reply | None = None) -> None:
        """`terms` of a spec; None is accuracy. `reply`: how completions are read (default: as they are)."""
        self.reply = reply or Reply()
        self.terms = list(terms) if terms is not None else accuracy_terms()
        self.is_accuracy = rewards_accuracy(self.terms)
        self._shares = shares(self.terms)
        self._scores = [None if term.is_accuracy else term.make() for term in self.terms]

    def grade(
        self,
        verifier: Verifier,
        completions: Sequence[str],
        problems: Sequence[Problem],
        verdicts: bool = False,
    ) -> Grades:
        """The grades of completions, each of its own problem; `verdicts` asks for those of the verifier too.

        Raises UserError that names the reward and the question where a reward fails or gives no number in [0, 1].
        """
        completions = [self.reply.whole(completion) for completion in completions]
        judged: list[float] = []
        if verdicts or any(score is None for score in self._scores):
            answers = [problem.answer for problem in problems]
            judged = [float(verdict) for verdict in judge(verifier, completions, answers)]
        values = [
            judged if score is None else _values(term.reward, score, completions, problems)
            for term, score in zip(self.terms, self._scores, strict=True)
        ]
        if len(values) == 1:
            return Grades(list(values[0]), {}, judged)
        rewards = [
            min(1.0, math.fsum(share * part for share, part in zip(self._shares, row, strict=True)))
            for row in zip(*values, strict=True)
        ]
        return Grades(rewards, dict(zip(term_labels(self.terms), values, strict=True)), judged)


def _values(name: str, score: Score, completions: Sequence[str], problems: Sequence[Problem]) -> list[float]:
    if isinstance(score, Reward) and type(score).many is not Reward.many:
        return _batch(name, score, completions, problems)
    values = []
    for completion, problem in zip(completions, problems, strict=True):
        try:
            value = score(completion, problem)
        except Exception as error:
            raise UserError(f"reward {name} fails on {_asked(problem, completion)}: {_reason(error)}") from error
        values.append(_checked(name, value, completion, problem))
    return values


def _batch(name: str, score: Reward, completions: Sequence[str], problems: Sequence[Problem]) -> list[float]:
    try:
        given: Any = list(score.many(list(completions), list(problems)))
    except Exception as error:
        raise UserError(f"reward {name} fails on {len(completions)} completions: {_reason(error)}") from error
    if len(given) != len(completions):
        raise UserError(f"reward {name}: got {len(given)} values for {len(completions)} completions, expected as many")
    return [_checked(name, *row) for row in zip(given, completions, problems, strict=True)]


def _checked(name: str, value: Any, completion: str, problem: Problem) -> float:
    number = isinstance(value, bool | int | float | np.bool_ | np.integer | np.floating)
    if number and 0.0 <= float(value) <= 1.0:  # false for NaN
        return float(value)
    found = repr(value) if number else f"{value!r:.60} ({type(value).__name__})"
    raise UserError(f"reward {name}: got {found} for {_asked(problem, completion)}, expected a number from 0 to 1")


def _asked(problem: Problem, completion: str) -> str:
    return f"question {problem.id!r} ({show(problem.question)}), completion {show(completion)}"


def _reason(error: Exception) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({last.filename}:{last.lineno})"
