"""The parts of `gpu.py`: each measures one thing on one policy, in as many alternating rounds as its time allows."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import vllm_engine
from grpo_steps import Steps, arm, grpo_steps
from racing import Timed, alternate, ratio
from score_ways import Work, bare_pass

from repro.models.policy import Policy
from repro.models.sampling import sample
from repro.scoring.confidence import confidence_texts, score_confidence
from repro.tasks.problem import TaskData
from repro.tasks.prompts import PromptStyle
from repro.tracking.series import ZERO_VARIANCE
from repro.training.ledger import SPEND, subtract

SETTLED = 2
"""Steps of an arm that are left out of its seconds per step: the buffer fills, the optimizer makes its state."""


@dataclass(frozen=True)
class Scale:
    """How much is measured. Token counts are per question or completion."""

    policies: tuple[str, ...] = ("30m", "100m", "qwen2.5-1.5b")
    dtype: str = "bfloat16"
    rounds: int = 5
    prompt_tokens: int = 128
    idle: float = 0.5
    scored: int = 1024
    sampled: int = 64
    samples: tuple[int, ...] = (8, 16)
    completion: int = 256
    pool: int = 256
    questions_per_step: int = 16
    group_size: int = 8
    step_completion: int = 128
    target: float = 0.5
    target_steps: int = 60
    target_questions: int = 32
    evaluate_every: int = 5
    evaluated: int = 256
    seeds: int = 3


SMALL = Scale(
    policies=("small",),
    dtype="float32",
    rounds=2,
    prompt_tokens=16,
    scored=24,
    sampled=2,
    completion=8,
    pool=24,
    questions_per_step=8,
    group_size=4,
    step_completion=8,
    target=0.95,
    target_steps=2,
    target_questions=8,
    evaluate_every=1,
    evaluated=16,
    seeds=1,
)


def work_of(policy: Policy, data: TaskData, scale: Scale) -> Work:
    """What is scored and sampled: the prompts of rollouts, and the answer alone as target."""
    problems = data.train[: scale.scored]
    contexts, targets = confidence_texts(
        "final_answer", "default", problems, policy.tokenizer, PromptStyle(), data.answer_format
    )
    return Work(policy.model, policy.tokenizer, [p.id for p in problems], contexts, targets, contexts)


def sampling(work: Work, scale: Scale, deadline: float) -> dict[str, Any]:
    """(a) One pass over all questions against K completions of some, by `transformers` generate."""
    prompts = work.prompts[: scale.sampled]

    def generated(samples: int) -> int:
        out = sample(
            work.model,
            work.tokenizer,
            prompts,
            samples=samples,
            temperature=1.0,
            top_p=1.0,
            max_new_tokens=scale.completion,
            seed=0,
            batch_size=len(prompts) * samples,
        )
        return out.generated_tokens

    sample(work.model, work.tokenizer, prompts, samples=1, temperature=1.0, top_p=1.0, max_new_tokens=2, seed=0)
    return _against_samples(work, scale, deadline, "transformers generate, one batch", generated)


def vllm_sampling(policy: Policy, work: Work, scale: Scale, deadline: float) -> dict[str, Any]:
    """(a) The same by vLLM; its start is not timed."""
    if not vllm_engine.installed():
        return {"left_out": "vLLM is not installed"}
    prompts = [work.ids(prompt) for prompt in work.prompts[: scale.sampled]]
    with (
        tempfile.TemporaryDirectory() as folder,
        vllm_engine.engine(policy, Path(folder), max(map(len, prompts)) + scale.completion) as made,
    ):
        vllm_engine.sampled(made, prompts, 1, 2)  # warm-up

        def generated(samples: int) -> int:
            return vllm_engine.sampled(made, prompts, samples, scale.completion)

        return _against_samples(work, scale, deadline, "vLLM", generated)


def _against_samples(
    work: Work, scale: Scale, deadline: float, engine: str, generated: Callable[[int], int]
) -> dict[str, Any]:
    ways: dict[str, Callable[[], Any]] = {
        "score": lambda: score_confidence(work.model, work.tokenizer, work.contexts, work.targets)
    }
    ways |= {f"k{samples}": lambda samples=samples: generated(samples) for samples in scale.samples}
    cost = ways["score"]().cost  # warm-up
    times = alternate(ways, scale.rounds, deadline)
    questions = min(scale.sampled, len(work.prompts))
    tokens = {name: rows[0].out for name, rows in times.items() if name != "score"}
    for samples in scale.samples:
        expected = questions * samples * scale.completion
        assert tokens[f"k{samples}"] == expected, f"{tokens[f'k{samples}']} tokens, expected {expected}"
    share = len(work.contexts) / questions
    score = _walls(times["score"])
    return {
        "engine": engine,
        "rounds": len(score),
        "scored_questions": len(work.contexts),
        "scored_texts_tokens": sum(cost.lengths),
        "target_tokens": cost.scored_tokens,
        "sampled_questions": questions,
        "prompt_tokens": sum(len(work.ids(prompt)) for prompt in work.prompts[:questions]),
        "completion_tokens_each": scale.completion,
        "generated_tokens": tokens,
        "seconds": {name: _walls(rows) for name, rows in times.items()},
        "per_question_over_score": {
            name: ratio([wall * share for wall in _walls(rows)], score)
            for name, rows in times.items()
            if name != "score"
        },
    }


def forward(work: Work, scale: Scale, deadline: float) -> dict[str, Any]:
    """(b) Our scorer against the bare forward passes of its own batches."""
    ways: dict[str, Callable[[], Any]] = {
        "scorer": lambda: score_confidence(work.model, work.tokenizer, work.contexts, work.targets),
        "bare": bare_pass(work),
    }
    cost = ways["scorer"]().cost
    ways["bare"]()
    times = {name: _walls(rows) for name, rows in alternate(ways, 2 * scale.rounds, deadline).items()}
    return {
        "rounds": len(times["bare"]),
        "questions": len(work.contexts),
        "tokens": cost.computed_tokens,
        "target_tokens": cost.scored_tokens,
        "padding": cost.waste,
        "seconds": times,
        "scorer_over_bare": ratio(times["scorer"], times["bare"]),
    }


def idle_rows(policy: Policy, data: TaskData, scale: Scale, deadline: float) -> dict[str, Any]:
    """(c) A GRPO step whose updates see every row, against one that leaves out groups without advantage."""
    cells = {name: arm(_train(scale, 2) | {"skip_zero_advantage": name == "left_out"}) for name in ("all", "left_out")}
    grpo_steps(arm(_train(scale, 1)), policy, data)  # warm-up
    ways = {name: lambda cell=cell: grpo_steps(cell, policy, data) for name, cell in cells.items()}
    times = alternate(ways, scale.rounds, deadline)
    runs: dict[str, list[Steps]] = {name: [row.out for row in rows] for name, rows in times.items()}

    def seconds(name: str, *phases: str) -> list[float]:
        return [sum(run.ledgers[-1][phase]["seconds"] for phase in phases) for run in runs[name]]

    records = runs["left_out"][0].records
    return {
        "rounds": len(runs["all"]),
        "steps_a_run": 2,
        **_batch(scale),
        "groups_without_advantage": float(np.mean([record.metrics[ZERO_VARIANCE] for record in records])),
        "updates_seconds": {name: seconds(name, "train") for name in runs},
        "step_seconds": {name: seconds(name, "train", "rollout") for name in runs},
        "updates_all_over_left_out": ratio(seconds("all", "train"), seconds("left_out", "train")),
        "step_all_over_left_out": ratio(*(seconds(name, "train", "rollout") for name in ("all", "left_out"))),
        "ledgers": {name: [run.ledgers[-1] for run in found] for name, found in runs.items()},
    }


def dots_rr_steps(policy: Policy, data: TaskData, scale: Scale, deadline: float) -> dict[str, Any]:
    """(d) Seconds of a step of GRPO and of DOTS + RR by phase, once the replay buffer is filled."""
    steps, batch = SETTLED + 2, scale.questions_per_step
    cells = {"grpo": arm(_train(scale, steps)), "dots_rr": arm(_train(scale, steps), **dots_rr(batch))}
    grpo_steps(arm(_train(scale, 1)), policy, data)  # warm-up
    ways = {name: lambda cell=cell: grpo_steps(cell, policy, data) for name, cell in cells.items()}
    runs = {name: [row.out for row in rows] for name, rows in alternate(ways, scale.rounds, deadline).items()}

    def per_step(run: Steps, field: str) -> dict[str, float]:
        spent = subtract(run.ledgers[-1], run.ledgers[SETTLED - 1])
        return {phase: spent.get(phase, {}).get(field, 0.0) / (steps - SETTLED) for phase in SPEND}

    phases = {name: [per_step(run, "seconds") for run in found] for name, found in runs.items()}
    whole = {name: [sum(step.values()) for step in found] for name, found in phases.items()}
    return {
        "rounds": len(whole["grpo"]),
        "steps": f"{SETTLED + 1} to {steps} of {steps}",
        **_batch(scale),
        "references": cells["dots_rr"].selection.references,  # type: ignore[union-attr]
        "step_seconds_by_phase": phases,
        "generated_tokens_a_step": {
            name: sum(per_step(found[0], "generated_tokens").values()) for name, found in runs.items()
        },
        "embedding_seconds_once": [run.ledgers[0]["score"]["seconds"] for run in runs["dots_rr"]],
        "grpo_over_dots_rr": ratio(whole["grpo"], whole["dots_rr"]),
    }


def dots_rr(batch: int) -> dict[str, Any]:
    """The arm DOTS + RR at the paper's fractions: K / (mu B) = 1/4, delta = 1/2, C = B."""
    selection = {"method": "difficulty", "target": 0.5, "temperature": 1e-3, "references": batch // 2, "every": 2}
    return {"selection": selection, "replay": {"fresh": 0.5, "capacity": batch}}


def _train(scale: Scale, steps: int) -> dict[str, Any]:
    return {"steps": steps, **_batch(scale), "learning_rate": 1e-6}


def _batch(scale: Scale) -> dict[str, int]:
    return {
        "questions_per_step": scale.questions_per_step,
        "group_size": scale.group_size,
        "minibatches": 4,
        "max_completion_tokens": scale.step_completion,
    }


def _walls(rows: list[Timed]) -> list[float]:
    return [row.wall for row in rows]
