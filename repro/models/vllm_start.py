"""Starts vLLM where a spec asks for it, with questions of the task to verify its weights by."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from repro.models.model_spec import ModelSpec
from repro.models.policy import Policy
from repro.models.rollout_spec import RolloutSpec
from repro.models.vllm_engine import VLLMEngine
from repro.tasks.problem import TaskData

PROBE_SEQUENCES, PROBE_TOKENS = 4, 256
"""How many questions verify the weights, and the most tokens of each."""


def start_engine(rollout: RolloutSpec, model: ModelSpec, data: TaskData, policy: Policy) -> VLLMEngine | None:
    """vLLM where the spec asks for it, else None; the first questions with their solutions verify its weights.

    UserError where vLLM is not installed.
    """
    if rollout.engine == "hf":
        return None
    written, problems = data.answer_format, data.train[:PROBE_SEQUENCES]
    prompts = policy.style.prompts([p.question for p in problems], policy.tokenizer, written.question_suffix)
    texts = [prompt + written.completion(problem) for prompt, problem in zip(prompts, problems, strict=True)]
    ids = [row[:PROBE_TOKENS] for row in policy.tokenizer(texts, add_special_tokens=False)["input_ids"]]
    return VLLMEngine(
        policy.trained,
        policy.tokenizer,
        rollout,
        ids,
        revision=model.revision if model.warm_start is None else None,
        trust_remote_code=model.trust_remote_code,
    )


@contextmanager
def running_engine(
    rollout: RolloutSpec, model: ModelSpec, data: TaskData, policy: Policy
) -> Iterator[VLLMEngine | None]:
    """The same for the length of a block."""
    engine = start_engine(rollout, model, data, policy)
    try:
        yield engine
    finally:
        if engine is not None:
            engine.close()
