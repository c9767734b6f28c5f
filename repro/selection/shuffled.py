"""Draws without replacement, one shuffled pass over a set of questions after another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


class ShuffledPass:
    """Draws without replacement, one shuffled pass (epoch) after another.

    What could be got wrong is the epoch boundary: a call that needs more than the pass has left takes the rest of it
    and then the first items of the next pass that are not already in this call; the skipped ones stay at the front of
    the next pass. So a call never repeats an item, and every item comes exactly once per pass.
    """

    def __init__(self, items: Sequence[int] | np.ndarray, generator: np.random.Generator) -> None:
        self.items = [int(item) for item in items]
        self.generator = generator
        self.remaining: list[int] = []

    def take(self, n: int) -> list[int]:
        """`n` distinct items, 1 <= n <= len(items)."""
        if not 1 <= n <= len(self.items):
            raise ValueError(f"cannot take {n} distinct of {len(self.items)} items")
        taken, self.remaining = self.remaining[:n], self.remaining[n:]
        if len(taken) < n:
            following = [self.items[i] for i in self.generator.permutation(len(self.items))]
            already = set(taken)
            taken += [item for item in following if item not in already][: n - len(taken)]
            new = set(taken) - already
            self.remaining = [item for item in following if item not in new]
        return taken
