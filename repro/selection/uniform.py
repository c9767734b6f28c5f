"""Uniform choice: shuffled passes over a set of questions, the whole pool or a fixed subset of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from repro.errors import UserError
from repro.numbers import share_size
from repro.selection.base import Selector, check_state, new_generator, pool_digest

ORDER_STREAM, SUBSET_STREAM, DIFFICULTY_STREAM, CALIBRATION_STREAM = 1, 2, 3, 4


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


class SubsetSelector(Selector):
    """Uniform choice from a subset that is computed once, on first use, or restored with the state.

    `subset` returns the kept indices (any order), `scores` and `center` what it was cut by; `describe` says in words
    which setting decides their number, for the error when they are too few.
    """

    def __init__(
        self,
        ids: Sequence[str],
        seed: int,
        *,
        method: str,
        subset: Callable[[], np.ndarray] | None = None,
        scores: Callable[[], np.ndarray] | None = None,
        center: Callable[[], float | None] | None = None,
        describe: str = "lower train.questions_per_step or enlarge the dataset",
    ) -> None:
        self.ids = tuple(ids)
        self.method = method
        self._pool = pool_digest(self.ids)
        self._subset, self._scores, self._center, self._describe = subset, scores, center, describe
        self._generator = new_generator(seed, ORDER_STREAM)
        self._pass: ShuffledPass | None = None

    def _ready(self) -> ShuffledPass:
        if self._pass is None:
            everything = np.arange(len(self.ids))
            items = everything if self._subset is None else np.sort(np.asarray(self._subset(), dtype=np.int64))
            if len(items) == 0:
                raise UserError(
                    f"selection.{self.method}: keeps 0 of {len(self.ids)} questions, expected at least one batch; "
                    f"{self._describe}"
                )
            self._pass = ShuffledPass(items, self._generator)
        return self._pass

    def choose(self, n: int) -> list[int]:
        """`n` distinct kept indices. UserError if fewer than `n` are kept, ValueError if n < 1."""
        if n < 1:
            raise ValueError(f"n is {n}, expected at least 1")
        items = self._ready()
        if len(items.items) < n:
            raise UserError(
                f"selection.{self.method}: keeps {len(items.items)} of {len(self.ids)} questions, "
                f"fewer than the {n} of one batch; {self._describe}"
            )
        return items.take(n)

    def kept(self) -> np.ndarray | None:
        """Sorted kept indices; None where the subset is the whole pool by definition."""
        return None if self._subset is None else np.array(self._ready().items, dtype=np.int64)

    def scores(self) -> np.ndarray | None:
        """(N,) the scores the subset was cut from."""
        return None if self._scores is None else self._scores()

    def center(self) -> float | None:
        """The score around which the subset was cut."""
        return None if self._center is None else self._center()

    def metrics(self) -> dict[str, float]:
        """`kept`: how many questions may be chosen."""
        return {"kept": float(len(self._ready().items))}

    def state_dict(self) -> dict[str, Any]:
        """Kept indices, what is left of this pass, and the generator."""
        items = self._ready()
        return {
            "method": self.method,
            "pool": self._pool,
            "kept": items.items,
            "remaining": list(items.remaining),
            "generator": self._generator.bit_generator.state,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore; the subset comes from the state, so no score is computed again."""
        check_state(state, self.method, self._pool)
        self._generator.bit_generator.state = state["generator"]
        self._pass = ShuffledPass(state["kept"], self._generator)
        self._pass.remaining = [int(item) for item in state["remaining"]]


def uniform(ids: Sequence[str], seed: int) -> SubsetSelector:
    """Every question of the pool once per pass: plain GRPO."""
    return SubsetSelector(ids, seed, method="uniform")


def random_subset(ids: Sequence[str], seed: int, fraction: float) -> SubsetSelector:
    """A fixed random subset of `fraction` of the pool, drawn by the run's seed."""
    size = share_size(fraction, len(ids))

    def draw() -> np.ndarray:
        return new_generator(seed, SUBSET_STREAM).choice(len(ids), size=size, replace=False)

    return SubsetSelector(
        ids, seed, method="random", subset=draw, describe="raise selection.fraction or lower train.questions_per_step"
    )
