"""How alike two orders of the same arms are: Kendall's tau and Spearman's rho with their intervals."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from repro.analysis.statistics import LEVEL, Interval


def kendall(x: ArrayLike, y: ArrayLike, level: float = LEVEL) -> Interval:
    """Kendall's tau-b of two vectors (n,), pairs with NaN left out, with an interval over arms like these.

    The standard error of Fisher's z is sqrt(0.437 / (n - 4)) (Fieller, Hartley and Pearson 1957). NaN for a constant
    side or fewer than three pairs; no interval for fewer than five pairs or equal orders.
    """
    a, b = np.asarray(x, float), np.asarray(y, float)
    good = ~(np.isnan(a) | np.isnan(b))
    a, b, n = a[good], b[good], int(good.sum())
    upper = np.triu_indices(n, 1)
    first, second = (np.sign(one[:, None] - one[None, :])[upper] for one in (a, b))
    size = math.sqrt(float((first != 0).sum()) * float((second != 0).sum()))
    if n < 3 or size == 0:
        return Interval(math.nan, math.nan, math.nan, n)
    tau = float(first @ second) / size
    if n < 5 or abs(tau) >= 1 - 1e-12:
        return Interval(tau, math.nan, math.nan, n)
    half = float(ndtri((1 + level) / 2)) * math.sqrt(0.437 / (n - 4))
    return Interval(tau, math.tanh(math.atanh(tau) - half), math.tanh(math.atanh(tau) + half), n)
