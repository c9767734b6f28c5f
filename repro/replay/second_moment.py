"""The bound of M2PO on how far replayed tokens are off-policy: which of them a mean squared log-ratio leaves out."""

from __future__ import annotations

import numpy as np

BOUND = 0.04
"""What M2PO (arXiv 2510.01161) trains with throughout, by its project page and its authors' scripts."""


def largest_kept(squares: np.ndarray, bound: float) -> float:
    """The square up to which tokens are kept, so that the mean of the kept ones is at most `bound`; -inf for none.

    The fewest tokens are left out, those with the largest squares. Where equal squares lie on both sides of the cut all
    of them are left out: which tokens are kept depends on their values alone, neither on their order nor on how they
    are shared out among processes.

    Args:
        squares: (N,) squared log-ratios, in any order.
    """
    ascending = np.sort(np.asarray(squares, dtype=np.float64))  # (N,)
    means = np.cumsum(ascending) / np.arange(1, len(ascending) + 1)  # of the smallest 1, 2, ..., N: never falls
    kept = int(np.searchsorted(means, bound, side="right"))
    while 0 < kept < len(ascending) and ascending[kept] == ascending[kept - 1]:
        kept -= 1
    return float(ascending[kept - 1]) if kept else -np.inf
