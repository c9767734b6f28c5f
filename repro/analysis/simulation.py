"""Made-up studies whose truth is known, to count how often a verdict is right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from repro.analysis.curve import Curve
from repro.analysis.equal_cost import Pair
from repro.analysis.estimates import Estimate, crossed, over_these
from repro.analysis.families import holm

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Shape:
    """What a study looks like: `arms` compared with a baseline on each of `pairs` of model and task."""

    name: str
    arms: int
    pairs: int
    seeds: int
    evaluations: int  # after the start
    questions: int
    samples: int  # of each question at an evaluation


@dataclass(frozen=True)
class World:
    """How runs differ. The defaults are near the quickstart's: see docs/statistics.md.

    Log-odds of solving a question: its own ease, normal with `ease`, plus what training taught, which rises to `gain`
    along 1 - exp(-cost / pace). Seeds differ in what they learn at most (`gain_spread`, a share) and in pace
    (`pace_spread`, a share), and wander by `wander` between evaluations; a question learns better or worse than others
    with `question_spread`, in all runs alike.
    """

    start: float = -2.0
    ease: float = 1.7
    gain: float = 2.9
    pace: float = 0.5
    gain_spread: float = 0.04
    pace_spread: float = 0.05
    wander: float = 0.06
    question_spread: float = 0.3


def pair(shape: Shape, faster: Sequence[float], draw: np.random.Generator, world: World = World()) -> list[Pair]:
    """Runs of a baseline, and of one arm for each number in `faster`: so many times faster it learns. One task."""
    ease = world.start + draw.normal(0, world.ease, shape.questions)  # (questions,)
    learns = 1 + draw.normal(0, world.question_spread, shape.questions)
    first = _solved(_sigmoid(ease), shape.samples, draw)
    cost = np.linspace(0, 1, shape.evaluations + 1)

    def run(speed: float) -> Curve:
        most = world.gain * (1 + draw.normal(0, world.gain_spread))
        pace = speed * np.exp(draw.normal(0, world.pace_spread))
        wander = np.cumsum(draw.normal(0, world.wander, shape.evaluations + 1)) / np.sqrt(shape.evaluations / 8)
        learned = most * (1 - np.exp(-cost * pace / world.pace)) + wander - wander[0]  # (evaluations + 1,)
        rates = _solved(_sigmoid(ease + learned[:, None] * learns), shape.samples, draw)
        rates[0] = first
        return Curve(cost, rates)

    def runs(speed: float) -> tuple[Curve, ...]:
        return tuple(run(speed) for _ in range(shape.seeds))

    baseline = runs(1.0)
    return [Pair(baseline, runs(speed)) for speed in faster]


def study(shape: Shape, faster: Sequence[float], draw: np.random.Generator, world: World = World()) -> list[list[Pair]]:
    """The pairs of every arm [arms][pairs], an arm for each number in `faster`."""
    by_pair = [pair(shape, faster, draw, world) for _ in range(shape.pairs)]
    return [[found[arm] for found in by_pair] for arm in range(len(faster))]


def by_task(
    shape: Shape, tasks: int, speed: float, spread: float, draw: np.random.Generator, world: World = World()
) -> list[list[Estimate]]:
    """An arm's difference on every pair [tasks][models], on tasks drawn from many.

    On each task the arm learns `speed` x exp(N(0, spread)) times as fast, whatever the model; `shape.pairs` counts the
    models of a task.
    """
    found = []
    for _ in range(tasks):
        own = speed * float(np.exp(draw.normal(0, spread)))
        pairs = [pair(shape, [own], draw, world)[0] for _ in range(shape.pairs)]
        found.append([crossed(*one.differences()) for one in pairs])
    return found


def verdicts(arms: Sequence[Sequence[Pair]], alpha: float = 0.05) -> list[int]:
    """1 where an arm is called higher, -1 where lower, else 0: by the rules of `primary.judge`."""
    means = [over_these([crossed(*one.differences()) for one in pairs]) for pairs in arms]
    adjusted = holm([mean.p() for mean in means])
    return [int(np.sign(mean.value)) if p <= alpha else 0 for mean, p in zip(means, adjusted, strict=True)]


def _solved(chances: Array, samples: int, draw: np.random.Generator) -> Array:
    """The share of so many samples that are right, each with the chance of its question, of the shape of `chances`."""
    return np.asarray((draw.random((samples, *chances.shape)) < chances).mean(axis=0))  # quicker than many binomials


def _sigmoid(x: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-x)))
