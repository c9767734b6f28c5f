"""Multi-sample accuracy: the rewards of several completions per question, and their mean."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from repro.tasks.problem import Verifier


def verified_rewards(
    texts: Sequence[str], answers: Sequence[str], verifier: Verifier, samples: int
) -> list[tuple[float, ...]]:
    """1.0 or 0.0 per completion, grouped by question: texts[i] answers the question of answers[i // samples].

    ValueError unless there are exactly `samples` texts per answer.
    """
    if samples < 1 or len(texts) != len(answers) * samples:
        raise ValueError(f"{len(texts)} completions for {len(answers)} questions, expected {samples} each")
    return [
        tuple(float(verifier(text, answer)) for text in texts[i * samples : (i + 1) * samples])
        for i, answer in enumerate(answers)
    ]


def pass_rates(rewards: Sequence[Sequence[float]]) -> np.ndarray:
    """(N,) mean reward of each group, in [0, 1]."""
    return np.array([np.mean(row) for row in rewards], dtype=np.float64)
