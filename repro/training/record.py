"""What is written down about one generation batch, of all ranks together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

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


def replay_metrics(numbers: Mapping[str, float], ranks: Ranks) -> dict[str, float]:
    """`replay/...` of all ranks: counts add up, `..._max` is the largest, all else the mean over ranks. Collective."""
    everywhere = ranks.gather(dict(numbers))
    out = {}
    for name in numbers:
        values = [each[name] for each in everywhere]
        combined = sum(values) if name in COUNTS else max(values) if name.endswith("_max") else np.mean(values)
        out[series.REPLAY + name] = float(combined)
    return out
