"""Ranks of arms with what is known of them: intervals, and the chance of being among the best three."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from repro.analysis.effects import TASKS

Array = NDArray[np.float64]

DRAWS = 2000
"""Made-up repetitions of the study behind each interval."""

BEST = 3
"""Arms that count as the best."""


@dataclass(frozen=True)
class Scores:
    """One number for each arm, pair of policy and task, and seed: higher is better.

    `values` [arms, pairs, seeds] is NaN where an arm has no such run; `tasks` has the task of each pair. `questions`
    has for each pair the means over seeds of each question [arms, questions], one array for each set of questions and 0
    for an arm without runs; () where questions are not told apart.
    """

    arms: tuple[str, ...]
    tasks: tuple[str, ...]
    values: Array
    questions: tuple[tuple[Array, ...], ...] = ()

    @property
    def means(self) -> Array:
        """(arms,) mean over pairs of the mean over seeds; NaN for an arm without runs."""
        with np.errstate(invalid="ignore"):
            return np.asarray(_mean(_mean(self.values)))

    @property
    def repeated(self) -> bool:
        """Whether every arm has two seeds on each of its pairs: else nothing is known of how seeds vary."""
        counts = (~np.isnan(self.values)).sum(axis=2)
        return bool(len(counts)) and bool(((counts == 0) | (counts > 1)).all()) and bool(counts.any())


@dataclass(frozen=True)
class Rank:
    """Place of an arm, 1 the best; ties have their mean rank. `low` and `high` bound 95 % of the draws, and `best` is
    the share of draws in which it is among the best three; NaN where the seeds say nothing."""

    rank: float
    low: float
    high: float
    best: float


Ranks = dict[str, Rank]


def ranks(scores: Scores, generator: np.random.Generator) -> Ranks:
    """The rank of each arm, with its interval."""
    found = ranked(scores.means[None])[0] if len(scores.arms) else np.empty(0)
    if not scores.repeated:
        return {arm: Rank(float(rank), *[float("nan")] * 3) for arm, rank in zip(scores.arms, found, strict=True)}
    drawn = ranked(redrawn(scores, DRAWS, generator))  # (draws, arms)
    low, high = np.floor(np.quantile(drawn, 0.025, axis=0)), np.ceil(np.quantile(drawn, 0.975, axis=0))
    best = (drawn <= BEST).mean(axis=0)
    return {
        arm: Rank(float(found[place]), float(low[place]), float(high[place]), float(best[place]))
        for place, arm in enumerate(scores.arms)
    }


def redrawn(scores: Scores, draws: int, generator: np.random.Generator) -> Array:
    """Means of the arms in made-up repetitions of the study (draws, arms).

    Seeds are drawn again with replacement inside each pair, the same for all arms, because runs of one seed belong
    together. From three tasks on, tasks are drawn again too, with all their pairs: how questions differ is in how tasks
    do. With fewer tasks, questions are drawn again inside each pair. Deviations are stretched by
    sqrt(n / (n - 1)), for draws from n values vary less than the values, and by the square root of freedom /
    chi-square, so that their tails are those of Student's t: with three tasks or seeds this is much. An arm counts on
    the pairs that it has.
    """
    pairs = scores.values.shape[1]
    centre = _mean(scores.values)  # (arms, pairs)
    sums = np.empty((pairs, draws, len(scores.arms)))
    for place in range(pairs):
        own = scores.values[:, place]  # (arms, seeds)
        own = own[:, ~np.isnan(own).all(axis=0)]
        chosen = own[:, generator.integers(max(1, own.shape[1]), size=(draws, own.shape[1]))]  # (arms, draws, seeds)
        middle = centre[:, place, None]
        drawn = np.where(np.isnan(chosen).all(axis=2), middle, _mean(chosen))
        counts = (~np.isnan(own)).sum(axis=1)[:, None]
        sums[place] = (middle + np.sqrt(counts / np.maximum(1, counts - 1)) * (drawn - middle)).T
    has = ~np.isnan(centre).T  # (pairs, arms)
    sums = np.where(has[:, None], sums, 0.0)
    count = np.maximum(1, has.sum(axis=0))
    tasks = list(dict.fromkeys(scores.tasks))
    if len(tasks) < TASKS:
        freedom = sum(max(0, int((~np.isnan(scores.values[:, place])).any(axis=0).sum()) - 1) for place in range(pairs))
        middle, off = scores.means, _of_questions(scores, draws, generator) / count
        return np.asarray(middle + off + _tails(freedom, draws, generator) * (sums.sum(axis=0) / count - middle))
    inside = np.array([[task == one for one in scores.tasks] for task in tasks], float)  # (tasks, pairs)
    by_task, counts = np.einsum("tp,pda->tda", inside, sums), inside @ has  # (tasks, draws, arms), (tasks, arms)
    whole = by_task.sum(axis=0) / count
    again = generator.integers(len(tasks), size=(draws, len(tasks)))
    weights = np.stack([(again == task).sum(axis=1) for task in range(len(tasks))])  # (tasks, draws)
    above, below = np.einsum("td,tda->da", weights, by_task), np.einsum("td,ta->da", weights, counts)
    other = np.where(below > 0, above / np.maximum(1, below), whole)
    stretch = np.sqrt(len(tasks) / (len(tasks) - 1)) * _tails(len(tasks) - 1, draws, generator)
    return np.asarray(whole + stretch * (other - whole))


def ranked(values: Array) -> Array:
    """Ranks along the last axis, 1 the highest, ties at their mean rank (rows, arms); NaN where a value is NaN."""
    higher = (values[:, None, :] > values[:, :, None]).sum(axis=2)
    equal = (values[:, None, :] == values[:, :, None]).sum(axis=2)
    return np.where(np.isnan(values), np.nan, 1 + higher + (equal - 1) / 2)


def _of_questions(scores: Scores, draws: int, generator: np.random.Generator) -> Array:
    """What other questions change, summed over pairs (draws, arms): drawn again, the same for all arms."""
    changed = np.zeros((draws, len(scores.arms)))
    for sets in scores.questions:
        for own in sets:  # (arms, questions)
            count = own.shape[1]
            weights = generator.multinomial(count, np.full(count, 1 / count), size=draws) / count - 1 / count
            changed += weights @ own.T / len(sets)
    return changed


def _tails(freedom: int, draws: int, generator: np.random.Generator) -> Array:
    """(draws, 1) factors that turn normal tails into those of Student's t."""
    return np.asarray(np.sqrt(freedom / generator.chisquare(freedom, (draws, 1))))


def _mean(values: Array) -> Array:
    """Mean over the last axis, NaN left out; NaN where there is nothing else."""
    known = ~np.isnan(values)
    counts = known.sum(axis=-1)
    return np.where(counts > 0, np.where(known, values, 0.0).sum(axis=-1) / np.maximum(1, counts), np.nan)
