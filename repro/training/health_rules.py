"""When an accuracy has fallen by more than its noise explains."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Measured:
    """One evaluation of a set: of each problem `passes[id]` of `samples` completions were right; entropy in nats."""

    step: int
    passes: Mapping[str, int]
    samples: int
    entropy: float

    @property
    def accuracy(self) -> float:
        """Share of right completions, 0..1."""
        return sum(self.passes.values()) / (self.samples * len(self.passes))

    @property
    def completions(self) -> int:
        """How many completions it rests on."""
        return self.samples * len(self.passes)


def fallen(start: Measured, now: Measured, errors: float, share: float) -> bool:
    """Whether accuracy is lower than at the start by more than `errors` standard errors and more than `share` of it."""
    drop = start.accuracy - now.accuracy
    return drop > share * start.accuracy and drop > errors * standard_error(start, now)


def standard_error(start: Measured, now: Measured) -> float:
    """Standard error of the difference of two accuracies, the larger of two ways to know it.

    One counts completions as independent, with the share of right ones in both together (a difference to an accuracy
    of 0 has noise, too). The other takes the differences problem by problem: the completions of one problem are alike.
    """
    right = sum(start.passes.values()) + sum(now.passes.values())
    pooled = right / (start.completions + now.completions)
    independent = math.sqrt(pooled * (1 - pooled) * (1 / start.completions + 1 / now.completions))
    shared = [problem for problem in now.passes if problem in start.passes]
    if len(shared) < 2:
        return independent
    apart = [now.passes[one] / now.samples - start.passes[one] / start.samples for one in shared]
    mean = sum(apart) / len(apart)
    variance = sum((each - mean) ** 2 for each in apart) / (len(apart) - 1)
    return max(independent, math.sqrt(variance / len(apart)))
