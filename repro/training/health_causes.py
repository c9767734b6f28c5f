"""Which field of a cell most likely made a training go wrong: stated rules, tried in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from repro.spec.schema import Cell
from repro.tasks.reward_spec import describe_reward, rewards_accuracy
from repro.tracking import series

ARITHMETIC = "arithmetic"
"""What numbers that are NaN are about where the weights are finite."""
HIGH_RATE = 2e-3
"""AdamW rate above which it is the first suspect: ten times the default, a hundred times what large policies take."""


def likely_cause(kind: str, cell: Cell, about: str, idle: Sequence[Mapping[str, float]], clipped: bool) -> str:
    """The field with its value, e.g. `train.learning_rate 100`.

    Args:
        kind: of the warning, see `repro.training.health.Warning`.
        about: of a ratio, the family of series it was seen in ("" for the updates themselves); of NaN, `ARITHMETIC`
            where the weights are finite.
        idle: of a training without signal, the metrics of the steps that had none.
        clipped: whether most tokens of an update were outside the clip before.
    """
    train = cell.train
    rate = f"train.learning_rate {train.learning_rate:g}"
    if kind == "ratio" and about == series.ROLLOUT:
        return f"train.rollout.dtype {train.rollout.dtype} (the engine's policy differs from the trained one)"
    if kind == "ratio" and about == series.REPLAY and cell.replay is not None:
        age = cell.replay.max_age
        return f"replay.max_age {'unset' if age is None else age} (groups of a policy long gone), or {rate}"
    if kind == "nan" and cell.model.dtype == "float16" and not _too_fast(cell, clipped):
        return f"model.dtype float16 (its numbers end at 65,504), or {rate}"
    if kind == "nan" and about == ARITHMETIC and train.precision != "float32":
        return f"train.precision {train.precision} (the arithmetic or its kernel, not the updates), or {rate}"
    if kind == "no_signal" and not _too_fast(cell, clipped):
        return _no_signal(cell, idle)
    if not _too_fast(cell, clipped):
        if kind == "collapse" and not rewards_accuracy(cell.reward):
            return f"reward {describe_reward(cell.reward)} (it is not accuracy), or {rate}"
        if train.temperature > 1.5:
            return f"train.temperature {train.temperature:g} (what is sampled is hardly the policy's), or {rate}"
        if train.minibatches > 8:
            return f"{rate} with train.minibatches {train.minibatches} (so many updates a step)"
    if train.clip > 0.5:
        return f"train.clip {train.clip:g}, or {rate}"
    return f"{rate} (too high)" if _too_fast(cell, clipped) else rate


def _too_fast(cell: Cell, clipped: bool) -> bool:
    return clipped or cell.train.learning_rate > HIGH_RATE


def _no_signal(cell: Cell, idle: Sequence[Mapping[str, float]]) -> str:
    """Groups without spread: every answer wrong, every answer right, or alike within each group."""
    train = cell.train
    reward = sum(row[series.REWARD] for row in idle) / len(idle)
    tokens = sum(row.get(series.COMPLETION_TOKENS, 0.0) for row in idle) / len(idle)
    repeated = cell.selection.repeats_in_batch
    data = f"selection.method {cell.selection.method}" if repeated else f"dataset {cell.dataset.label}"
    if train.min_spread and reward > 0.02:
        return f"train.min_spread {train.min_spread:g} (groups that differ by less count as alike)"
    if reward <= 0.02 and tokens > 0.9 * train.max_completion_tokens:
        return f"train.max_completion_tokens {train.max_completion_tokens} (completions are cut off before the answer)"
    if reward <= 0.02:
        return f"{data} (too hard: no completion earns a reward)"
    if reward >= 0.98:
        return f"{data} (too easy: every completion earns the whole reward)"
    if train.temperature < 0.5:
        return f"train.temperature {train.temperature:g} (completions of a question are alike)"
    return f"train.group_size {train.group_size} (too few completions of a question to differ)"
