"""What share of the groups that a method would train on have a gradient; other samples choose than those that judge."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from repro.diagnose.design import Design
from repro.diagnose.signal import RESAMPLES, resamples, share_of, silent_share, spread_of
from repro.difficulty.attention import predict, whiten
from repro.numbers import Interval, spearman

REPEATS = 20
"""Draws of references that the predictor is judged over."""

METHODS = ("uniform", "random", "ufo", "hardest", "dots", "dots_perfect", "oracle")
"""In the order of the page. `dots_perfect`: DOTS whose predictor makes no error; `oracle`: the fixed subset of the
questions whose measured pass rate is nearest one half."""


@dataclass(frozen=True)
class Choices:
    """Shares of informative groups by method, and the quality of the predictor behind `dots`.

    `draws`: method -> (1 + D,) the share, then the same in resamples of the questions. `choosing`, `judging`: samples
    of a question that choose it, and that judge it.
    """

    shares: Mapping[str, Interval]
    draws: Mapping[str, np.ndarray]
    predictor: Interval
    choosing: int
    judging: int


def taken(distance: np.ndarray, weights: np.ndarray, fraction: float) -> np.ndarray:
    """(D, n) how often each question is taken when a `fraction` of the total weight is, the least distance first.

    distance (n,), weights (D, n). Questions of equal distance share what is left in proportion, as a random order
    does in the mean. At least one question is taken.
    """
    order = np.argsort(distance, kind="stable")
    ordered, values = weights[:, order], distance[order]
    new = np.concatenate([[True], np.diff(values) > 1e-9])
    first, level = np.flatnonzero(new), np.cumsum(new) - 1
    held = np.add.reduceat(ordered, first, axis=1)  # (D, levels)
    wanted = np.maximum(fraction * weights.sum(axis=1), 1.0)[:, None]  # (D, 1)
    before = np.cumsum(held, axis=1) - held
    part = np.clip((wanted - before) / np.where(held > 0, held, 1.0), 0.0, 1.0)  # (D, levels)
    out = np.empty_like(ordered)
    out[:, order] = ordered * part[:, level]
    return out


def choices(
    design: Design,
    pool: int,
    rewards: np.ndarray,
    in_band: np.ndarray,
    embeddings: np.ndarray,
    seed: int,
    draws: int = RESAMPLES,
) -> Choices:
    """What every method of `METHODS` would train on at the start.

    The samples of a question are halved. Those of one half choose, in place of the samples that a method would take,
    and those of the other judge; then the other way round. A method that looks at no sample is judged by all.
    Intervals are over questions, whose choice is made anew in each resample.

    Args:
        pool: questions of the whole pool.
        rewards: (n, K) of questions drawn uniformly, K >= 4.
        in_band: (b, K) of questions drawn uniformly from UFO-RL's band.
        embeddings: (n, width), what the untrained predictor sees.
        draws: resamples behind the intervals.
    """
    count, samples = rewards.shape
    group, spread = design.train.group_size, design.train.min_spread
    generator = np.random.default_rng([seed, 29])
    weights = resamples(generator, count, draws)  # (1 + D, n)
    halves = _halves(rewards)
    target = design.dots.target if design.dots.measure == "failure_rate" else 1 - design.dots.target

    def judged(far: Callable[[np.ndarray], np.ndarray], fraction: float) -> np.ndarray:
        """(1 + D,) share informative of those whose `far(rates)` (n,) is least."""
        folds = [
            1 - silent_share(judge, group, taken(far(choose.mean(axis=1)), weights, fraction), spread)
            for choose, judge in (halves, halves[::-1])
        ]
        return np.asarray(np.mean(folds, axis=0))

    uniform = 1 - silent_share(rewards, group, weights, spread)
    window = design.window(pool)
    quality, predicted = _predicted(design, embeddings, halves, target, weights, window, generator)
    found: dict[str, tuple[np.ndarray, float]] = {
        "uniform": (uniform, count),
        "random": (uniform, count),
        "hardest": (judged(lambda rates: rates, design.subset), design.subset * count),
        "dots": (predicted, window * count),
        "dots_perfect": (judged(lambda rates: np.abs(1 - rates - target), window), window * count),
        "oracle": (judged(lambda rates: np.abs(rates - 0.5), design.subset), design.subset * count),
    }
    if len(in_band):
        own = resamples(generator, len(in_band), draws)
        found["ufo"] = (1 - silent_share(in_band, group, own, spread), len(in_band))
    names = [name for name in METHODS if name in found]
    return Choices(
        shares={name: share_of(*found[name]) for name in names},
        draws={name: _never_certain(*found[name], generator) for name in names},
        predictor=quality,
        choosing=samples // 2,
        judging=samples - samples // 2,
    )


def _never_certain(draws: np.ndarray, units: float, generator: np.random.Generator) -> np.ndarray:
    """The draws (1 + D,) of a share. Where it is 0 or 1, all resamples agree, whatever the number of units: then draws
    of a rate that would give so many of them (Jeffreys' beta distribution)."""
    value = draws[0]
    if value not in (0.0, 1.0):
        return draws
    drawn = generator.beta(value * units + 0.5, (1 - value) * units + 0.5, len(draws) - 1)
    return np.concatenate([[value], drawn])


def _halves(rewards: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    middle = rewards.shape[1] // 2
    return rewards[:, :middle], rewards[:, middle : 2 * middle]


def _predicted(
    design: Design,
    embeddings: np.ndarray,
    halves: tuple[np.ndarray, np.ndarray],
    target: float,
    weights: np.ndarray,
    window: float,
    generator: np.random.Generator,
) -> tuple[Interval, np.ndarray]:
    """(rank correlation of predicted and measured rates on questions that are no references, (1 + D,) share
    informative of those predicted nearest the target), means over draws of the references."""
    count = len(weights[0])
    references = min(design.dots.references, count // 2)
    z = whiten(embeddings)
    correlations, shares = [], []
    for repeat in range(REPEATS):
        choose, judge = halves if repeat % 2 == 0 else halves[::-1]
        rows = generator.choice(count, references, replace=False)
        failure = predict(z, rows, 1 - choose[rows].mean(axis=1)).failure  # (n,)
        others = np.setdiff1d(np.arange(count), rows)
        correlations.append(spearman(failure[others], 1 - judge[others].mean(axis=1)))
        chosen = taken(np.abs(failure - target), weights, window)
        shares.append(1 - silent_share(judge, design.train.group_size, chosen, design.train.min_spread))
    return spread_of(_with_repeats(correlations, generator), count), np.asarray(np.mean(shares, axis=0))


def _with_repeats(values: list[float], generator: np.random.Generator) -> np.ndarray:
    """(1 + D,) mean, and means of resampled repeats; 0 where a prediction was constant."""
    found = np.nan_to_num(np.array(values))
    drawn = generator.choice(found, (RESAMPLES, len(found)))
    return np.concatenate([[found.mean()], drawn.mean(axis=1)])
