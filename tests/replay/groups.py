"""Groups and filled buffers for the tests of replay."""

from __future__ import annotations

import numpy as np

from repro.replay.buffer import ReplayBuffer
from repro.replay.group import Group


def group(question=0, step=0, rewards=(0.0, 1.0, 1.0, 0.0), seed=None):
    rng = np.random.default_rng(question * 1000 + step if seed is None else seed)
    lengths = rng.integers(1, 9, len(rewards))
    return Group(
        question=question,
        prompt_ids=rng.integers(0, 50, rng.integers(1, 6)),
        completion_ids=[rng.integers(0, 50, n) for n in lengths],
        rewards=np.array(rewards),
        advantages=(np.array(rewards) - np.mean(rewards)).astype(np.float32),
        behaviour_logps=[-rng.exponential(size=n).astype(np.float32) for n in lengths],
        step=step,
    )


def filled(steps=4, per_step=3, capacity=10, seed=0, **options):
    buffer = ReplayBuffer(capacity, seed, **options)
    for step in range(steps):
        buffer.add([group(question=10 * step + i, step=step) for i in range(per_step)])
    return buffer


def questions(groups):
    return [g.question for g in groups]


def identical(a, b):
    def fields(g):
        rows = [g.prompt_ids, g.rewards, g.advantages, *g.completion_ids, *g.behaviour_logps]
        return [(row.dtype, row.shape, row.tobytes()) for row in rows], (g.question, g.step, g.uses)

    return fields(a) == fields(b)
