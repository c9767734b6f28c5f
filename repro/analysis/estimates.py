"""An estimate with its standard error and degrees of freedom: what intervals, p-values and pools are made of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from repro.numbers import LEVEL, ROUNDING, Interval, t_quantile

Error = tuple[float, float]
"""A standard error and its degrees of freedom."""


@dataclass(frozen=True)
class Estimate:
    """A mean with the standard errors behind its t-interval. `n` is the number of runs that it rests on.

    Where there are two errors, the one that says less counts: the wider interval and the larger p-value. There is none
    for a single run, nor for values that do not vary at all, which say nothing about how far off they are.
    """

    value: float
    errors: tuple[Error, ...]
    n: int

    @property
    def known(self) -> bool:
        """Whether it has an error."""
        return bool(self.errors)

    def interval(self, level: float = LEVEL) -> Interval:
        """Its two-sided t-interval; bounds NaN without an error."""
        if not self.known:
            return Interval(self.value, math.nan, math.nan, self.n)
        half = max(t_quantile(freedom, level) * error for error, freedom in self.errors)
        return Interval(self.value, self.value - half, self.value + half, self.n)

    def p(self, reference: float = 0.0) -> float:
        """Two-sided p-value of the true value being `reference`; NaN without an error."""
        if not self.known:
            return math.nan
        from scipy.special import stdtr  # scipy.stats would take a second of every start

        off = abs(self.value - reference)
        return max(float(2 * stdtr(freedom, -off / error)) for error, freedom in self.errors)

    def times(self, factor: float) -> Estimate:
        """The same in another unit."""
        errors = tuple((error * abs(factor), freedom) for error, freedom in self.errors)
        return Estimate(self.value * factor, errors, self.n)


def mean_of(values: ArrayLike) -> Estimate:
    """Mean of independent values, NaN left out."""
    x = np.asarray(values, float).ravel()
    x = x[~np.isnan(x)]
    n = len(x)
    if n == 0:
        return Estimate(math.nan, (), 0)
    deviation = float(x.std(ddof=1)) if n > 1 else 0.0
    varies = deviation > ROUNDING * max(1.0, float(np.abs(x).max()))
    return Estimate(float(x.mean()), ((deviation / math.sqrt(n), n - 1),) if varies else (), n)


def crossed(*differences: ArrayLike) -> Estimate:
    """Mean difference of two arms when other seeds and other questions could have been drawn.

    Args:
        differences: accuracy of one arm minus the other, per training seed and question [seeds, questions]; of several
            sets of questions one array each with the same seeds, for the unweighted mean of the sets.

    Two-way random effects without replication: d = mean + seed + question + rest. Var(mean) = MS_seed / SQ +
    MS_question / SQ - MS_rest / SQ, unbiased from the two-way analysis of variance, with Satterthwaite's degrees of
    freedom. Sets are strata: the seed's part is taken from its mean over the sets, those of questions and of the rest
    inside each set, divided by the square of the number of sets. The variance is never taken below that of the seeds or
    that of the questions. With three seeds the part of the seeds is often small by chance; so the error over seeds
    alone stands beside it. With one seed there is none: questions alone cannot speak of another training run. `n` is
    the number of seeds. Raises ValueError unless each array has two axes and all have the same number of seeds.
    """
    sets = [np.asarray(one, float) for one in differences]
    if any(d.ndim != 2 for d in sets) or len({len(d) for d in sets}) != 1:
        raise ValueError(f"expected [seeds, questions] of the same seeds, got shapes {[d.shape for d in sets]}")
    by_set = [d.mean(axis=1) for d in sets]
    rows = np.mean(by_set, axis=0)  # (seeds,)
    by_seeds = mean_of(rows)
    seeds = len(rows)
    if seeds < 2 or min(d.shape[1] for d in sets) < 2:
        return by_seeds
    by_seed = (float(rows.var(ddof=1)) / seeds, seeds - 1)
    by_question, both = [], []
    for d, own in zip(sets, by_set, strict=True):
        questions, columns = d.shape[1], d.mean(axis=0)
        rest = d - own[:, None]
        rest -= columns
        rest += d.mean()
        rest *= rest
        freedom = (seeds - 1) * (questions - 1)
        by_question.append((float(columns.var(ddof=1)) / questions / len(sets) ** 2, questions - 1))
        both.append((float(rest.sum()) / freedom / (seeds * questions) / len(sets) ** 2, freedom))
    over_questions = sum(part for part, _ in by_question)
    variance = by_seed[0] + over_questions - sum(part for part, _ in both)
    parts = [by_seed, *by_question, *both]
    if variance < max(by_seed[0], over_questions):
        parts = [by_seed] if by_seed[0] >= over_questions else by_question
        variance = sum(part for part, _ in parts)
    if math.sqrt(variance) <= ROUNDING:
        return by_seeds
    freedom = variance**2 / sum(part**2 / df for part, df in parts)
    return Estimate(float(rows.mean()), ((math.sqrt(variance), freedom), *by_seeds.errors), seeds)


def over_these(estimates: Sequence[Estimate]) -> Estimate:
    """Mean over pairs of model and task that are what the claim is about: new seeds and questions vary, they do not.

    The error is that of a mean of independent estimates, with Welch and Satterthwaite's degrees of freedom; none where
    one of them has none. `n` is the number of runs.
    """
    n = sum(one.n for one in estimates)
    if not estimates:
        return Estimate(math.nan, (), 0)
    value = float(np.mean([one.value for one in estimates]))
    if not all(one.known for one in estimates):
        return Estimate(value, (), n)
    errors = []
    for kind in (0, -1):  # an estimate with one error has it for both
        parts = [((error := one.errors[kind])[0] ** 2 / len(estimates) ** 2, error[1]) for one in estimates]
        variance = sum(part for part, _ in parts)
        errors.append((math.sqrt(variance), variance**2 / sum(part**2 / freedom for part, freedom in parts)))
    return Estimate(value, tuple(dict.fromkeys(errors)), n)


def over_tasks(by_task: Sequence[Sequence[Estimate]]) -> Estimate:
    """Mean over tasks taken for a sample of other tasks: the tasks are the units, models inside each are averaged."""
    return mean_of([float(np.mean([one.value for one in task])) for task in by_task if task])


def differ(estimates: Sequence[Estimate]) -> float:
    """p-value of all true values being equal, by Welch's test for unequal variances; NaN where it cannot be told.

    F = sum w (x - m)^2 / (k - 1) / (1 + 2 (k - 2) / (k^2 - 1) L) with weights w = 1 / error^2, their weighted mean m
    and L = sum (1 - w / W)^2 / freedom, with k - 1 and (k^2 - 1) / (3 L) degrees of freedom (Welch 1951). Of two errors
    of an estimate the last counts: that over seeds.
    """
    k = len(estimates)
    if k < 2 or not all(one.known for one in estimates):
        return math.nan
    from scipy.special import fdtrc  # scipy.stats would take a second of every start

    values = np.array([one.value for one in estimates])
    errors, freedom = np.array([one.errors[-1] for one in estimates]).T
    weights = 1 / errors**2
    share = weights / weights.sum()
    spread = float((weights * (values - share @ values) ** 2).sum()) / (k - 1)
    loss = float(((1 - share) ** 2 / freedom).sum())
    ratio = spread / (1 + 2 * (k - 2) / (k**2 - 1) * loss)
    return float(fdtrc(k - 1, (k**2 - 1) / (3 * loss), ratio))
