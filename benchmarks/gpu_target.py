"""The part of `gpu.py` that learns: what GRPO and DOTS + RR spend until the embedded policy reaches a target."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from gpu_parts import Scale, dots_rr
from grpo_steps import arm, grpo_steps
from transformers import PreTrainedModel

from analysis.times import ratio_of_medians, sustained_crossing
from repro.models.policy import Policy
from repro.spec.schema import Cell
from repro.tasks.problem import TaskData
from repro.tasks.prompts import PromptStyle
from repro.training.evaluation import Sampler
from repro.training.ledger import SPEND, Ledger


def to_target(policy: Policy, data: TaskData, scale: Scale, deadline: float) -> dict[str, Any]:
    """(d) What GRPO and DOTS + RR spend until the embedded policy has learned its task; censored where the time or the
    steps end first. The target has to hold at two evaluations in a row."""
    train = {"steps": scale.target_steps, "questions_per_step": scale.target_questions}
    arms: dict[str, dict[str, Any]] = {"grpo": {}, "dots_rr": dots_rr(scale.target_questions)}
    runs: dict[str, list[list[dict[str, float]]]] = {name: [] for name in arms}
    began = time.monotonic()
    for seed in range(scale.seeds):
        now = time.monotonic()
        if seed and now + (now - began) / seed > deadline:
            break
        for number, name in enumerate(list(arms) if seed % 2 == 0 else list(arms)[::-1]):
            now = time.monotonic()
            last = now + (deadline - now) / (len(arms) - number)
            runs[name].append(_until_target(arm(train, seed, **arms[name]), policy, data, scale, last))
    reached = {name: [_reached(series, scale.target) for series in found] for name, found in runs.items()}
    ratios = {}
    for axis in ("step", "seconds", "generated_tokens"):
        times = {name: [np.nan if it is None else it[axis] for it in found] for name, found in reached.items()}
        after = {name: [_not_before(series, scale.target, axis) for series in found] for name, found in runs.items()}
        made = ratio_of_medians(
            times["grpo"], after["grpo"], times["dots_rr"], after["dots_rr"], np.random.default_rng(0)
        )
        ratios[axis] = {"low_point": made.point.low, "high_point": made.point.high, "low": made.low, "high": made.high}
    return {
        "target": scale.target,
        "most_steps": scale.target_steps,
        "evaluated_questions": min(scale.evaluated, len(data.test)),
        "seeds": len(runs["grpo"]),
        "series": runs,
        "reached": reached,
        "grpo_over_dots_rr": ratios,
    }


def _until_target(cell: Cell, policy: Policy, data: TaskData, scale: Scale, last: float) -> list[dict[str, float]]:
    series: list[dict[str, float]] = []

    def after_step(step: int, model: PreTrainedModel, ledger: Ledger) -> bool:
        late = time.monotonic() > last
        if step % scale.evaluate_every and not late:
            return False
        tokens = cell.train.max_completion_tokens
        sampler = Sampler(model, policy.tokenizer, data, PromptStyle(), tokens, Ledger())
        _, rewards = sampler.completions(data.test[: scale.evaluated], 2, 1.0, 1.0, step, "evaluate")
        series.append(
            {
                "step": step,
                "accuracy": float(np.mean(rewards)),
                "seconds": ledger.total("seconds", SPEND),
                "generated_tokens": ledger.total("generated_tokens", SPEND),
            }
        )
        return late or _reached(series, scale.target) is not None

    grpo_steps(cell, policy, data, after_step)
    return series


def _reached(series: list[dict[str, float]], target: float) -> dict[str, float] | None:
    index = sustained_crossing([it["accuracy"] for it in series], target)
    return None if index is None else series[index]


def _not_before(series: list[dict[str, float]], target: float, axis: str) -> float:
    """The last moment at which a run was known not to have reached the target."""
    reached = _reached(series, target)
    if reached is None:
        return series[-1][axis]
    index = series.index(reached)
    return series[index - 1][axis] if index else 0.0
