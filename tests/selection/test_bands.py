"""Bands against brute force, the published formula and its counts."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from repro.errors import UserError
from repro.selection.bands import (
    CalibratedBand,
    CenterBand,
    EndBand,
    RangeBand,
    at_end,
    band_indices,
    between_quantiles,
    calibrated_center,
    in_range,
    nearest_to,
)
from repro.selection.methods.confidence import Confidence
from repro.selection.methods.pass_rate import PassRate
from repro.selection.methods.prompt_entropy import PromptEntropy
from repro.selection.methods.prompt_perplexity import PromptPerplexity
from repro.selection.methods.random import RandomSubset
from repro.selection.pool import subset_size
from repro.selection.shuffled import ShuffledPass
from repro.selection.ties import tie_places
from tests.selection.worlds import build_selector

from .worlds import World


def test_a_tenth_of_gsm8k_is_747_and_never_less_than_one_question():
    assert subset_size(0.1, 7473) == 747
    assert subset_size(0.001, 50) == 1
    assert subset_size(1.0, 50) == 50


def test_the_centre_band_is_the_published_ranking():
    s = np.random.default_rng(0).uniform(size=500) ** 2
    ranked = sorted(range(500), key=lambda i: -(1 - (s[i] - s.mean()) ** 2))  # python's sort is stable
    assert nearest_to(s, "mean", 50, np.arange(500)).tolist() == ranked[:50]
    assert band_indices(s, CenterBand(center="mean"), 0.1, np.arange(500)).tolist() == sorted(ranked[:50])


@pytest.mark.parametrize(("center", "expected"), [("mean", [3]), ("median", [2]), (0.05, [0]), (1.0, [4])])
def test_each_centre_picks_the_score_nearest_to_it(center, expected):
    scores = np.array([0.0, 0.1, 0.2, 0.4, 1.0])  # mean 0.34, median 0.2
    assert nearest_to(scores, center, 1, np.arange(5)).tolist() == expected


def test_ties_are_taken_by_their_places():
    rates = np.array([0.0, 0.5, 0.25, 0.5, 0.75, 0.5])
    assert nearest_to(rates, 0.5, 4, np.arange(6)).tolist() == [1, 3, 5, 2]  # 0.25 and 0.75 are equally far
    assert nearest_to(rates, 0.5, 4, np.arange(6)[::-1]).tolist() == [5, 3, 1, 4]
    many, places = np.random.default_rng(0).integers(0, 9, 300) / 8, np.random.default_rng(1).permutation(300)
    near = sorted(range(300), key=lambda i: ((many[i] - 0.5) ** 2, places[i]))
    assert nearest_to(many, 0.5, 90, places).tolist() == near[:90]
    by_rank = sorted(range(300), key=lambda i: (many[i], places[i]))
    assert between_quantiles(many, 0.1, 0.4, places).tolist() == by_rank[30:120]


@pytest.mark.parametrize(("end", "sign"), [("highest", -1), ("lowest", 1)])
def test_an_end_is_the_head_of_the_sorted_scores_with_ties_by_their_places(end, sign):
    scores = np.random.default_rng(0).integers(0, 9, 300) / 8  # many ties
    places = np.random.default_rng(1).permutation(300)
    ranked = sorted(range(300), key=lambda i: (sign * scores[i], places[i]))
    for fraction, size in [(0.1, 30), (0.127, 38), (0.001, 1), (1.0, 300)]:
        assert at_end(scores, end, size, places).tolist() == ranked[:size]
        assert band_indices(scores, EndBand(end=end), fraction, places).tolist() == sorted(ranked[:size])


def test_places_belong_to_questions_and_every_order_of_them_is_as_likely():
    ids, generator = ["b", "c", "a"], np.random.default_rng
    mixed = [2, 0, 1]
    for seed in range(5):
        places = tie_places(ids, generator(seed))
        again = tie_places([ids[i] for i in mixed], generator(seed))
        assert again.tolist() == [places[i] for i in mixed], "the same question, the same place, whatever its row"
    draw = generator(0)
    counts = Counter(tuple(tie_places(ids, draw).tolist()) for _ in range(6000))
    assert len(counts) == 6 and all(abs(count - 1000) < 150 for count in counts.values())


@pytest.mark.parametrize(
    ("band", "fraction", "message"),
    [
        (CenterBand(), None, "needs a fraction"),
        (EndBand(end="lowest"), None, "needs a fraction"),
        (CalibratedBand(pass_rate=0.5), 0.5, "needs the measured centre"),
    ],
)
def test_a_band_without_what_it_needs_is_refused(band, fraction, message):
    with pytest.raises(ValueError, match=message):
        band_indices(np.array([0.1, 0.2]), band, fraction, np.arange(2))


# ---------------------------------------------------------------- calibration


@pytest.mark.parametrize("rate", [0.2, 0.5, 0.77])
@pytest.mark.parametrize("rising", [True, False])
def test_the_centre_of_a_noiseless_monotone_map_is_its_inverse(rate, rising):
    scores = np.random.default_rng(0).permutation(np.linspace(0.1, 0.9, 801))
    rates = ((scores - 0.1) / 0.8) ** 2  # 0 to 1; its inverse is 0.1 + 0.8 sqrt(rate)
    if not rising:
        rates = 1 - rates
    expected = 0.1 + 0.8 * np.sqrt(rate if rising else 1 - rate)
    assert calibrated_center(scores, rates, rate) == pytest.approx(expected, abs=1e-4)


def test_between_two_measured_questions_the_centre_is_interpolated():
    assert calibrated_center(np.array([0.2, 0.6]), np.array([0.0, 0.8]), 0.5) == pytest.approx(0.2 + 0.4 * 5 / 8)
    assert calibrated_center(np.array([0.6, 0.2]), np.array([0.0, 0.8]), 0.5) == pytest.approx(0.6 - 0.4 * 5 / 8)


def test_violators_are_pooled_as_in_the_least_squares_fit():
    scores, rates = np.array([0.1, 0.2, 0.3, 0.4]), np.array([0.0, 0.6, 0.2, 1.0])
    # By hand: 0.2 and 0.3 pool to 0.4; the fit 0, .4, .4, 1 meets .6 a third of the way from 0.3 to 0.4 ...
    assert calibrated_center(scores, rates, 0.6) == pytest.approx(0.3 + 0.1 / 3)
    assert calibrated_center(scores, rates, 0.2) == pytest.approx(0.15)  # ... and .2 half-way from 0.1 to 0.2
    assert calibrated_center(scores, rates, 0.4) == pytest.approx(0.25)  # level at the target: its middle


def test_a_level_at_the_target_is_found_through_the_rounding_of_its_mean():
    scores = np.array([0.1, 0.2, 0.3, 0.4])
    assert (0.2 + 0.1) / 2 > 0.15, "the mean lies above the target by rounding alone"
    assert calibrated_center(scores, np.array([0.0, 0.2, 0.1, 1.0]), 0.15) == pytest.approx(0.25)
    assert calibrated_center(scores, np.array([1.0, 0.2, 0.1, 0.0][::-1]), 0.15) == pytest.approx(0.25)
    assert calibrated_center(scores, np.array([1.0, 0.1, 0.2, 0.0]), 0.15) == pytest.approx(0.25)


@pytest.mark.parametrize("seed", range(6))
def test_at_the_centre_the_least_squares_fit_has_the_target_rate(seed):
    rng = np.random.default_rng(seed)
    scores = rng.uniform(0.1, 0.9, 64)
    sign = 1 if seed % 2 else -1
    rates = rng.binomial(8, 1 / (1 + np.exp(-sign * 6 * (scores - 0.5)))) / 8
    order = np.argsort(scores)
    y = sign * rates[order]
    # The isotonic fit's closed form, by brute force: max over starts of min over ends of the mean between them.
    fit = [max(min(y[a : b + 1].mean() for b in range(i, 64)) for a in range(i + 1)) for i in range(64)]
    for target in (0.3, 0.5, 0.8):
        center = calibrated_center(scores, rates, target)
        assert np.interp(center, scores[order], sign * np.array(fit)) == pytest.approx(target, abs=1e-9)


def test_equal_scores_count_as_one_point_with_their_weight():
    scores, rates = np.array([0.1, 0.1, 0.1, 0.5]), np.array([0.0, 0.0, 0.3, 0.9])
    assert calibrated_center(scores, rates, 0.5) == pytest.approx(0.1 + 0.4 * 0.5)  # from (0.1, 0.1) to (0.5, 0.9)
    scores, rates = np.array([0.1, 0.1, 0.1, 0.2, 0.9]), np.array([0.6, 0.6, 0.6, 0.2, 1.0])
    assert calibrated_center(scores, rates, 0.5) == pytest.approx(0.15)  # 0.1 and 0.2 pool to (3 * 0.6 + 0.2) / 4


def test_a_fit_that_never_meets_the_target_ends_at_the_nearest_measured_score():
    scores = np.array([0.1, 0.3, 0.7])
    assert calibrated_center(scores, np.array([0.1, 0.2, 0.3]), 0.5) == 0.7
    assert calibrated_center(scores, np.array([0.6, 0.8, 0.9]), 0.5) == 0.1
    assert calibrated_center(scores, np.array([0.3, 0.2, 0.1]), 0.5) == 0.1  # falls: the lowest score is the best
    assert calibrated_center(scores, np.array([0.9, 0.8, 0.6]), 0.5) == 0.7
    assert calibrated_center(scores, np.zeros(3), 0.5) == 0.7  # no direction: taken as rising
    with pytest.raises(ValueError, match="3 scores and 2 rates"):
        calibrated_center(scores, np.zeros(2), 0.5)


def test_a_calibrated_band_rolls_out_questions_of_the_runs_own_and_keeps_those_nearest_the_crossing():
    class Shifted(World):
        """Confidence is a known rising function of the pass rate: s = 0.2 + rate / 2."""

        def confidences(self, target, prompt=None):
            super().confidences(target, prompt)
            return 0.2 + self.rates / 2

        def pass_rates(self, samples, indices=None):
            super().pass_rates(samples, indices)
            self.drawn = list(indices)
            return self.rates[indices]

    band, centers, drawn = CalibratedBand(pass_rate=0.6, questions=40, samples=5), [], []
    for seed in (0, 0, 1):
        world = Shifted(400)
        selector = build_selector(Confidence(method="confidence", band=band, fraction=0.1), world.ids, seed, world, 8)
        kept, scores = selector.kept(), selector.scores()
        centers.append(selector.center())
        drawn.append(world.drawn)
        assert selector.center() == pytest.approx(0.2 + 0.6 / 2, abs=0.01)
        nearest = sorted(range(400), key=lambda i: abs(scores[i] - selector.center()))[:40]
        assert kept.tolist() == sorted(nearest)
        assert world.asked == ["confidences final_answer", "pass_rates 5 of 40"]  # once, however often it is read
        assert len(set(world.drawn)) == 40
    assert drawn[0] == drawn[1] != drawn[2]
    assert centers[0] == centers[1]


def test_more_questions_to_calibrate_by_than_the_pool_has_is_a_user_error():
    world = World(50)
    selection = Confidence(method="confidence", band=CalibratedBand(pass_rate=0.5))
    with pytest.raises(UserError, match=r"selection\.band\.questions: 64, expected at most the 50"):
        build_selector(selection, world.ids, 0, world, 8)


def test_the_centre_of_each_band_is_told_where_it_has_one():
    world = World(100)

    def center(band):
        return build_selector(Confidence(method="confidence", band=band), world.ids, 0, world, 8).center()

    scores = world.confidences("")
    assert center(CenterBand()) == scores.mean()
    assert center(CenterBand(center="median")) == np.median(scores)
    assert center(CenterBand(center=0.4)) == 0.4
    assert center(EndBand(end="lowest")) is None
    assert center(RangeBand(low=0.1, high=0.6)) is None


def test_a_range_by_value_holds_both_bounds():
    rates = np.array([0.125, 0.25, 0.5, 0.75, 0.875])
    assert band_indices(rates, RangeBand(low=0.25, high=0.75), None, np.arange(5)).tolist() == [1, 2, 3]


@pytest.mark.parametrize("total", [10, 97, 1024])
def test_ten_quantile_bands_share_no_question_and_miss_none_even_with_ties(total):
    rates = np.random.default_rng(1).integers(0, 3, total) / 2  # three values only
    places = np.random.default_rng(2).permutation(total)
    bins = [between_quantiles(rates, low / 10, (low + 1) / 10, places) for low in range(10)]
    assert sorted(np.concatenate(bins).tolist()) == list(range(total))
    assert max(map(len, bins)) - min(map(len, bins)) <= 1
    assert all(rates[a].max() <= rates[b].min() for a, b in pairwise(bins))


@pytest.mark.parametrize("total", [10, 30, 70, 90, 730])
def test_a_quantile_that_floats_cannot_hold_is_the_rank_it_means(total):
    scores = np.arange(total) / total
    for tenth in range(10):
        low, high = tenth / 10, tenth / 10 + 0.1  # 0.6 + 0.1 is less than 0.7, 0.7 + 0.1 less than 0.8
        assert between_quantiles(scores, low, high, np.arange(total)).tolist() == list(
            range(tenth * total // 10, (tenth + 1) * total // 10)
        )
    assert (0.29 * 100) < 29
    assert between_quantiles(np.arange(100) / 100, 0.29, 0.57, np.arange(100)).tolist() == list(range(29, 57))


@pytest.mark.parametrize("bad", [np.nan, -0.01, 1.01, np.inf])
def test_a_score_outside_its_range_is_refused_with_its_row(bad):
    with pytest.raises(ValueError, match="the first is row 2"):
        in_range(np.array([0.1, 0.2, bad]))


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
    build_selector(Confidence(method="low_confidence", prompt="paper"), world.ids, 0, world, 8).choose(2)
    build_selector(PromptPerplexity(method="prompt_perplexity"), world.ids, 0, world, 8).choose(2)
    build_selector(PromptEntropy(method="prompt_entropy"), world.ids, 0, world, 8).choose(2)
    assert world.asked[:3] == ["confidences solution", "pass_rates 5", "confidences final_answer paper"]
    assert world.asked[3:] == ["prompt perplexity", "prompt entropy"]


@pytest.mark.parametrize(
    ("selection", "best"),
    [
        (PassRate(method="easiest", fraction=0.1), max),
        (PassRate(method="hardest", fraction=0.1), min),
        (Confidence(method="high_confidence", fraction=0.1), max),
        (Confidence(method="low_confidence", fraction=0.1), min),
    ],
)
def test_the_named_ends_keep_the_extreme_scores(selection, best):
    world = World(100)
    selector = build_selector(selection, world.ids, 0, world, 8)
    scores, kept = selector.scores(), selector.kept()
    left = np.setdiff1d(np.arange(100), kept)
    assert len(kept) == 10
    assert min(scores[kept]) >= max(scores[left]) if best is max else max(scores[kept]) <= min(scores[left])


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
