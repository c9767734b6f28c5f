"""What a study could have seen: the smallest difference, and the seeds that a given one would take."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike

from repro.analysis.statistics import LEVEL

POWER = 0.8
"""Chance with which a difference is to be seen."""

MOST_SEEDS = 1000


@dataclass(frozen=True)
class Spread:
    """Variances of paired differences between two arms: of seeds, of questions, and of what is left.

    A mean over n seeds and `questions` questions has the variance seeds / n + problems / questions + rest / (n
    questions), as in `estimates.crossed`. No part is below 0.
    """

    seeds: float
    problems: float
    rest: float
    questions: int

    def errors(self, n: int) -> list[tuple[float, float]]:
        """(standard error, degrees of freedom) with n seeds: of seeds and questions together, and of seeds alone."""
        both = self.rest / (n * self.questions)
        by_seed, by_problem = self.seeds / n + both, self.problems / self.questions + both
        parts = [(by_seed, n - 1), (by_problem, self.questions - 1), (both, (n - 1) * (self.questions - 1))]
        variance = by_seed + by_problem - both
        if variance <= 0:
            return []
        freedom = variance**2 / sum(part**2 / freedom for part, freedom in parts if part > 0)
        return [(math.sqrt(variance), freedom), (math.sqrt(by_seed), n - 1)]


def typical(questions: int, samples: int) -> Spread:
    """A cautious spread for a study that has no runs yet, with another test set: see docs/statistics.md."""
    return Spread(seeds=0.025**2, problems=0.03**2, rest=0.13**2 * 4 / samples, questions=questions)


def spread_of(differences: Sequence[ArrayLike]) -> Spread | None:
    """The variances behind accuracies of one arm minus another, [seeds, problems] for each set of questions.

    Several sets count as one with the variance of their unweighted mean. None for fewer than two seeds or problems.
    """
    sets = [np.asarray(one, float) for one in differences]
    n, questions = len(sets[0]), sum(d.shape[1] for d in sets)
    if n < 2 or min(d.shape[1] for d in sets) < 2:
        return None
    over_problems = over_rest = 0.0  # of the mean over problems, of one seed
    for d in sets:
        own, columns = d.shape[1] * len(sets) ** 2, d.mean(axis=0)
        left = d - d.mean(axis=1)[:, None] - columns[None, :] + d.mean()
        rest = float((left**2).sum()) / ((n - 1) * (d.shape[1] - 1))
        over_problems += max(0.0, float(columns.var(ddof=1)) - rest / n) / own
        over_rest += rest / own
    rows = np.mean([d.mean(axis=1) for d in sets], axis=0)
    seeds = max(0.0, float(rows.var(ddof=1)) - over_rest)
    return Spread(seeds, over_problems * questions, over_rest * questions, questions)


def pooled(spreads: list[Spread]) -> Spread | None:
    """The mean of several spreads over as many questions as the first has; None for none."""
    if not spreads:
        return None
    seeds, problems, rest = np.mean([(one.seeds, one.problems, one.rest) for one in spreads], axis=0)
    return Spread(float(seeds), float(problems), float(rest), spreads[0].questions)


def smallest_seen(spread: Spread, seeds: int, claims: int = 1, pairs: int = 1) -> float:
    """The smallest true difference that is told apart from 0 with a chance of 80 %; infinite for one seed.

    `claims`: how many are judged together. Holm's procedure asks the first of them for a p-value of 5 % / claims.
    `pairs`: of model and task, each with so many seeds and that spread. Their mean has 1 / pairs of the variance, and
    the degrees of freedom that `estimates.over_these` finds for it on average: (pairs f + 2) f / (f + 2) where each has
    f, because it estimates every variance by itself.
    """
    if seeds < 2:
        return math.inf
    errors = ((error / math.sqrt(pairs), (pairs * f + 2) * f / (f + 2)) for error, f in spread.errors(seeds))
    return max((_shift(freedom, claims) * error for error, freedom in errors), default=0.0)


@cache
def _shift(freedom: float, claims: int) -> float:
    """Standard errors by which a mean must lie off 0 for a two-sided t-test at 5 % / claims to find it, on its side,
    with a chance of `POWER`."""
    from scipy.special import nctdtrinc, stdtrit  # scipy.stats would take a second of every start

    freedom = min(freedom, 1e6)
    return float(nctdtrinc(freedom, 1 - POWER, stdtrit(freedom, 1 - (1 - LEVEL) / (2 * claims))))


def seeds_needed(spread: Spread, difference: float, claims: int = 1, pairs: int = 1) -> int | None:
    """Seeds with which a true difference is seen with a chance of 80 %; None where it takes more questions.

    `claims` and `pairs`: as in `smallest_seen`; the seeds are those of one pair.
    """
    low, high = 1, 2
    while smallest_seen(spread, high, claims, pairs) > difference:
        low, high = high, 2 * high
        if low >= MOST_SEEDS:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        seen = smallest_seen(spread, middle, claims, pairs)
        low, high = (middle, high) if seen > difference else (low, middle)
    return high
