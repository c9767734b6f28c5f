"""What the runs of a made-up arm do."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

POOL, GROUP, QUESTIONS_PER_STEP = 64, 4, 8
TOKENS, SECONDS = 10, 0.5  # per completion; per step without selection


@dataclass(frozen=True)
class Behaviour:
    """What the runs of one arm do. Accuracies and shares in 0..1.

    `curve` gives the accuracy at each evaluation, plus `jitter[seed]`; `zero` the zero-variance share of every step.
    """

    curve: tuple[float, ...]
    jitter: tuple[float, ...] = (0.0, 0.0, 0.0)
    zero: float = 0.5
    zero_jitter: tuple[float, ...] = (0.0, 0.0, 0.0)
    probe_tokens: int = 0  # selection sampling before each step
    predicts: bool = False
    replays: float = 0.0
    outside: float = 0.01  # share of replayed tokens outside the clip, times the step
    warm_up: int = 0  # first steps without replayed groups
    topped_up: Mapping[int, int] | None = None  # step -> fresh groups in place of replayed ones
    pearson: float | None = None  # of predictions on uniform questions, at each evaluation
    reused: int = 0  # references that train with their own rollouts, at each refresh
    update_seconds: float = SECONDS / 2
    kept: float = 1.0
    difficulty: tuple[float, float] = (3.0, 3.0)  # mean true steps of what is chosen, at the first and last step
    status: str = "finished"
    truth: bool = True  # whether the task knows the true difficulty
    shifts: Mapping[str, float] | None = None  # label of a model or dataset -> added to its final accuracies
    agreement: float = 1.0  # how far the confidence follows the pass rate: 1 exactly, 0 not at all
    sampling_seconds: float = 3.0  # what K samples of the whole pool cost
    benchmarks: Mapping[str, tuple[int, tuple[float, ...]]] | None = None  # name -> questions, accuracy from step 0 on
    absent: tuple[str, ...] = ()  # labels of models, datasets or `seed 2` where the arm has not run
    fails: tuple[str, ...] = ()  # such labels where its runs have failed


def learning(final: float, base: float = 0.3, points: int = 4, speed: float = 2.0) -> tuple[float, ...]:
    """A saturating curve from `base` that ends at `final`."""
    top = 1 - math.exp(-speed)
    return tuple(base + (final - base) * (1 - math.exp(-speed * (i + 1) / points)) / top for i in range(points))
