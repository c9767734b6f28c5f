"""Bands against brute force, the published formula and its counts."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from repro.errors import UserError
from repro.selection.bands import band_indices, between_quantiles, nearest_to
from repro.selection.build import build_selector
from repro.selection.uniform import ShuffledPass, subset_size
from repro.spec.selections import CenterBand, Confidence, PassRate, RandomSubset, RangeBand

from .worlds import World


def test_a_tenth_of_gsm8k_is_747_and_never_less_than_one_question():
    assert subset_size(0.1, 7473) == 747
    assert subset_size(0.001, 50) == 1
    assert subset_size(1.0, 50) == 50


def test_the_centre_band_is_the_published_ranking():
    s = np.random.default_rng(0).uniform(size=500) ** 2
    ranked = sorted(range(500), key=lambda i: -(1 - (s[i] - s.mean()) ** 2))  # python's sort is stable
    assert nearest_to(s, "mean", 50).tolist() == ranked[:50]
    assert band_indices(s, CenterBand(center="mean"), 0.1).tolist() == sorted(ranked[:50])


@pytest.mark.parametrize(("center", "expected"), [("mean", [3]), ("median", [2]), (0.05, [0]), (1.0, [4])])
def test_each_centre_picks_the_score_nearest_to_it(center, expected):
    scores = np.array([0.0, 0.1, 0.2, 0.4, 1.0])  # mean 0.34, median 0.2
    assert nearest_to(scores, center, 1).tolist() == expected


def test_ties_are_taken_in_dataset_order():
    rates = np.array([0.0, 0.5, 0.25, 0.5, 0.75, 0.5])
    assert nearest_to(rates, 0.5, 4).tolist() == [1, 3, 5, 2]  # 0.25 and 0.75 are equally far
    many = np.random.default_rng(0).integers(0, 9, 300) / 8  # enough for an unstable sort to show
    assert nearest_to(many, 0.5, 90).tolist() == sorted(range(300), key=lambda i: (many[i] - 0.5) ** 2)[:90]
    by_rank = sorted(range(300), key=lambda i: many[i])
    assert between_quantiles(many, 0.1, 0.4).tolist() == by_rank[30:120]


def test_a_range_by_value_holds_both_bounds():
    rates = np.array([0.125, 0.25, 0.5, 0.75, 0.875])
    assert band_indices(rates, RangeBand(low=0.25, high=0.75), None).tolist() == [1, 2, 3]


@pytest.mark.parametrize("total", [10, 97, 1024])
def test_ten_quantile_bands_share_no_question_and_miss_none_even_with_ties(total):
    rates = np.random.default_rng(1).integers(0, 3, total) / 2  # three values only
    bins = [between_quantiles(rates, low / 10, (low + 1) / 10) for low in range(10)]
    assert sorted(np.concatenate(bins).tolist()) == list(range(total))
    assert max(map(len, bins)) - min(map(len, bins)) <= 1
    assert all(rates[a].max() <= rates[b].min() for a, b in pairwise(bins))


@pytest.mark.parametrize("bad", [np.nan, -0.01, 1.01, np.inf])
def test_a_score_outside_its_range_is_refused_with_its_row(bad):
    with pytest.raises(ValueError, match="the first is row 2"):
        band_indices(np.array([0.1, 0.2, bad]), CenterBand(), 0.5)


@pytest.mark.parametrize(
    ("selection", "advice"),
    [
        (Confidence(method="confidence", band=RangeBand(low=0.45, high=0.46)), "widen selection.band"),
        (PassRate(method="pass_rate", fraction=0.05), "raise selection.fraction"),
        (RandomSubset(method="random", fraction=0.05), "raise selection.fraction"),
    ],
)
def test_a_subset_smaller_than_a_batch_says_how_many_it_keeps_and_what_to_change(selection, advice):
    world = World(100)
    selector = build_selector(selection, world.ids, 0, world, 8)
    kept = len(selector.kept())
    assert 0 < kept < 8
    with pytest.raises(UserError, match=rf"keeps {kept} of 100 questions, fewer than the 8 .*{advice}"):
        selector.choose(8)


def test_an_empty_subset_is_a_user_error():
    world = World(100)
    band = RangeBand(low=0.4321, high=0.43211)
    with pytest.raises(UserError, match="keeps 0 of 100 questions"):
        build_selector(Confidence(method="confidence", band=band), world.ids, 0, world, 8).choose(1)


def test_the_target_and_the_number_of_samples_reach_the_resources():
    world = World(100)
    build_selector(Confidence(method="confidence", target="solution"), world.ids, 0, world, 8).choose(2)
    build_selector(PassRate(method="pass_rate", samples=5), world.ids, 0, world, 8).choose(2)
    assert world.asked == ["confidences solution", "pass_rates 5"]


def test_scores_are_those_the_subset_was_cut_from():
    world = World(100)
    selector = build_selector(Confidence(method="confidence", fraction=0.1), world.ids, 0, world, 8)
    assert np.array_equal(selector.scores(), world.confidences(""))
    distance = np.abs(selector.scores() - selector.scores().mean())
    assert set(selector.kept()) == set(np.argsort(distance)[:10])


def test_a_pass_completes_before_it_repeats_across_its_boundary():
    passes = ShuffledPass(range(10), np.random.default_rng(0))
    stream = [item for _ in range(100) for item in passes.take(7)]
    assert all(sorted(stream[i : i + 10]) == list(range(10)) for i in range(0, 690, 10))
    with pytest.raises(ValueError, match="cannot take 11 distinct of 10"):
        passes.take(11)


def test_all_orders_of_a_pass_are_equally_likely():
    counts = {}
    for seed in range(1200):
        order = tuple(ShuffledPass(range(3), np.random.default_rng(seed)).take(3))
        counts[order] = counts.get(order, 0) + 1
    assert len(counts) == 6
    assert sum((n - 200) ** 2 / 200 for n in counts.values()) < 20.5  # chi-squared, 5 degrees, p = 0.001
