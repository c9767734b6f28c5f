"""Completions of one question from one rollout, as replay keeps them: a whole group, or one completion of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


def _own(values: Any, dtype: type) -> np.ndarray:
    """A read-only copy: what a buffer holds changes neither with the caller's array nor by accident."""
    array: np.ndarray = np.array(values, dtype=dtype, order="C")
    array.setflags(write=False)
    return array


@dataclass(eq=False)
class Group:
    """G completions of one question from one rollout. Two groups may share a question; they stay two groups.

    Arrays are copied on construction and read-only: behaviour log-probabilities are stored once, at the sampling
    temperature, and never overwritten, and advantages travel with their group. `torch.tensor(array)` copies them.
    """

    question: int
    prompt_ids: np.ndarray  # (P,) int64, no padding
    completion_ids: list[np.ndarray]  # G x (T_g,) int64, no padding, the end-of-sequence token included
    rewards: np.ndarray  # (G,) float64
    advantages: np.ndarray  # (G,) float32
    behaviour_logps: list[np.ndarray]  # G x (T_g,) float32, of the policy that generated the tokens
    step: int  # the step that made the group
    uses: int = 0  # how often it was replayed
    reference_logps: list[np.ndarray] | None = None  # as behaviour_logps, of the KL term's reference; None without one

    def __post_init__(self) -> None:
        self.prompt_ids = _own(self.prompt_ids, np.int64)
        self.completion_ids = [_own(row, np.int64) for row in self.completion_ids]
        self.rewards = _own(self.rewards, np.float64)
        self.advantages = _own(self.advantages, np.float32)
        self.behaviour_logps = [_own(row, np.float32) for row in self.behaviour_logps]
        if self.reference_logps is not None:
            self.reference_logps = [_own(row, np.float32) for row in self.reference_logps]
        size = len(self.completion_ids)
        if self.rewards.shape != (size,) or self.advantages.shape != (size,) or len(self.behaviour_logps) != size:
            raise ValueError(
                f"group of question {self.question}: {size} completions, rewards {self.rewards.shape}, "
                f"advantages {self.advantages.shape}, {len(self.behaviour_logps)} rows of log-probs; expected equal"
            )
        for found in (self.behaviour_logps, self.reference_logps or self.behaviour_logps):
            for row, (tokens, logps) in enumerate(zip(self.completion_ids, found, strict=True)):
                if tokens.ndim != 1 or tokens.shape != logps.shape:
                    raise ValueError(
                        f"group of question {self.question}, completion {row}: tokens {tokens.shape}, "
                        f"log-probs {logps.shape}; expected one log-prob per token"
                    )

    @property
    def variance(self) -> float:
        """Population variance of the rewards, p(1-p) where they are 0 and 1 and a share p of them is 1."""
        return float(np.var(self.rewards))

    @property
    def priority(self) -> float:
        """Largest absolute advantage: of a single completion, how strongly it trains."""
        return float(np.abs(self.advantages).max(initial=0.0))

    def rollouts(self) -> list[Group]:
        """Its completions one by one, each as a group of its own with the advantage that it has in this one."""
        return [
            Group(
                question=self.question,
                prompt_ids=self.prompt_ids,
                completion_ids=[self.completion_ids[row]],
                rewards=self.rewards[row : row + 1],
                advantages=self.advantages[row : row + 1],
                behaviour_logps=[self.behaviour_logps[row]],
                step=self.step,
                uses=self.uses,
                reference_logps=None if self.reference_logps is None else [self.reference_logps[row]],
            )
            for row in range(len(self.completion_ids))
        ]
