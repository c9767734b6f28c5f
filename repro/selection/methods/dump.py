"""DUMP: a bandit over categories by an upper confidence bound of their recent absolute advantages."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from pydantic import Field

from repro.selection.bandit import Bandit, BanditSelector
from repro.selection.base import Run, Selector


class Dump(Bandit):
    """DUMP: draw categories by the mean absolute advantage of their latest completions and how few they had."""

    method: Literal["dump"]
    window: int = Field(300, ge=1, le=1_000_000, description="completions of a category whose advantages count")
    temperature: float = Field(0.1, ge=1e-3, le=1e3, description="tau of P(category) ~ exp(bound / tau)")

    @property
    def title(self) -> str:
        """As its authors call it."""
        return "DUMP"

    def build(self, run: Run) -> Selector:
        """All categories are alike at first."""
        return DumpSelector(self, run)


class DumpSelector(BanditSelector):
    """Bound of a category: L_c + sqrt(2 ln(N + 1) / (n_c + 1)).

    L_c is the mean |advantage| of the category's last `window` completions (0 before the first), n_c how many it had so
    far, N how many all had (at least 1).
    """

    selection: Dump

    def __init__(self, selection: Dump, run: Run) -> None:
        super().__init__(selection, run, selection.temperature)
        self._counts: dict[int, int] = {}  # completions of each category
        self._recent: dict[int, list[float]] = {}  # |advantages| of its latest

    def values(self, count: int) -> np.ndarray:
        """(K,) bounds."""
        total = max(1, sum(self._counts.values()))
        seen = np.array([self._counts.get(arm, 0) for arm in range(count)])  # (K,)
        means = np.array([np.mean(self._recent.get(arm, [0.0])) for arm in range(count)])  # (K,)
        bounds: np.ndarray = means + np.sqrt(2 * np.log(total + 1) / (seen + 1))
        return bounds

    def learn(self, sizes: dict[int, list[np.ndarray]]) -> None:
        """Every completion counts once."""
        for arm, groups in sizes.items():
            new = np.concatenate(groups).tolist()
            self._counts[arm] = self._counts.get(arm, 0) + len(new)
            self._recent[arm] = [*self._recent.get(arm, []), *new][-self.selection.window :]

    def learned(self) -> dict[str, Any]:
        """Counts and recent advantages by category."""
        return {
            "counts": {str(arm): count for arm, count in self._counts.items()},
            "recent": {str(arm): list(recent) for arm, recent in self._recent.items()},
        }

    def recall(self, learned: dict[str, Any]) -> None:
        """Restore them."""
        self._counts = {int(arm): int(count) for arm, count in learned["counts"].items()}
        self._recent = {int(arm): [float(size) for size in recent] for arm, recent in learned["recent"].items()}
