"""Estimates, pools, Holm's procedure and what a study could have seen: against closed forms and simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from repro.analysis.estimates import Estimate, crossed, differ, mean_of, over_tasks, over_these
from repro.analysis.families import holm
from repro.analysis.power import Spread, pooled, seeds_needed, smallest_seen, spread_of


def test_a_mean_has_the_interval_and_the_p_value_of_a_t_test():
    values = np.array([0.1, 0.4, -0.2, 0.3, 0.25])
    found, wanted = mean_of(values), stats.ttest_1samp(values, 0)
    assert found.p() == pytest.approx(wanted.pvalue)
    low, high = wanted.confidence_interval(0.95)
    assert (found.interval().low, found.interval().high) == pytest.approx((low, high))


@pytest.mark.parametrize("values", [[0.3], [0.3, 0.3, 0.3], []])
def test_values_that_do_not_vary_say_nothing_about_their_error(values):
    found = mean_of(values)
    assert not found.known and math.isnan(found.p()) and not found.interval().known


def test_with_one_seed_questions_alone_give_no_error():
    assert not crossed(np.random.default_rng(0).random((1, 50))).known


def test_the_interval_over_seeds_and_questions_is_never_narrower_than_that_over_seeds():
    draw = np.random.default_rng(1)
    for _ in range(50):
        d = draw.normal(0, 0.02, (3, 1)) + draw.normal(0, 0.1, (1, 40)) + draw.normal(0, 0.1, (3, 40))
        ours, seeds = crossed(d).interval(), mean_of(d.mean(axis=1)).interval()
        assert ours.high - ours.low >= seeds.high - seeds.low - 1e-12


@pytest.mark.parametrize(
    ("seeds", "by_seed", "by_question"), [(3, 0.024, 0.0), (3, 0.024, 0.1), (3, 0.0, 0.1), (8, 0.02, 0.05)]
)
def test_a_true_difference_of_zero_is_called_clear_in_at_most_one_study_of_twenty(seeds, by_seed, by_question):
    draw, wrong, studies = np.random.default_rng(7), 0, 800
    for _ in range(studies):
        d = draw.normal(0, 0.12, (seeds, 64)) + draw.normal(0, by_seed, (seeds, 1)) + draw.normal(0, by_question, 64)
        wrong += crossed(d).p() <= 0.05
    assert wrong <= stats.binom.ppf(0.999, studies, 0.05)


def test_a_difference_over_seeds_and_questions_is_the_two_way_analysis_by_hand():
    d = np.array([[1.0, 3.0, 2.0, 6.0], [2.0, 2.0, 4.0, 8.0], [6.0, 4.0, 3.0, 7.0]])
    # means of seeds 3, 4, 5 and of questions 3, 3, 3, 7; of all 4
    by_seed = 4 * (1 + 0 + 1) / 2  # mean square between seeds
    by_question = 3 * (1 + 1 + 1 + 9) / 3
    rest = sum((d[s, q] - (3, 4, 5)[s] - (3, 3, 3, 7)[q] + 4) ** 2 for s in range(3) for q in range(4)) / 6
    variance = (by_seed + by_question - rest) / 12
    freedom = variance**2 / ((by_seed / 12) ** 2 / 2 + (by_question / 12) ** 2 / 3 + (rest / 12) ** 2 / 6)
    found = crossed(d)
    assert found.value == 4 and found.n == 3
    assert found.errors[0] == pytest.approx((math.sqrt(variance), freedom))
    assert found.errors[1] == pytest.approx((math.sqrt(1 / 3), 2)), "that over seeds alone stands beside it"


def test_a_pool_of_fixed_pairs_is_welchs_mean():
    a, b = np.array([0.1, 0.2, 0.4]), np.array([0.5, 0.1, 0.3, 0.2])
    found = over_these([mean_of(a), mean_of(b)])
    va, vb = a.var(ddof=1) / 3 / 4, b.var(ddof=1) / 4 / 4
    assert found.value == pytest.approx((a.mean() + b.mean()) / 2)
    error, freedom = found.errors[0]
    assert error == pytest.approx(math.sqrt(va + vb))
    assert freedom == pytest.approx((va + vb) ** 2 / (va**2 / 2 + vb**2 / 3))
    assert found.n == 7


def test_a_pool_with_a_part_that_has_no_error_has_none():
    assert not over_these([mean_of([0.1, 0.2]), mean_of([0.1])]).known


def test_of_other_tasks_only_the_means_of_tasks_speak():
    tasks = [[mean_of([0.1, 0.3]), mean_of([0.2, 0.2])], [mean_of([0.5, 0.5])], [mean_of([0.0, 0.2])]]
    wanted = stats.ttest_1samp([0.2, 0.5, 0.1], 0)
    assert over_tasks(tasks).p() == pytest.approx(wanted.pvalue)
    assert over_tasks(tasks).n == 3


def test_another_unit_scales_value_and_error_and_keeps_the_p_value():
    one = mean_of([0.1, 0.2, 0.4])
    assert one.times(-100).value == pytest.approx(-100 * one.value)
    assert one.times(-100).p() == pytest.approx(one.p())


def test_holm_multiplies_the_smallest_by_all_and_never_goes_back():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert holm([]) == []


def test_a_claim_that_was_not_run_does_not_count_for_holm():
    found = holm([0.02, math.nan, 0.03])
    assert found[0] == pytest.approx(0.04) and math.isnan(found[1]) and found[2] == pytest.approx(0.04)


def test_the_smallest_difference_seen_is_seen_with_a_chance_of_four_in_five_by_a_t_test():
    for seeds in (3, 5, 8, 20):
        shift = smallest_seen(Spread(0.02**2, 0.0, 0.0, 256), seeds) / 0.02 * math.sqrt(seeds)
        assert stats.nct.sf(stats.t.ppf(0.975, seeds - 1), seeds - 1, shift) == pytest.approx(0.8, abs=1e-6)


def test_a_difference_of_the_size_that_is_said_to_be_seen_is_seen_in_four_studies_of_five():
    spread, seeds, draw = Spread(0.02**2, 0.04**2, 0.1**2, 64), 5, np.random.default_rng(11)
    true, seen, studies = smallest_seen(spread, seeds), 0, 600
    for _ in range(studies):
        d = true + draw.normal(0, 0.02, (seeds, 1)) + draw.normal(0, 0.04, (1, 64)) + draw.normal(0, 0.1, (seeds, 64))
        seen += crossed(d).p() <= 0.05
    assert seen / studies == pytest.approx(0.8, abs=0.06)


def test_seeds_needed_is_the_first_number_that_is_enough():
    spread = Spread(0.02**2, 0.0, 0.1**2, 256)
    for difference in (0.01, 0.02, 0.05):
        n = seeds_needed(spread, difference)
        assert smallest_seen(spread, n) <= difference < smallest_seen(spread, n - 1)


def test_where_the_questions_are_too_few_no_number_of_seeds_is_enough():
    assert seeds_needed(Spread(0.02**2, 0.2**2, 0.0, 16), 0.01) is None
    assert smallest_seen(Spread(0.02**2, 0.2**2, 0.0, 16), 1) == math.inf


def test_the_parts_of_the_spread_are_found_again():
    draw = np.random.default_rng(5)
    d = draw.normal(0, 0.05, (300, 1)) + draw.normal(0, 0.1, (1, 300)) + draw.normal(0, 0.2, (300, 300))
    found = spread_of([d])
    assert found.seeds == pytest.approx(0.0025, rel=0.3)
    assert found.problems == pytest.approx(0.01, rel=0.3)
    assert found.rest == pytest.approx(0.04, rel=0.05)
    assert spread_of([d[:1]]) is None and pooled([]) is None
    assert pooled([found, found]) == found


def test_an_estimate_with_two_errors_tells_the_larger_p_value_and_the_wider_interval():
    one = Estimate(0.1, ((0.03, 200.0), (0.02, 2.0)), 3)
    alone = [Estimate(0.1, (error,), 3) for error in one.errors]
    assert one.p() == max(part.p() for part in alone)
    assert one.interval().low == min(part.interval().low for part in alone)


def test_several_sets_are_averaged_without_weights_and_questions_vary_inside_each():
    draw = np.random.default_rng(9)
    small, large = draw.normal(0.3, 0.1, (4, 10)), draw.normal(0.1, 0.1, (4, 400))
    found = crossed(small, large)
    assert found.value == pytest.approx((small.mean() + large.mean()) / 2)
    doubled = crossed(small, small)  # the same set twice is the set once, but for its questions, which count as more
    assert doubled.value == pytest.approx(small.mean()) and doubled.errors[1] == pytest.approx(crossed(small).errors[1])
    with pytest.raises(ValueError, match="same seeds"):
        crossed(small, large[:2])


def test_the_spread_of_several_sets_is_that_of_their_mean():
    draw = np.random.default_rng(10)
    sets = [draw.normal(0, 0.1, (200, 1)) + draw.normal(0, 0.2, (200, size)) for size in (30, 300)]
    found = spread_of(sets)
    error, _ = found.errors(200)[0]
    assert error == pytest.approx(crossed(*sets).errors[0][0], rel=0.1)


def test_tasks_that_differ_are_told_from_tasks_that_do_not():
    def of(values):
        return mean_of(values)

    a, b = [0.1, 0.14, 0.12], [0.2, 0.25, 0.28, 0.21]
    welch = stats.ttest_ind(a, b, equal_var=False).pvalue
    assert differ([of(a), of(b)]) == pytest.approx(welch), "of two groups it is Welch's t-test"
    generator = np.random.default_rng(0)
    p = [differ([of(generator.normal(0, spread, 5)) for spread in (1, 2, 4)]) for _ in range(800)]
    assert 0.02 <= np.mean(np.array(p) <= 0.05) <= 0.075
    assert math.isnan(differ([of(a)])) and math.isnan(differ([of(a), of([0.3])]))


def test_more_claims_take_a_larger_difference_and_it_is_seen_four_times_in_five():
    spread, seeds, claims = Spread(0.02**2, 0.0, 0.0, 256), 5, 4
    true = smallest_seen(spread, seeds, claims)
    assert true > smallest_seen(spread, seeds)
    assert seeds_needed(spread, true, claims) == seeds
    draws = np.random.default_rng(5).normal(true, 0.02, (4000, seeds))
    p = stats.ttest_1samp(draws, 0.0, axis=1).pvalue
    assert np.mean((p <= 0.05 / claims) & (draws.mean(axis=1) > 0)) == pytest.approx(0.8, abs=0.025)


def test_a_difference_over_several_pairs_is_seen_four_times_in_five_where_it_is_said_to_be():
    spread, seeds, claims, pairs = Spread(0.02**2, 0.0, 0.1**2, 64), 3, 10, 6
    true, draw, studies, seen = smallest_seen(spread, seeds, claims, pairs), np.random.default_rng(7), 300, 0
    for _ in range(studies):
        rows = draw.normal(0, 0.02, (pairs, seeds, 1)) + draw.normal(0, 0.1, (pairs, seeds, 64))
        found = over_these([crossed(true + one) for one in rows])
        seen += found.p() <= 0.05 / claims and found.value > 0
    assert seen / studies == pytest.approx(0.8, abs=0.08)
    assert seeds_needed(spread, true, claims, pairs) == seeds
