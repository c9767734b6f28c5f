"""Uniform choice from a fixed set of questions: the whole pool, or a subset that is computed once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from repro.errors import UserError
from repro.selection.base import Run, Selector
from repro.selection.pool import ENLARGE, check_batch, check_state, pool_digest
from repro.selection.shuffled import ShuffledPass


class SubsetSelector(Selector):
    """Uniform choice from a subset that is computed on first use, or restored with the state.

    `subset` returns the kept indices (any order), the whole pool where it is None. `scores`, `center` and
    `target_tokens` return what it was cut by. `remedy` says which setting decides how many are kept, for the error
    when they are too few.
    """

    def __init__(
        self,
        run: Run,
        method: str,
        subset: Callable[[], np.ndarray] | None = None,
        *,
        scores: Callable[[], np.ndarray] | None = None,
        center: Callable[[], float | None] | None = None,
        target_tokens: Callable[[], np.ndarray | None] | None = None,
        remedy: str = ENLARGE,
    ) -> None:
        self.ids, self.method = run.ids, method
        self._pool = pool_digest(self.ids)
        self._subset, self._scores, self._center, self._remedy = subset, scores, center, remedy
        self._target_tokens = target_tokens
        self._generator = run.generator("order")
        self._pass: ShuffledPass | None = None

    def _ready(self) -> ShuffledPass:
        if self._pass is None:
            everything = np.arange(len(self.ids))
            items = everything if self._subset is None else np.sort(np.asarray(self._subset(), dtype=np.int64))
            if len(items) == 0:
                raise UserError(
                    f"selection.{self.method}: keeps 0 of {len(self.ids)} questions, expected at least one batch; "
                    f"{self._remedy}"
                )
            self._pass = ShuffledPass(items, self._generator)
        return self._pass

    def choose(self, n: int) -> list[int]:
        """`n` distinct kept indices. UserError if fewer than `n` are kept, ValueError if n < 1."""
        items = self._ready()
        check_batch(n, self.method, len(items.items), len(self.ids), self._remedy)
        return items.take(n)

    def kept(self) -> np.ndarray | None:
        """Sorted kept indices; None where the subset is the whole pool by definition."""
        return None if self._subset is None else np.array(self._ready().items, dtype=np.int64)

    def scores(self) -> np.ndarray | None:
        """(N,) the scores the subset was cut from."""
        return None if self._scores is None else self._scores()

    def target_tokens(self) -> np.ndarray | None:
        """(N,) tokens behind scores that are confidences."""
        return None if self._target_tokens is None else self._target_tokens()

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
