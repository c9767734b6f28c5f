"""A reward that says nothing about the answer: the control for what training does to a policy by itself."""

from __future__ import annotations

import hashlib

import numpy as np
from pydantic import Field

from repro.fields import Seed
from repro.tasks.problem import Problem
from repro.tasks.rewards import Reward


class RandomReward(Reward):
    """1 with probability `chance`, else 0, whatever the completion says.

    Each completion has a generator of its own, seeded by `seed`, the question's id and the text: every process, every
    probe and every repeated run gives the same completion the same reward. Long completions hardly ever come twice, so
    that their rewards are independent of each other. A short one that comes again has the same reward again, which a
    policy can learn.

    Source: Shao et al. 2025, 2506.10947, whose random rewards are drawn with probability 0.5.
    """

    chance: float = Field(0.5, gt=0, lt=1, description="probability of a reward of 1")
    seed: Seed = Field(0, description="of the draws")

    def __call__(self, completion: str, problem: Problem) -> float:
        """0 or 1."""
        key = f"{self.seed}\n{problem.id}\n{completion}".encode(errors="surrogatepass")
        generator = np.random.default_rng(int.from_bytes(hashlib.sha256(key).digest()[:16], "big"))
        return float(generator.random() < self.chance)
