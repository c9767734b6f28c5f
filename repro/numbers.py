"""Small numeric recipes that several rooms need: correlations, softmax, a mean with its interval."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

LEVEL = 0.95
"""Level of an interval unless said otherwise, two-sided."""


ROUNDING = 1e-12
"""Values that differ by less than this share of them do not vary."""


@dataclass(frozen=True)
class Interval:
    """An estimate with its confidence interval. `n` is the number of independent units behind the interval.

    `low` and `high` are NaN where no interval is possible.
    """

    value: float
    low: float
    high: float
    n: int

    @property
    def known(self) -> bool:
        """Whether there is an interval at all."""
        return not (math.isnan(self.low) or math.isnan(self.high))

    @property
    def decides(self) -> bool:
        """Whether a verdict can rest on it: an interval of no width comes from values that do not vary, and says
        nothing of how far off they are."""
        return self.known and self.high - self.low > ROUNDING * max(1.0, abs(self.low), abs(self.high))

    def clear_of(self, reference: float = 0.0) -> int:
        """1 if the whole interval lies above `reference`, -1 if below, 0 if it covers it or cannot decide."""
        if not self.decides:
            return 0
        return int(self.low > reference) - int(self.high < reference)


def t_interval(values: ArrayLike, level: float = LEVEL) -> Interval:
    """Mean of independent values with Student's t-interval (not cut to 0..1). NaN values are left out.

    Returns bounds NaN for fewer than two values, and a value of NaN for none. ValueError for a level outside 0..1.
    """
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, not {level}")
    x = np.asarray(values, float).ravel()
    x = x[~np.isnan(x)]
    n = len(x)
    if n == 0:
        return Interval(math.nan, math.nan, math.nan, 0)
    mean = float(x.mean())
    if n == 1:
        return Interval(mean, math.nan, math.nan, 1)
    half = t_quantile(n - 1, level) * float(x.std(ddof=1)) / math.sqrt(n)
    return Interval(mean, mean - half, mean + half, n)


def t_quantile(freedom: float, level: float = LEVEL) -> float:
    """How many standard errors a two-sided t-interval of that level reaches to either side."""
    from scipy.special import stdtrit  # scipy.stats would take a second of every start

    return float(stdtrit(freedom, (1 + level) / 2))


def pass_at(k: int, passes: ArrayLike, samples: int) -> NDArray[np.float64]:
    """Chance that one of k completions of a question is right, from how many of `samples` were (questions,).

    1 - C(n - c, k) / C(n, k): unbiased (Chen et al. 2021, "Evaluating Large Language Models Trained on Code"). At k = 1
    it is the pass rate. ValueError unless 1 <= k <= samples.
    """
    if not 1 <= k <= samples:
        raise ValueError(f"k is {k}, expected 1 to the {samples} samples of a question")
    chances = [1.0 - math.comb(samples - right, k) / math.comb(samples, k) for right in range(samples + 1)]
    return np.array(chances)[np.asarray(passes, dtype=np.int64)]


def pearson(x: ArrayLike, y: ArrayLike) -> float:
    """Pearson's r of two vectors (n,); NaN where one of them does not vary."""
    a, b = np.asarray(x, float), np.asarray(y, float)
    centred = a - a.mean(), b - b.mean()
    norms = [float(np.linalg.norm(one)) for one in centred]
    if not all(norm > 1e-12 * (1 + float(np.linalg.norm(one))) for norm, one in zip(norms, (a, b), strict=True)):
        return math.nan
    return float(centred[0] @ centred[1] / (norms[0] * norms[1]))


def spearman(x: ArrayLike, y: ArrayLike) -> float:
    """Spearman's rho of two vectors (n,), ties at their mean rank; NaN where one of them does not vary."""
    return pearson(_mean_ranks(x), _mean_ranks(y))


def _mean_ranks(values: ArrayLike) -> NDArray[np.float64]:
    """Rank of each value from 1, ties at their mean rank (n,)."""
    _, places, counts = np.unique(np.asarray(values, float), return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[places]


def softmax(logits: NDArray[np.floating]) -> NDArray[np.floating]:
    """Softmax over the last axis; -inf means no weight."""
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True))
