"""Draws a batch from categories or levels: one of them for each place, then a question of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from repro.selection.shuffled import ShuffledPass


class Arms:
    """K disjoint groups of questions, each drawn in shuffled passes of its own.

    Args:
        items: the indices of each group, at least one each.
        generator: of all draws.
    """

    def __init__(self, items: Sequence[Sequence[int]], generator: np.random.Generator) -> None:
        self.generator = generator
        self.passes = [ShuffledPass(group, generator) for group in items]
        self.of = {item: arm for arm, group in enumerate(self.passes) for item in group.items}
        """The group of each question."""

    def __len__(self) -> int:
        return len(self.passes)

    def draw(self, n: int, probabilities: np.ndarray) -> list[int]:
        """`n` distinct indices, n at most the number of all questions.

        A group is drawn for each of the `n` places with `probabilities` (K,). A group whose questions are all in the
        batch is left out, and the others keep their proportions; where these are all 0, they are drawn alike.
        """
        left = np.array([len(group.items) for group in self.passes])  # (K,) questions that are not in the batch yet
        places: list[int] = []
        for _ in range(n):
            weights = np.where(left > 0, probabilities, 0.0)
            if not weights.sum() > 0:
                weights = (left > 0).astype(np.float64)
            arm = int(self.generator.choice(len(left), p=weights / weights.sum()))
            places.append(arm)
            left[arm] -= 1
        drawn = {arm: iter(self.passes[arm].take(places.count(arm))) for arm in sorted(set(places))}
        return [next(drawn[arm]) for arm in places]

    def state_dict(self) -> dict[str, Any]:
        """The groups with what is left of their passes, and the generator; JSON-able."""
        return {
            "groups": [{"items": group.items, "remaining": list(group.remaining)} for group in self.passes],
            "generator": self.generator.bit_generator.state,
        }

    @classmethod
    def restored(cls, state: dict[str, Any], generator: np.random.Generator) -> Arms:
        """From what `state_dict` gave; `generator` goes on where it was."""
        generator.bit_generator.state = state["generator"]
        arms = cls([group["items"] for group in state["groups"]], generator)
        for group, saved in zip(arms.passes, state["groups"], strict=True):
            group.remaining = [int(item) for item in saved["remaining"]]
        return arms


def softmax(values: np.ndarray, temperature: float) -> np.ndarray:
    """(K,) probabilities ~ exp(values / temperature) of finite values (K,)."""
    weights: np.ndarray = np.exp((values - values.max()) / temperature)
    return weights / weights.sum()
