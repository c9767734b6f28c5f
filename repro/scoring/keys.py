"""What decides a score, and the one key under which `repro score` and studies find it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from repro.canonical import digest
from repro.models.model_spec import Precision
from repro.models.policy import precise_identity
from repro.scoring.targets import ConfidencePrompt, Target
from repro.tasks.problem import AnswerFormat, Problem
from repro.tasks.prompts import PromptStyle

VERSION = 3
"""Enters every key: raise it when the same fields would give other scores."""

Kind = Literal["scores", "prompt_scores", "embeddings"]
"""What is measured of every question, and its folder in the cache."""


@dataclass(frozen=True)
class Asked:
    """Questions and what is asked about them; `fields` decide the result and nothing else does.

    Not among the fields: the device, the size of batches, the number of processes. Labels and paths neither: a policy
    is its digest (`repro.models.policy.policy_digest`, which covers the prompt style), questions are their texts.
    """

    kind: Kind
    problems: Sequence[Problem]
    answer_format: AnswerFormat
    style: PromptStyle
    fields: Mapping[str, Any]
    target: Target = "final_answer"
    prompt: ConfidencePrompt = "default"
    max_new_tokens: int | None = None
    ids: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "ids", tuple(problem.id for problem in self.problems))

    @property
    def key(self) -> str:
        """24 hexadecimal digits."""
        return digest({"version": VERSION, "kind": self.kind, **self.fields})


def confidences(
    policy: str,
    problems: Sequence[Problem],
    answer_format: AnswerFormat,
    style: PromptStyle,
    target: Target,
    prompt: ConfidencePrompt,
    max_new_tokens: int | None = None,
    engine: Mapping[str, Any] | None = None,
    precision: Precision = "float32",
) -> Asked:
    """Confidences of `target` after `prompt` under the policy of that digest.

    A pass over given text computes in the type of the policy's weights. A greedy response also depends on its longest
    length in tokens, on the engine (`RolloutSpec.cache_fields`) and on the arithmetic that it is decoded in.
    """
    fields: dict[str, Any] = {
        "policy": precise_identity(policy, precision) if target == "greedy_response" else policy,
        "questions": questions_digest(problems, answer_format, target),
        "target": target,
        "prompt": prompt,
    }
    if target == "greedy_response":
        if max_new_tokens is None:
            raise ValueError("target greedy_response needs max_new_tokens")
        fields |= {"max_new_tokens": max_new_tokens, **(engine or {})}
    return Asked("scores", problems, answer_format, style, fields, target, prompt, max_new_tokens)


def prompt_scores(policy: str, problems: Sequence[Problem], answer_format: AnswerFormat, style: PromptStyle) -> Asked:
    """Perplexity and entropy of the questions' own tokens in the prompt of rollouts."""
    fields = {"policy": policy, "questions": questions_digest(problems, answer_format, None)}
    return Asked("prompt_scores", problems, answer_format, style, fields)


def embeddings(model: str, problems: Sequence[Problem], answer_format: AnswerFormat) -> Asked:
    """Mean states of the model of that digest over the questions' bare text."""
    fields = {"model": model, "questions": digest([[p.id, p.question] for p in problems])}
    return Asked("embeddings", problems, answer_format, PromptStyle(), fields)


def questions_digest(problems: Sequence[Problem], answer_format: AnswerFormat, target: Target | None) -> str:
    """Digest of what is scored, question by question, in order: id, question, and the target where the data hold it."""

    def gold(problem: Problem) -> str:
        if target == "solution":
            return answer_format.completion(problem)
        return answer_format.direct(problem) if target == "final_answer" else ""

    return digest([answer_format.question_suffix, *([p.id, p.question, gold(p)] for p in problems)])
