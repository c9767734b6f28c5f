"""Two arms at equal cost: mean accuracy over training up to a common budget, and how much less one needs for it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from repro.analysis.curve import Areas, Array, Curve, Curves
from repro.analysis.estimates import Estimate, crossed, over_these

ENOUGH = 8
"""Evaluations after the start from which on a saving is told: with fewer, lines between them are too coarse."""

WIDEST = 8.0
"""A saving is looked for between 1 / WIDEST and WIDEST."""

COARSE, FINE = 48, 12
"""Ratios tried at first, and halvings of the gap at each end of the interval."""


@dataclass(frozen=True)
class Saving:
    """How many times less an arm spends than the baseline: for the same mean accuracy over training, or to a target.

    `low` and `high` are the ends of the 95 % interval: 0 or infinity where the curves do not say. NaN where it is
    withheld, and `withheld` says why. The value alone is NaN where the arm does not reach the target in its budget.
    """

    value: float
    low: float
    high: float
    n: int
    withheld: str = ""
    few: int | None = None
    """Evaluations of a run, where `withheld` says that they are too few."""

    @property
    def known(self) -> bool:
        """Whether there is an interval."""
        return not math.isnan(self.low)

    def clear_of(self, reference: float = 1.0) -> int:
        """1 if certainly above `reference`, -1 if certainly below, else 0."""
        return int(self.low > reference) - int(self.high < reference) if self.known else 0


def untold(n: int, why: str) -> Saving:
    """A saving that is withheld, of `n` runs of the arm."""
    return Saving(math.nan, math.nan, math.nan, n, why)


def too_few(n: int, evaluations: int) -> Saving:
    """A saving that is withheld because a run has so few evaluations."""
    return replace(untold(n, _few(evaluations, evaluations)), few=evaluations)


def _few(least: int, most: int) -> str:
    """`2 to 6 evaluations a run, at least 8 are needed`."""
    counted = str(most) if least == most else f"{least} to {most}"
    return f"{counted} evaluation{'s' * (most != 1)} a run, at least {ENOUGH} are needed"


def reasons(savings: Iterable[Saving]) -> list[str]:
    """Why savings are withheld, each reason once; too few evaluations, whatever their numbers, are one reason."""
    held = [one for one in savings if one.withheld]
    others = dict.fromkeys(one.withheld for one in held if one.few is None)
    counts = [one.few for one in held if one.few is not None]
    return [*others, *([_few(min(counts), max(counts))] if counts else [])]


@dataclass(frozen=True)
class Pair:
    """Runs of a baseline and of an arm on one model and task, paired by seed, over the same problems."""

    baseline: tuple[Curve, ...]
    arm: tuple[Curve, ...]

    @property
    def evaluations(self) -> int:
        """Evaluations after the start that every run has."""
        return min(curve.evaluations for curve in (*self.baseline, *self.arm))

    @cached_property
    def curves(self) -> tuple[Curves, Curves]:
        """Those of baseline and arm."""
        return Curves(self.baseline), Curves(self.arm)

    @cached_property
    def budget(self) -> float:
        """What every run of both arms has spent at least."""
        return min(one.end for one in self.curves)

    @cached_property
    def means(self) -> tuple[Array, Array]:
        """Of baseline and arm: mean rates over training of each run up to the budget (seeds, problems)."""
        baseline, arm = (one.mean_to(self.budget) for one in self.curves)
        return baseline, arm

    def differences(self) -> list[Array]:
        """Mean accuracy over training of the arm minus the baseline's, to the largest cost that both curves allow.

        Returns (seeds, problems) for each set of questions.
        """
        baseline, arm = self.means
        return np.split(arm - baseline, self.arm[0].ends, axis=1)

    def gains(self) -> list[Array]:
        """Mean accuracy over training of the baseline minus that of its start policy, to the same cost.

        Returns (seeds, problems) for each set of questions.
        """
        start = np.stack([curve.rates[0] for curve in self.baseline])
        return np.split(self.means[0] - start, self.baseline[0].ends, axis=1)


class _Differences:
    """Mean accuracy over training of an arm to 1/factor of a cost minus the baseline's to that cost, at many factors.

    The cost is the largest that both curves allow: whatever the factor, one of the two arms goes to its end.
    """

    def __init__(self, pair: Pair) -> None:
        self._baseline, self._arm = Areas(pair.baseline), Areas(pair.arm)
        self._to_its_end = self._baseline.mean_to(self._baseline.end), self._arm.mean_to(self._arm.end)

    def at(self, factor: float) -> list[Array]:
        """(seeds, problems) for each set of questions."""
        (baseline, arm), base_end, arm_end = self._to_its_end, self._baseline.end, self._arm.end
        if factor * arm_end > base_end:
            arm = self._arm.mean_to(base_end / factor)
        elif factor * arm_end < base_end:
            baseline = self._baseline.mean_to(factor * arm_end)
        return np.split(arm - baseline, self._arm.sets, axis=1)


def saving(pairs: Sequence[Pair]) -> Saving:
    """How many times less an arm needs than the baseline, over the whole of training, on one or several tasks.

    A factor r is compatible with the runs if the arm with 1/r of the cost has the baseline's mean accuracy over
    training: the difference (`_Differences`), its mean over pairs, has a 95 % interval that holds 0. The interval is
    that of all compatible factors. At r = 1 this is the comparison at equal cost, so that the two never contradict each
    other. The value is the factor at which the difference is nearest 0.
    """
    n = sum(len(pair.arm) for pair in pairs)
    evaluations = min((pair.evaluations for pair in pairs), default=0)
    if not pairs or min(len(pair.arm) for pair in pairs) < 2:
        return untold(n, "one seed")
    if evaluations < ENOUGH:
        return too_few(n, evaluations)
    if np.mean([part.mean() for pair in pairs for part in pair.gains()]) <= 0:
        return untold(n, "the baseline gained nothing")

    differences = [_Differences(pair) for pair in pairs]

    def test(factor: float) -> Estimate:
        return over_these([crossed(*one.at(factor)) for one in differences])

    factors = np.exp(np.linspace(-math.log(WIDEST), math.log(WIDEST), COARSE + 1))  # 1 is among them
    found = [test(float(factor)) for factor in factors]
    nearest = min(range(len(found)), key=lambda place: abs(found[place].value))
    value = _zero(lambda factor: test(factor).value, factors, nearest)
    kept = [float(factor) for factor, one in zip(factors, found, strict=True) if compatible(one)]
    low, high = min([value, *kept]), max([value, *kept])
    return Saving(value, _edge(test, low, factors[::-1]), _edge(test, high, factors), n)


def _edge(test: Callable[[float], Estimate], inside: float, factors: Array) -> float:
    """Where compatibility ends beyond a compatible factor, on the way through `factors`; 0 or infinity at their end."""
    rising = bool(factors[0] < factors[-1])
    beyond = factors[factors > inside * (1 + 1e-9)] if rising else factors[factors < inside * (1 - 1e-9)]
    if not len(beyond):
        return math.inf if rising else 0.0
    a, b = math.log(inside), math.log(beyond[0])
    for _ in range(FINE):
        middle = (a + b) / 2
        a, b = (middle, b) if compatible(test(math.exp(middle))) else (a, middle)
    return math.exp(b)


def _zero(value: Callable[[float], float], factors: Array, place: int) -> float:
    """The factor near `place` at which the difference changes its sign; that of `place` where it does not."""
    own = value(float(factors[place]))
    for other in (place + 1, place - 1):
        if 0 <= other < len(factors) and own * value(float(factors[other])) < 0:
            a, b = math.log(factors[place]), math.log(factors[other])
            for _ in range(FINE):
                middle = (a + b) / 2
                a, b = (middle, b) if own * value(math.exp(middle)) > 0 else (a, middle)
            return math.exp((a + b) / 2)
    return float(factors[place])


def compatible(difference: Estimate) -> bool:
    """Whether 0 lies in the interval; without an error, whether the value is 0."""
    if not difference.known:
        return difference.value == 0
    interval = difference.interval()
    return interval.low <= 0 <= interval.high
