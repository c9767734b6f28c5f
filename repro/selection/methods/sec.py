"""SEC: a bandit over categories whose values follow the absolute advantage step by step."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from pydantic import Field

from repro.selection.bandit import Bandit, BanditSelector
from repro.selection.base import Run, Selector


class Sec(Bandit):
    """SEC: draw categories by a running mean of the absolute advantages of their groups."""

    method: Literal["sec"]
    rate: float = Field(0.5, ge=1e-6, le=1, description="alpha: weight of the latest step in the value of a category")
    temperature: float = Field(1.0, ge=1e-3, le=1e3, description="tau of P(category) ~ exp(value / tau)")
    unseen: Literal["kept", "decay"] = Field(
        "kept",
        description="value of a category without a group in the step: kept, or as if its advantages were 0 (public"
        " code)",
    )

    @property
    def title(self) -> str:
        """As its authors call it."""
        return "SEC"

    def build(self, run: Run) -> Selector:
        """All values begin at 0."""
        return SecSelector(self, run)


class SecSelector(BanditSelector):
    """Q_c <- (1 - rate) Q_c + rate * (mean over the groups of c of mean |advantage|), Q_c = 0 at first."""

    selection: Sec

    def __init__(self, selection: Sec, run: Run) -> None:
        super().__init__(selection, run, selection.temperature)
        self._values: dict[int, float] = {}

    def values(self, count: int) -> np.ndarray:
        """(K,) Q."""
        return np.array([self._values.get(arm, 0.0) for arm in range(count)])

    def learn(self, sizes: dict[int, list[np.ndarray]]) -> None:
        """One update of every category with a group, or of all."""
        rate = self.selection.rate
        for arm in range(len(self._ready())):
            if arm in sizes or self.selection.unseen == "decay":
                seen = float(np.mean([size.mean() for size in sizes[arm]])) if arm in sizes else 0.0
                self._values[arm] = (1 - rate) * self._values.get(arm, 0.0) + rate * seen

    def learned(self) -> dict[str, Any]:
        """The values by category."""
        return {"values": {str(arm): value for arm, value in self._values.items()}}

    def recall(self, learned: dict[str, Any]) -> None:
        """Restore the values."""
        self._values = {int(arm): float(value) for arm, value in learned["values"].items()}
