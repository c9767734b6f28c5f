"""What is written down about one generation batch, of all ranks together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from repro.groups import has_spread
from repro.replay.group import Group
from repro.tracking import series
from repro.training.ranks import Ranks

COUNTS = {"size", "informative", "questions", "reused", "added", "rejected", "evicted", "expired", "reused_total"}
"""Replay numbers that add up over the ranks' shares of the buffer."""


@dataclass
class StepRecord:
    """What one generation batch was made of. `step` counts from 1; indices refer to the training questions."""

    step: int
    fresh: list[int]
    replayed: list[int]
    rewards: list[tuple[float, ...]]
    trains: list[bool]  # whether the rewards of a fresh group have a spread, and so a gradient
    predicted: list[float] | None
    metrics: dict[str, float] = field(default_factory=dict)

    @property
    def mean_rewards(self) -> list[float]:
        """Mean reward of each fresh group; its pass rate where the reward is accuracy."""
        return [float(np.mean(group)) for group in self.rewards]


def step_record(
    step: int,
    chosen: Sequence[int],
    replayed: Sequence[Group],
    rewards: Sequence[tuple[float, ...]],
    predicted: np.ndarray | None,
    min_spread: float,
    ranks: Ranks,
) -> StepRecord:
    """The record of a step whose fresh groups, of the questions `chosen`, have been graded. Collective.

    Args:
        replayed: this rank's groups from its buffer.
        rewards: of the groups of all ranks, in the order of `chosen`.
        predicted: (N,) predicted mean rewards of all training questions.
    """
    trains = [has_spread(group, min_spread) for group in rewards]
    zero = 1.0 - float(np.mean(trains))
    return StepRecord(
        step=step,
        fresh=list(chosen),
        replayed=[index for part in ranks.gather([g.question for g in replayed]) for index in part],
        rewards=list(rewards),
        trains=trains,
        predicted=None if predicted is None else [float(predicted[i]) for i in chosen],
        metrics={series.REWARD: float(np.mean(rewards)), series.ZERO_VARIANCE: zero, series.EFFECTIVE: 1.0 - zero},
    )


def over_ranks(prefix: str, numbers: Mapping[str, float], ranks: Ranks) -> dict[str, float]:
    """`<prefix>...` of all ranks: counts add up, `..._max` is the largest, all else the mean over the ranks that have
    it. Collective."""
    everywhere = ranks.gather(dict(numbers))
    out = {}
    for name in dict.fromkeys(name for each in everywhere for name in each):
        values = [each[name] for each in everywhere if name in each]
        combined = sum(values) if name in COUNTS else max(values) if name.endswith("_max") else np.mean(values)
        out[prefix + name] = float(combined)
    return out
