"""Scores the pool in one forward pass, or as much of it as the time allows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from repro.scoring.keys import Asked
from repro.scoring.scorer import Opened, Scorer
from repro.scoring.store import Stored, find

PILOT = 64
LEAST = 256
"""Questions that are scored whatever the time."""


@dataclass(frozen=True)
class Scored:
    """UFO-RL's confidence of M questions of the pool, each passed once."""

    indices: np.ndarray  # (M,) in the pool, in its order
    s: np.ndarray  # (M,) in [0, 1]
    target_tokens: np.ndarray  # (M,)
    tokens: int  # prompts and targets of all of them
    generated: int  # of greedy responses, where those are the target
    seconds: float  # of the pass


def score_pool(
    scorer: Scorer,
    asked: Callable[[Sequence[int]], Asked],
    opened: Callable[[], Opened],
    order: np.ndarray,
    limit: float,
) -> Scored:
    """Score the pool, or its first questions of the random `order` (N,) where the whole would take more than `limit`
    seconds: a power of two of them, so that a second call asks for the same.

    What `repro score` or a study has scored is taken from the store.
    """
    whole = np.arange(len(order))
    if len(whole) > LEAST and find(scorer.cache, asked(whole.tolist())) is None:
        pilot = scorer.stored(asked(np.sort(order[:PILOT]).tolist()), opened).card
        each = (pilot["seconds"]["pass"] + pilot["seconds"]["decoding"]) / PILOT
        if each * len(whole) > limit:
            count = max(LEAST, 2 ** int(np.log2(max(1.0, limit / each))))
            whole = np.sort(order[:count])
    return _read(whole, scorer.stored(asked(whole.tolist()), opened))


def _read(indices: np.ndarray, stored: Stored) -> Scored:
    tokens = stored.card["tokens"]
    return Scored(
        indices,
        np.exp(stored.columns["confidence"]),
        stored.columns["target_tokens"],
        int(tokens["prompt"] + tokens["target"]),
        int(tokens["generated"]),
        float(stored.card["seconds"]["pass"] + stored.card["seconds"]["decoding"]),
    )
