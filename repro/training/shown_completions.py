"""Completions of a few fixed questions, kept for people to read: they are those that an evaluation made anyway."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from repro.tasks.problem import Problem

QUESTIONS, SAMPLES = 4, 4
"""How many questions of a set, the first ones, and how many completions of each are kept."""
_LEAST_SPREAD = 1e-4  # what GRPO as TRL has it adds to the standard deviation


@dataclass(frozen=True)
class ShownCompletion:
    """One completion. `advantage`: what GRPO gives its reward among all samples of the question; 0 where they agree."""

    question: str
    completion: str
    reward: float
    advantage: float


def shown_completions(
    problems: Sequence[Problem], texts: Sequence[str], rewards: Sequence[Sequence[float]]
) -> tuple[ShownCompletion, ...]:
    """The first completions of the first problems.

    Args:
        texts: completions, problem by problem.
        rewards: those of each problem, in [0, 1].
    """
    return tuple(_shown(problems, texts, rewards))


def _shown(
    problems: Sequence[Problem], texts: Sequence[str], rewards: Sequence[Sequence[float]]
) -> Iterator[ShownCompletion]:
    for position, (problem, group) in enumerate(zip(problems[:QUESTIONS], rewards[:QUESTIONS], strict=True)):
        mean, spread = fmean(group), stdev(group) if len(group) > 1 else 0.0
        first = position * len(group)
        for text, reward in zip(texts[first : first + SAMPLES], group[:SAMPLES], strict=False):
            advantage = (reward - mean) / (spread + _LEAST_SPREAD) if spread else 0.0
            yield ShownCompletion(problem.question, text, float(reward), advantage)
