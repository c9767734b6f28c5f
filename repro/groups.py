"""When a group, the completions of one question in one step, carries a gradient."""

from __future__ import annotations

from collections.abc import Sequence


def has_spread(rewards: Sequence[float], min_spread: float = 0.0) -> bool:
    """Whether the rewards of a group differ by more than `min_spread` (0 <= min_spread < 1).

    GRPO's advantages are deviations from the group's mean: where all rewards are the same there are none. A group of
    one has no spread. ValueError for a group of none.
    """
    return max(rewards) - min(rewards) > min_spread
