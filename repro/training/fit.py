"""Whether the prompts of a dataset suit the policy: its chat template and its context."""

from __future__ import annotations

from collections.abc import Sequence

from repro.errors import UserError
from repro.models.policy import Policy
from repro.spec.schema import Cell
from repro.tasks.problem import TaskData
from repro.training.benchmarks import BenchmarkSet
from repro.training.evaluation import Sampler


def check_prompts(
    cell: Cell, data: TaskData, benchmarks: Sequence[BenchmarkSet], policy: Policy, sampler: Sampler
) -> None:
    """UserError where a system prompt would be dropped, or a question and its completion exceed the context."""
    tokenizer, config = policy.tokenizer, policy.model.config
    if cell.model.system_prompt and not tokenizer.chat_template:
        raise UserError(
            f"model.system_prompt: the tokenizer of {policy.label} has no chat template, so the prompt would "
            f"be dropped; remove it, give a model.chat_template or use an instruction-tuned model"
        )
    asked = [*data.train, *(problem for one in benchmarks for problem in one.problems)]
    ids = tokenizer(sampler.prompts(asked), add_special_tokens=False)["input_ids"]
    longest = max(range(len(ids)), key=lambda row: len(ids[row]))
    rollout = cell.train.rollout
    limits = [getattr(config.get_text_config(), "max_position_embeddings", None)]
    if rollout.engine == "vllm":
        limits.append(rollout.context)  # vLLM would cut what is longer, in silence
    context = min((limit for limit in limits if limit is not None), default=None)
    needed = len(ids[longest]) + cell.train.max_completion_tokens
    if context is not None and needed > context:
        raise UserError(
            f"train.max_completion_tokens: {cell.train.max_completion_tokens} after the {len(ids[longest])} "
            f"prompt tokens of question {asked[longest].id!r} make {needed}, but the context of "
            f"{policy.label} is {context}{' (train.rollout.context)' if context == rollout.context else ''}; "
            f"lower it"
        )
