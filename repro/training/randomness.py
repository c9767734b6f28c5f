"""Seeds for the parts of a run, so that each is independent and repeatable."""

from __future__ import annotations

import numpy as np

ROLLOUT, PROBE, EVALUATE, SELECT, REPLAY, BASE, PASS_RATE, LABEL, PREDICTIONS, GRADIENTS = range(10)


def derive_seed(*key: int) -> int:
    """A 63-bit seed that depends on every integer of the key (non-negative)."""
    return int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0] >> np.uint64(1))
