"""When a group, the completions of one question in one step, carries a gradient, and its advantages."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

ROUNDING = 1e-9
"""Relative error of a difference of two rewards that is left out of account."""
DEVIATION_FLOOR = 1e-4
"""What TRL adds to the standard deviation that it divides advantages by."""


def has_spread(rewards: Sequence[float], min_spread: float = 0.0) -> bool:
    """Whether the rewards of a group differ by more than `min_spread` (0 <= min_spread < 1).

    GRPO's advantages are deviations from the group's mean: where all rewards are the same there are none. A group of
    one has no spread. Rewards are compared, not their float mean or deviation, which can differ from equal rewards
    (OpenRLHF #1270); a spread that equals `min_spread` but for rounding, such as 0.4 - 0.3 for 0.1, counts as equal.

    ValueError for a group of none.
    """
    return bool(max(rewards) - min(rewards) > min_spread * (1 + ROUNDING))


def advantages(rewards: Sequence[float], by_deviation: bool, min_spread: float = 0.0) -> np.ndarray:
    """(G,) advantages of a group, those that the run trains with: 0 for all where the group has no gradient.

    `by_deviation`: divided by the standard deviation of the group (of a sample: G - 1), as with `train.advantage_std`.
    """
    values = np.array(rewards, dtype=np.float64)  # (G,)
    if not has_spread(rewards, min_spread):
        return np.zeros_like(values)
    centred: np.ndarray = values - values.mean()
    return centred / (values.std(ddof=1) + DEVIATION_FLOOR) if by_deviation else centred
