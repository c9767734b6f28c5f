"""The numbers of Theorem 1 of DOTS: squared gradient norms of rolled-out groups against p (1 - p) (1 - 1/G)."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from repro.analysis.arms import pool_rates
from repro.analysis.association import Statistic, bootstrap, spearman
from repro.analysis.measures import Measures
from repro.analysis.pool import Levels
from repro.analysis.statistics import Interval
from repro.analysis.text import spread
from repro.words import plural

Array = NDArray[np.float64]

FEW = 4
"""Groups below which a bin has no interval, and a side of 0.5 no constant of its own."""


GRID = np.linspace(0, 1, 101)
"""True pass rates that a posterior is over."""

ROUNDS = 200


def posterior(rates: Array, samples: int) -> Array:
    """P(true pass rate | so many right of `samples`) [samples + 1, grid], the prior estimated from a pool's rates.

    Over few samples a rate of 0 is often that of a question which is solved now and then, so a curve in the true
    rate must be blurred before it is held against measured ones. The prior is the mixture on `GRID` that explains
    the pool best (EM from a uniform start; few rounds keep it smooth).
    """
    from scipy import stats  # takes a second, and few studies need it

    likelihood = stats.binom.pmf(np.arange(samples + 1)[:, None], samples, GRID)  # (K + 1, P)
    counts = np.bincount(np.rint(rates * samples).astype(np.int64), minlength=samples + 1)  # (K + 1,)
    prior = np.full(len(GRID), 1 / len(GRID))
    for _ in range(ROUNDS):
        share = likelihood * prior
        share /= share.sum(axis=1, keepdims=True)
        prior = counts @ share / counts.sum()
    joint = likelihood * np.maximum(prior, 1e-12)
    return np.asarray(joint / joint.sum(axis=1, keepdims=True))


@dataclass(frozen=True)
class Groups:
    """Rolled-out groups of one start policy. Arrays have one entry per group, each of a question of its own."""

    title: str
    size: int  # G
    samples: int  # rollouts behind a pass rate
    rows: Sequence[Mapping[str, Any]]
    pool: Array = field(repr=False, compare=False)  # pass rates of the whole pool, as far as measured

    def of(self, name: str) -> Array:
        """A recorded number, NaN where there is none."""
        return np.array([math.nan if row[name] is None else row[name] for row in self.rows], float)

    @cached_property
    def rate(self) -> Array:
        """Pass rates, measured by other rollouts than those of the groups."""
        return self.of("pass_rate")

    def theory(self, rate: Array, std: str) -> Array:
        """What |g|^2 is proportional to at a pass rate: p(1-p)(1-1/G), or the chance that rewards differ.

        With advantages divided by the standard deviation sum A^2 is G - 1 in every group whose rewards differ.
        """
        if std:
            return np.asarray(1 - rate**self.size - (1 - rate) ** self.size)
        return np.asarray(rate * (1 - rate) * (1 - 1 / self.size))

    def expected(self, std: str) -> Array:
        """`theory` at what a measured pass rate says of the true one: (n,) means over its posterior."""
        counts = np.rint(self.rate * self.samples).astype(np.int64)
        return np.asarray(posterior(self.pool, self.samples)[counts] @ self.theory(GRID, std))

    def generator(self, what: str) -> np.random.Generator:
        """Same store, same draws."""
        digest = hashlib.sha256(f"{self.title}/{what}".encode()).digest()
        return np.random.default_rng(int.from_bytes(digest[:8], "big"))


@dataclass(frozen=True)
class Fit:
    """One start policy under one kind of advantage and log-probability, against the theorem."""

    groups: Groups
    log_prob: str  # ending of the recorded names
    std: str  # likewise
    constant: float  # of least squares through the origin
    r2: float  # of |g|^2 by the curve
    r2_bins: float  # by the means of the bins: what any function of the pass rate can reach
    ratio: Interval  # T2 / T1, sums over groups
    sides: Interval  # constant below 0.5 over constant above
    size: Interval  # rank correlation of mean |grad_i|^2 with the pass rate
    bins: tuple[Interval, ...]  # mean |g|^2

    @property
    def curve(self) -> Array:
        """What the theorem expects of each group: the constant times the theory, blurred as the pass rate is."""
        return self.constant * self.groups.expected(self.std)

    @property
    def covered(self) -> tuple[int, int]:
        """Bins whose interval holds the curve, of those with an interval."""
        levels = Levels(self.groups.samples)
        which, curve = levels.of(self.groups.rate), self.curve
        known = [(one, float(curve[which == i].mean())) for i, one in enumerate(self.bins) if one.known]
        return sum(one.low <= height <= one.high for one, height in known), len(known)


def groups_of(measures: Measures) -> Groups | None:
    """The groups recorded for a panel's start policy, None where none were or none of them has a gradient."""
    rates, samples, _ = pool_rates(measures)
    for series in measures.panel.series:
        for run in series.runs:
            found = run.json("base.json").get("gradients")
            if found and any(row["t1"] for row in found["rows"]):
                return Groups(
                    measures.panel.title, int(found["group_size"]), samples, found["rows"], np.array([*rates.values()])
                )
    return None


