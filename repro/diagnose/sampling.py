"""Samples completions of questions, piece by piece into the cache, until a time is used up or enough are there."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from repro.cache import Cache
from repro.canonical import digest
from repro.models.sampling import Completions
from repro.tasks.problem import Problem

VERSION = 1
"""Enters every key: raise it when the same fields would give other numbers."""

PIECE_SECONDS = 100.0
"""What a piece would take at the pace of the pilot's small batch. A kill loses at most about so much."""
LEAST_PIECE = 8
"""Questions of a piece at least: a token costs less in a larger batch."""

PILOT_QUESTIONS, PILOT_SAMPLES = 8, 4
MANY, FEW = 16, 8
"""Samples of a question: many where the time allows for `ENOUGH` questions, else few."""
ENOUGH = 128
LEAST = 32
"""Questions that are sampled whatever the time."""
MOST_PIECE = 64


class Completes(Protocol):
    """What makes and grades completions."""

    def completions(
        self, problems: Sequence[Problem], samples: int, temperature: float, top_p: float, seed: int, phase: str
    ) -> tuple[Completions, list[tuple[float, ...]]]:
        """Completions, and per problem the rewards of its `samples` completions."""


@dataclass(frozen=True)
class Sampled:
    """m questions of the pool with K completions each."""

    indices: np.ndarray  # (m,) in the pool
    rewards: np.ndarray  # (m, K) in [0, 1]
    tokens: np.ndarray  # (m, K) generated, the end included
    prompts: np.ndarray  # (m,) tokens of the prompt
    seconds: float

    @property
    def rates(self) -> np.ndarray:
        """(m,) mean reward of each question."""
        return np.asarray(self.rewards.mean(axis=1))

    def __len__(self) -> int:
        return len(self.indices)


class Asking:
    """Asks questions of a pool; what has been asked before comes from the cache.

    `fields` decide the completions: policy, reward, sampling, seed. `opened` loads the policy, and is called only where
    something is missing.
    """

    def __init__(
        self,
        cache: Cache,
        problems: Sequence[Problem],
        fields: Mapping[str, Any],
        opened: Callable[[], Completes],
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.cache, self.problems, self.fields, self.opened, self.say = cache, problems, fields, opened, say

    def pace(self, order: Sequence[int]) -> float:
        """Seconds of one completion, measured on the first questions of the order."""
        indices = list(order[:PILOT_QUESTIONS])
        return self._piece(indices, PILOT_SAMPLES).seconds / (len(indices) * PILOT_SAMPLES)

    def sample(self, order: Sequence[int], samples: int, pace: float, limit: float, most: int, least: int) -> Sampled:
        """The first questions of the order, `least` to `most` of them, as far as `limit` seconds reach.

        The seconds are those of whoever sampled a piece first, so that a second call ends where the first did.
        """
        size = 2 ** int(math.log2(min(MOST_PIECE, max(LEAST_PIECE, PIECE_SECONDS / max(samples * pace, 1e-9)))))
        wanted = min(most, len(order))
        pieces: list[Sampled] = []
        done, used = 0, 0.0
        while done < wanted:
            piece = self._piece(list(order[done : min(done + size, wanted)]), samples)
            pieces.append(piece)
            done, used = done + len(piece), used + piece.seconds
            self.say(f"{done:,} of at most {wanted:,} questions x {samples} completions, {used:.0f} s")
            if done >= least and used + piece.seconds > limit:
                break
        return _joined(pieces, samples)

    def _piece(self, indices: list[int], samples: int) -> Sampled:
        problems = [self.problems[i] for i in indices]
        temperature, top_p, seed = self.fields["temperature"], self.fields["top_p"], self.fields["seed"]

        def build(folder: Path) -> None:
            from time import perf_counter

            sampler = self.opened()
            started = perf_counter()
            out, rewards = sampler.completions(problems, samples, temperature, top_p, seed, "probe")
            seconds = perf_counter() - started
            shape = (len(problems), samples)
            np.savez(
                folder / "values.npz",
                allow_pickle=False,
                rewards=np.array(rewards, float),
                tokens=np.array(out.token_counts).reshape(shape),
                prompts=np.array(out.prompt_counts).reshape(shape)[:, 0],
            )
            (folder / "card.json").write_text(json.dumps({"seconds": seconds, "fields": dict(self.fields)}))

        asked = [[problem.id, problem.question, problem.answer] for problem in problems]
        key = digest({"version": VERSION, "samples": samples, "questions": digest(asked), **self.fields})
        folder = self.cache.directory("diagnose", key, build)
        seconds = float(json.loads((folder / "card.json").read_text())["seconds"])
        with np.load(folder / "values.npz", allow_pickle=False) as values:
            found = {name: values[name] for name in values.files}
        return Sampled(np.array(indices, dtype=np.int64), seconds=seconds, **found)


def samples_for(pace: float, limit: float) -> int:
    """K: `MANY` samples of a question where they leave time for `ENOUGH` questions."""
    return MANY if ENOUGH * MANY * pace <= limit else FEW


def order_of(count: int, seed: int) -> np.ndarray:
    """(count,) the pool in a random order: its first m questions are a uniform sample."""
    return np.random.default_rng([seed, 17]).permutation(count)


def sampling_seed(seed: int) -> int:
    """The seed of the completions; no run has it."""
    return int(np.random.SeedSequence([seed, 31_337]).generate_state(1, np.uint64)[0] >> np.uint64(1))


def _joined(pieces: Sequence[Sampled], samples: int) -> Sampled:
    if not pieces:
        none = np.zeros((0, samples))
        return Sampled(np.zeros(0, np.int64), none, none, np.zeros(0), 0.0)
    return Sampled(
        np.concatenate([piece.indices for piece in pieces]),
        np.concatenate([piece.rewards for piece in pieces]),
        np.concatenate([piece.tokens for piece in pieces]),
        np.concatenate([piece.prompts for piece in pieces]),
        sum(piece.seconds for piece in pieces),
    )
