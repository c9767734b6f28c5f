"""Several claims judged together: p-values and Holm's step-down procedure over them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values in the order given (Holm 1979); NaN stays NaN and does not count as a claim.

    A claim whose adjusted value is at most alpha can be made while the chance of any false one stays below alpha.
    """
    p = np.asarray(p_values, float)
    known = [place for place in np.argsort(p, kind="stable") if not math.isnan(p[place])]
    adjusted, largest = [math.nan] * len(p), 0.0
    for rank, place in enumerate(known):
        largest = max(largest, min(1.0, (len(known) - rank) * float(p[place])))
        adjusted[int(place)] = largest
    return adjusted
