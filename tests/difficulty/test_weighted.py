"""Weighted measures equal the plain ones on the multiset that the weights spell out."""

from __future__ import annotations

import numpy as np
from scipy import stats

from repro.difficulty.weighted import chosen_share, mean_squared_error, pearson, spearman, weighted_mean


def test_weights_count_questions() -> None:
    generator = np.random.default_rng(0)
    x, y = generator.integers(0, 5, 30) / 4, generator.random(30)
    weights = generator.multinomial(30, np.full(30, 1 / 30), size=4).astype(float)
    for row, weight in enumerate(weights.astype(int)):
        a, b = np.repeat(x, weight), np.repeat(y, weight)
        for found, expected in (
            (pearson(x, y, weights), stats.pearsonr(a, b).statistic),
            (spearman(x, y, weights), stats.spearmanr(a, b).statistic),
            (mean_squared_error(x, y, weights), ((a - b) ** 2).mean()),
            (weighted_mean(y, weights), b.mean()),
        ):
            np.testing.assert_allclose(found[row], expected, atol=1e-12)


def test_a_constant_prediction_correlates_with_nothing_and_a_constant_truth_says_nothing() -> None:
    varied, constant, weights = np.array([0.1, 0.2, 0.4]), np.full(3, 0.3), np.ones((2, 3))
    for measure in (pearson, spearman):
        assert measure(constant, varied, weights).tolist() == [0, 0]
        assert np.isnan(measure(varied, constant, weights)).all()


def test_the_chosen_are_the_nearest_with_ties_in_the_given_order() -> None:
    distance = np.array([0.3, 0.1, 0.1, 0.2])
    wanted = np.array([1.0, 1.0, 0.0, 0.0])
    once = np.ones((1, 4))
    assert chosen_share(distance, np.array([0, 1, 2, 3]), wanted, 1, once) == 1
    assert chosen_share(distance, np.array([0, 2, 1, 3]), wanted, 1, once) == 0
    assert chosen_share(distance, np.zeros(4), wanted, 4, once) == 0.5
    weights = np.array([[1.0, 2, 0, 3], [5, 0, 1, 1]])
    shares = chosen_share(distance, np.zeros(4), wanted, 3, weights)
    np.testing.assert_allclose(shares, [2 / 3, 1 / 3])  # {1, 1, 3} and {2, 3, 0}


def test_nothing_that_counts_gives_no_number() -> None:
    assert np.isnan(weighted_mean(np.ones(3), np.zeros((1, 3)))).all()
    assert np.isnan(pearson(np.arange(3.0), np.arange(3.0), np.zeros((1, 3)))).all()
