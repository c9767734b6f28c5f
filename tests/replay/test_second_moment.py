"""Which tokens the bound on the mean squared log-ratio leaves out."""

from __future__ import annotations

import numpy as np
import pytest

from repro.replay.second_moment import largest_kept


@pytest.mark.parametrize(
    ("squares", "bound", "kept"),
    [
        ([0.01, 0.02, 0.03], 0.02, 0.03),  # the mean is the bound: nothing is left out
        ([0.09, 0.01, 0.02], 0.02, 0.02),
        ([0.01, 0.04, 0.07], 0.03, 0.04),
        ([0.5, 0.2], 0.1, -np.inf),
        ([0.0, 0.0], 1e-6, 0.0),
        ([0.01, 0.05, 0.05], 0.03, 0.01),  # one of the two equal ones would fit: neither is kept
        ([], 0.04, -np.inf),
    ],
)
def test_the_fewest_and_largest_squares_are_left_out(squares, bound, kept):
    assert largest_kept(np.array(squares), bound) == kept


def test_what_is_kept_is_the_largest_set_within_the_bound_by_trying_each():
    rng = np.random.default_rng(0)
    for _ in range(200):
        squares = rng.exponential(size=rng.integers(1, 30)) ** 2
        bound = float(rng.uniform(0.01, 2))
        fits = [most for most in squares if squares[squares <= most].mean() <= bound]
        assert largest_kept(squares, bound) == max(fits, default=-np.inf)
        assert largest_kept(squares[::-1], bound) == max(fits, default=-np.inf)