def fit(groups: Groups, log_prob: str = "", std: str = "") -> Fit:
    """Compare |g|^2 with the theorem; intervals are over groups."""
    ending = f"{std}{log_prob}"
    y, kept, crossed = (groups.of(f"{name}{ending}") for name in ("norm2", "t1", "t2"))
    x, rate = groups.expected(std), groups.rate
    which = Levels(groups.samples).of(rate)
    constant = float(x @ y / (x @ x))
    means = np.array([y[which == i].mean() for i in which])  # (n,) mean of each group's bin
    spread_of = float(((y - y.mean()) ** 2).sum())
    r2, r2_bins = (1 - float(((y - guess) ** 2).sum()) / spread_of for guess in (constant * x, means))
    statistics: dict[str, Statistic] = {"ratio": lambda w: _quotient(w @ crossed, w @ kept)}
    if min((rate < 0.5).sum(), (rate > 0.5).sum()) >= FEW:
        statistics["sides"] = lambda w: _quotient(_constant(x, y, w * (rate < 0.5)), _constant(x, y, w * (rate > 0.5)))
    found = bootstrap(statistics, len(y), groups.generator(f"fit{ending}"))
    squares = groups.of(f"gradient2{log_prob}")
    known = ~np.isnan(squares)
    size = bootstrap(
        {"rho": spearman(squares[known], rate[known])}, int(known.sum()), groups.generator(f"size{log_prob}")
    )
    unknown = Interval(math.nan, math.nan, math.nan, 0)
    bins = tuple(_mean(groups, y[which == i], f"{i}{ending}") for i in range(Levels(groups.samples).count))
    sides = found.get("sides", unknown)
    return Fit(groups, log_prob, std, constant, r2, r2_bins, found["ratio"], sides, size["rho"], bins)


def _constant(x: Array, y: Array, weights: Array) -> Array:
    return _quotient(weights @ (x * y), weights @ (x * x))


def _quotient(above: Array, below: Array) -> Array:
    return np.where(below > 0, above / np.where(below > 0, below, 1), np.nan)


def _mean(groups: Groups, values: Array, what: str) -> Interval:
    """Mean with a percentile interval: squared norms are far too skewed for a t-interval of few groups."""
    if len(values) < FEW:
        return Interval(float(values.mean()) if len(values) else math.nan, math.nan, math.nan, len(values))
    mean: dict[str, Statistic] = {"mean": lambda w: (w @ values) / w.sum(axis=1)}
    return bootstrap(mean, len(values), groups.generator(f"bin{what}"))["mean"]


def shape(one: Fit) -> str:
    """`holds`: the curve lies inside three intervals of four, and one constant does for both sides of 0.5."""
    inside, of = one.covered
    if of < 3:
        return "too few groups"
    return "does not hold" if one.sides.clear_of(1) or inside < 0.75 * of else "holds"


def verdict(one: Fit) -> str:
    """Whether the curve describes the policy, in words."""
    inside, of = one.covered
    parts = [f"the curve lies inside {inside} of {plural(of, 'interval')}"]
    if one.sides.clear_of(1):
        parts.append(f"its constant is {spread(one.sides, digits=2)} times as large below 0.5 as above")
    if one.ratio.clear_of(0):
        parts.append(f"T2 is {spread(one.ratio, digits=2)} of T1")
    if one.size.clear_of(0):
        way = "grows" if one.size.value > 0 else "falls"
        parts.append(f"mean |∇log π|² {way} with the pass rate (ρ {spread(one.size, digits=2)})")
    found = shape(one)
    return f"{found if found == 'too few groups' else f'the shape {found}'}: {'; '.join(parts)}"
