"""What is written down about one generation batch, of all ranks together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    predicted: list[float] | None
    metrics: dict[str, float] = field(default_factory=dict)

    @property
    def pass_rates(self) -> list[float]:
        """Mean reward of each fresh group."""
        return [float(np.mean(group)) for group in self.rewards]


def is_informative(rewards: Sequence[float]) -> bool:
    """Do the rewards of a group differ? Exact comparison: a float mean or std would misjudge (OpenRLHF #1270)."""
    return any(reward != rewards[0] for reward in rewards)


def replay_metrics(numbers: Mapping[str, float], ranks: Ranks) -> dict[str, float]:
    """`replay/...` of all ranks: counts add up, `..._max` is the largest, all else the mean over ranks. Collective."""
    everywhere = ranks.gather(dict(numbers))
    out = {}
    for name in numbers:
        values = [each[name] for each in everywhere]
        combined = sum(values) if name in COUNTS else max(values) if name.endswith("_max") else np.mean(values)
        out[series.REPLAY + name] = float(combined)
    return out
