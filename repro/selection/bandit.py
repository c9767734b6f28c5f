"""Bandits over categories: each category has a value that follows from the advantages of its groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from pydantic import Field

from repro.groups import advantages
from repro.selection.arms import Arms, softmax
from repro.selection.base import Observation, Run, Selector
from repro.selection.method import Selection
from repro.selection.pool import align, check_batch, check_state, pool_digest


class Bandit(Selection):
    """The fields of bandits over categories."""

    category: str = Field(
        description="column of the dataset, of numbers or short texts: questions with the same value are a category"
    )

    @property
    def trains_on(self) -> str:
        """By their category."""
        return f"questions of the categories, by {self.category}, that lately had the largest advantages"

    @property
    def dataset_category(self) -> str | None:
        """The column that names the categories."""
        return self.category


class BanditSelector(Selector):
    """Draws a category for each place of a batch with P ~ exp(value / temperature), then a question of it.

    Questions of a category come in shuffled passes; a batch holds none twice, so that a category whose questions are
    all in it is left out. A subclass says what the values are and what it learns from the absolute advantages of a
    step.
    """

    def __init__(self, selection: Bandit, run: Run, temperature: float) -> None:
        self.selection, self.run, self.temperature = selection, run, temperature
        self._pool = pool_digest(run.ids)
        self._generator = run.generator("bandit")
        self._arms: Arms | None = None
        self._metrics: dict[str, float] = {}

    def values(self, count: int) -> np.ndarray:
        """(K,) of the `count` categories, in the order of their names."""
        raise NotImplementedError

    def learn(self, sizes: dict[int, list[np.ndarray]]) -> None:
        """From |advantages| (G,) of each group of a step, by category; categories without a group are not there."""
        raise NotImplementedError

    def learned(self) -> dict[str, Any]:
        """What it has learned, JSON-able."""
        raise NotImplementedError

    def recall(self, learned: dict[str, Any]) -> None:
        """Take in what `learned` gave."""
        raise NotImplementedError

    def _ready(self) -> Arms:
        if self._arms is None:
            rows = np.array(self.run.resources.categories(self.selection.category))
            labels = align(rows, self.run.resources.ids, self.run.ids)  # (N,)
            _, arm = np.unique(labels, return_inverse=True)  # in the order of the names, whatever the order of the rows
            self._arms = Arms([np.flatnonzero(arm == k).tolist() for k in range(arm.max() + 1)], self._generator)
        return self._arms

    def choose(self, n: int) -> list[int]:
        """`n` distinct indices. UserError if n > N, or where a question has no category."""
        check_batch(n, self.selection.method, len(self.run.ids), len(self.run.ids))
        arms = self._ready()
        probabilities = softmax(self.values(len(arms)), self.temperature)  # (K,)
        chosen = arms.draw(n, probabilities)
        positive = probabilities[probabilities > 0]
        entropy = float(-(positive * np.log(positive)).sum()) / np.log(len(arms)) if len(arms) > 1 else 0.0
        self._metrics = {
            "categories": float(len({arms.of[index] for index in chosen})),
            "category_entropy": float(min(1.0, entropy)),
            "category_most": float(probabilities.max()),
        }
        return chosen

    def observe(self, observations: Sequence[Observation]) -> None:
        """The absolute advantages of fresh groups, as the run trains with them."""
        arms, run = self._ready(), self.run
        sizes: dict[int, list[np.ndarray]] = {}
        for seen in observations:
            size = np.abs(advantages(seen.rewards, run.advantage_std, run.min_spread))
            sizes.setdefault(arms.of[seen.index], []).append(size)
        self.learn(sizes)

    def metrics(self) -> dict[str, float]:
        """`categories` in the latest choice, entropy of their probabilities as a share of the largest possible, and
        the probability of the likeliest."""
        return dict(self._metrics)

    def state_dict(self) -> dict[str, Any]:
        """The categories with their passes and the generator, and what was learned."""
        return {
            "method": self.selection.method,
            "pool": self._pool,
            "arms": self._ready().state_dict(),
            "learned": self.learned(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore; the categories come from the state."""
        check_state(state, self.selection.method, self._pool)
        self._arms = Arms.restored(state["arms"], self._generator)
        self.recall(state["learned"])
        self._metrics = {}
