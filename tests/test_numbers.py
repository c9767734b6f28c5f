"""Correlations and intervals, against scipy and by hand."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import scipy.stats

from repro.numbers import Interval, pass_at, pearson, softmax, spearman, t_interval


def test_the_interval_of_two_values_has_its_closed_form() -> None:
    # one degree of freedom is a Cauchy law: t = tan(0.475 pi), and the standard error of (a, b) is |a - b| / 2
    found, half = t_interval([0.2, 0.6]), math.tan(0.475 * math.pi) * 0.2
    assert (found.value, found.low, found.high) == pytest.approx((0.4, 0.4 - half, 0.4 + half))
    assert found.n == 2


def test_the_interval_agrees_with_scipy() -> None:
    values = np.random.default_rng(0).normal(size=7)
    expected = scipy.stats.t.interval(0.9, 6, loc=values.mean(), scale=scipy.stats.sem(values))
    found = t_interval(values, 0.9)
    assert (found.low, found.high) == pytest.approx(expected)


def test_one_value_has_no_interval_none_has_no_mean_and_a_level_is_a_share() -> None:
    assert (t_interval([0.3, math.nan]).value, t_interval([0.3]).known, t_interval([0.3]).n) == (0.3, False, 1)
    assert math.isnan(t_interval([]).value)
    with pytest.raises(ValueError, match="level"):
        t_interval([1.0, 2.0], 1.0)


def test_an_interval_is_clear_of_what_it_leaves_outside() -> None:
    assert [Interval(2, 1, 3, 9).clear_of(x) for x in (0, 2, 4)] == [1, 0, -1]
    assert Interval(2, math.nan, math.nan, 1).clear_of(0) == 0


def test_correlations_are_those_of_scipy_with_ties() -> None:
    generator = np.random.default_rng(1)
    x, y = generator.integers(0, 5, 40) / 4, generator.normal(size=40)
    assert pearson(x, y) == pytest.approx(scipy.stats.pearsonr(x, y).statistic)
    assert spearman(x, y) == pytest.approx(scipy.stats.spearmanr(x, y).statistic)


def test_what_does_not_vary_correlates_with_nothing_whatever_its_size() -> None:
    for constant in (0.0, 0.1, 1e9 / 3):
        assert math.isnan(pearson(np.full(7, constant), np.arange(7)))
        assert math.isnan(spearman(np.arange(7), np.full(7, constant)))


def test_a_softmax_sums_to_one_and_gives_nothing_to_minus_infinity() -> None:
    weights = softmax(np.array([[0.0, math.log(3), -math.inf], [1e4, 1e4, 1e4]]))
    assert weights == pytest.approx(np.array([[0.25, 0.75, 0], [1 / 3, 1 / 3, 1 / 3]]))


@pytest.mark.parametrize("samples", [1, 2, 5, 8])
def test_pass_at_k_is_the_share_of_all_choices_of_k_samples_with_a_right_one(samples: int) -> None:
    for k in range(1, samples + 1):
        found = pass_at(k, range(samples + 1), samples)
        for right in range(samples + 1):
            outcomes = [True] * right + [False] * (samples - right)
            brute = np.mean([any(choice) for choice in itertools.combinations(outcomes, k)])
            assert found[right] == pytest.approx(brute)
    assert pass_at(1, [0, 1, samples], samples) == pytest.approx([0, 1 / samples, 1])


def test_pass_at_k_is_unbiased_and_needs_as_many_samples() -> None:
    draw = np.random.default_rng(0)
    passes = draw.binomial(6, 0.3, 40_000)
    assert pass_at(3, passes, 6).mean() == pytest.approx(1 - 0.7**3, abs=0.006)
    for k in (0, 7):
        with pytest.raises(ValueError, match=f"k is {k}, expected 1 to the 6 samples"):
            pass_at(k, passes, 6)
