"""The part of `gpu.py` that learns: what GRPO and DOTS + RR spend until the embedded policy reaches a target."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
from gpu_parts import Scale, dots_rr
from grpo_steps import arm, grpo_steps
from transformers import PreTrainedModel

from repro.analysis.curve import Curve
from repro.analysis.statistics import t_interval
from repro.analysis.time_to_target import reached
from repro.models.policy import Policy
from repro.spec.schema import Cell
from repro.tasks.problem import TaskData
from repro.tasks.prompts import PromptStyle
from repro.training.evaluation import Sampler
from repro.training.ledger import SPEND, Ledger

AXES = ("step", "seconds", "generated_tokens")


def to_target(policy: Policy, data: TaskData, scale: Scale, deadline: float) -> dict[str, Any]:
    """(d) What GRPO and DOTS + RR spend until the embedded policy has learned its task; censored where the time or the
    steps end first. Ratios are geometric means over seeds, told where all of them got there."""
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
    spent = {name: [_spent(series, scale.target) for series in found] for name, found in runs.items()}
    ratios = {}
    for axis in AXES:
        times = {name: np.array([np.nan if it is None else it[axis] for it in found]) for name, found in spent.items()}
        logs = np.log(times["grpo"] / times["dots_rr"])
        made = t_interval(logs if not np.isnan(logs).any() else [])
        ratios[axis] = {"ratio": math.exp(made.value), "low": math.exp(made.low), "high": math.exp(made.high)}
    return {
        "target": scale.target,
        "most_steps": scale.target_steps,
        "evaluated_questions": min(scale.evaluated, len(data.test)),
        "seeds": len(runs["grpo"]),
        "series": runs,
        "reached": spent,
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
        return late or series[-1]["accuracy"] >= scale.target

    grpo_steps(cell, policy, data, after_step)
    return series


def _spent(series: list[dict[str, float]], target: float) -> dict[str, float] | None:
    """What a run had spent where the line between its evaluations first reaches the target; None where it does not."""
    if len(series) == 1:
        return series[0] if series[0]["accuracy"] >= target else None
    heights = [[it["accuracy"]] for it in series]
    found = {axis: reached([Curve([it[axis] for it in series], heights)], target) for axis in AXES}
    return None if any(np.isnan(value) for value in found.values()) else found
