"""Statistics against closed forms, brute force and simulated coverage."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from repro.analysis.statistics import (
    Interval,
    area_under_curve,
    cluster_interval,
    deviation_ratio,
    fixed_mean,
    paired_difference,
    pooled_correlation,
    pooled_deviation,
    probability_of_improvement,
    rank_correlation,
    share_interval,
    t_interval,
)


def test_t_interval_is_the_textbook_one():
    found = t_interval([0.1, 0.4, 0.7])
    # mean 0.4, sd 0.3, t(0.975, 2) = 4.302653
    half = 4.30265272991 * 0.3 / math.sqrt(3)
    assert (found.value, found.low, found.high, found.n) == pytest.approx((0.4, 0.4 - half, 0.4 + half, 3))


def test_t_interval_agrees_with_scipy_at_another_level():
    x = np.random.default_rng(1).normal(size=17)
    found = t_interval(x, 0.8)
    low, high = stats.t.interval(0.8, 16, loc=x.mean(), scale=stats.sem(x))
    assert (found.low, found.high) == pytest.approx((low, high))


def test_one_value_has_no_interval_and_none_has_no_value():
    one, none = t_interval([0.3]), t_interval([])
    assert one.value == 0.3 and not one.known and one.n == 1 and one.clear_of(0.0) == 0
    assert math.isnan(none.value) and none.n == 0


def test_an_interval_is_clear_only_when_it_does_not_touch_the_reference():
    assert Interval(1.0, 0.1, 2.0, 3).clear_of(0) == 1
    assert Interval(-1.0, -2.0, -0.1, 3).clear_of(0) == -1
    assert Interval(1.0, 0.0, 2.0, 3).clear_of(0) == 0


def test_cluster_interval_equals_the_cluster_robust_variance_of_all_samples():
    generator = np.random.default_rng(2)
    outcomes = (generator.random((40, 5)) < generator.random((40, 1))).astype(float)  # [problems, samples]
    found = cluster_interval(outcomes.mean(axis=1))
    grand = outcomes.mean()
    # CR1 "sandwich" for the mean: squares of summed residuals per cluster, G / (G - 1)
    sums = (outcomes - grand).sum(axis=1)
    variance = (sums**2).sum() / outcomes.size**2 * 40 / 39
    half = stats.t.ppf(0.975, 39) * math.sqrt(variance)
    assert (found.value, found.low, found.high) == pytest.approx((grand, grand - half, grand + half))


def test_intervals_of_shares_stay_within_what_a_share_can_be():
    wide = share_interval([0.5, 0.9])
    assert t_interval([0.5, 0.9]).high > 1 and (wide.low, wide.high, wide.value) == (0.0, 1.0, 0.7)
    assert share_interval([0.5, 0.52, 0.51]) == t_interval([0.5, 0.52, 0.51])
    assert not share_interval([0.5]).known


def test_paired_difference_is_the_paired_t_test():
    generator = np.random.default_rng(3)
    a, b = generator.normal(1, 1, 9), generator.normal(0, 1, 9)
    test = stats.ttest_rel(a, b)
    found = paired_difference(a, b)
    low, high = test.confidence_interval(0.95)
    assert (found.value, found.low, found.high) == pytest.approx(((a - b).mean(), low, high))
    with pytest.raises(ValueError, match="pairs must match"):
        paired_difference(a, b[:-1])


def test_probability_of_improvement_counts_pairs_and_halves_ties():
    a, b = [1.0, 2.0, 3.0], [2.0, 0.0]
    brute = np.mean([1.0 if x > y else 0.5 if x == y else 0.0 for x, y in itertools.product(a, b)])
    assert probability_of_improvement(a, b) == brute == 0.75
    assert probability_of_improvement(a, b) + probability_of_improvement(b, a) == 1.0
    assert math.isnan(probability_of_improvement([], b))


def test_area_under_curve_is_the_mean_height():
    assert area_under_curve([0, 10, 40], [0.2, 0.4, 0.4]) == pytest.approx((0.3 * 10 + 0.4 * 30) / 40)
    assert math.isnan(area_under_curve([0], [0.5]))


def test_a_rank_correlation_is_that_of_the_ranks_and_covers_the_truth_as_often_as_it_says() -> None:
    assert rank_correlation([1, 2, 3, 4, 5], [1, 2, 3, 5, 4]).value == pytest.approx(1 - 6 * 2 / (5 * 24))
    assert math.isnan(rank_correlation([1, 1, 1, 1], [1, 2, 3, 4]).value)
    rng = np.random.default_rng(3)
    truth = 6 / math.pi * math.asin(0.5 / 2)  # Spearman's rho of a bivariate normal with r = 0.5
    inside = 0
    for _ in range(400):
        x = rng.normal(size=60)
        y = 0.5 * x + math.sqrt(0.75) * rng.normal(size=60)
        found = rank_correlation(x, y)
        inside += found.low <= truth <= found.high
    assert 0.92 <= inside / 400 <= 0.98


def test_the_interval_of_a_rank_correlation_is_that_of_bonett_and_wright() -> None:
    x, y = np.arange(12), np.array([0, 1, 3, 2, 4, 5, 7, 6, 8, 11, 10, 9])
    found = rank_correlation(x, y)
    rho = stats.spearmanr(x, y).statistic
    half = stats.norm.ppf(0.975) * math.sqrt((1 + rho**2 / 2) / 9)
    assert (found.value, found.n) == (pytest.approx(rho), 12)
    assert (math.atanh(found.low), math.atanh(found.high)) == pytest.approx(
        (math.atanh(rho) - half, math.atanh(rho) + half)
    )


# ---------------------------------------------------------------- pooling


def test_one_group_pools_to_its_own_t_interval_and_no_group_is_dropped():
    values = [0.1, 0.3, 0.2]
    own = t_interval(values)
    found = fixed_mean([values])
    assert (found.value, found.low, found.high) == pytest.approx((own.value, own.low, own.high))
    beside = fixed_mean([values, [0.9]])
    assert beside.value == pytest.approx(0.55) and beside.n == 4
    assert not beside.known, "one of two conditions has no spread to give"
    assert fixed_mean([values, []]).n == 3


def test_a_mean_of_groups_is_welch_and_satterthwaite_by_hand():
    a, b = np.array([1.0, 2.0, 3.0]), np.array([10.0, 14.0])
    va, vb = a.var(ddof=1) / 3 / 4, b.var(ddof=1) / 2 / 4
    df = (va + vb) ** 2 / (va**2 / 2 + vb**2 / 1)
    half = stats.t.ppf(0.975, df) * math.sqrt(va + vb)
    found = fixed_mean([a, b])
    assert (found.value, found.low, found.high) == pytest.approx((7.0, 7.0 - half, 7.0 + half))


def test_values_that_do_not_vary_have_an_interval_that_decides_nothing():
    fixed = fixed_mean([[1.0, 1.0], [4.0, 4.0], [7.0, 7.0]])
    assert (fixed.value, fixed.low, fixed.high) == (4.0, 4.0, 4.0)
    assert fixed.clear_of(0) == 0 and not fixed.decides
    rounded = t_interval([0.59 - 0.56, 0.57 - 0.54, 0.61 - 0.58])
    assert rounded.low < rounded.high and rounded.clear_of(0) == 0, "a spread of rounding alone"


def test_a_mean_of_groups_covers_their_own_truth_as_often_as_it_says():
    """Six conditions, three seeds, unequal spreads."""
    generator, spreads = np.random.default_rng(0), np.array([1, 1, 2, 2, 4, 4.0])
    truth = np.arange(6.0)
    draws = truth[:, None] + spreads[:, None] * generator.normal(size=(3000, 6, 3))
    hits = [(found.low <= truth.mean() <= found.high) for found in map(fixed_mean, draws)]
    assert 0.94 <= np.mean(hits) <= 0.985


def test_pooled_deviation_and_its_ratio_follow_chi_square_and_f():
    a, b = [[1.0, 3.0], [5.0, 5.0, 8.0]], [[1.0, 2.0], [0.0, 0.0, 1.0]]
    sums = 2.0 + 6.0, 0.5 + 2 / 3
    found = pooled_deviation(a)
    assert found.value == pytest.approx(math.sqrt(sums[0] / 3)) and found.n == 3
    assert found.high == pytest.approx(math.sqrt(sums[0] / stats.chi2.ppf(0.025, 3)))
    ratio = deviation_ratio(a, b)
    assert ratio.value == pytest.approx(math.sqrt(sums[0] / sums[1]))
    assert ratio.low == pytest.approx(ratio.value / math.sqrt(stats.f.ppf(0.975, 3, 3)))


def test_pooled_correlation_averages_fisher_z():
    one = Interval(0.5, math.tanh(math.atanh(0.5) - 0.2), math.tanh(math.atanh(0.5) + 0.2), 50)
    found = pooled_correlation([one, one])
    assert found.value == pytest.approx(0.5)
    assert math.atanh(found.high) - math.atanh(0.5) == pytest.approx(0.2 / math.sqrt(2))
    alone = pooled_correlation([one, Interval(0.9, math.nan, math.nan, 2)])
    assert alone.value == pytest.approx(0.5), "one without an interval is left out"
