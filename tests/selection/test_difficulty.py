"""DOTS' draw, refreshes and what is measured: closed forms, and the traps that others fell into."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from repro.difficulty.estimators import TrainedEstimator
from repro.draws import gumbel_top_k
from repro.errors import UserError
from repro.selection.methods.difficulty import Difficulty
from repro.selection.pool import align
from tests.selection.worlds import build_selector

from .worlds import World


def selector(world, seed=0, **fields):
    selection = Difficulty(method="difficulty", **{"references": 32, "every": 2, **fields})
    return build_selector(selection, world.ids, seed, world, 8)


# ---------------------------------------------------------------- the draw


def test_a_tiny_temperature_draws_the_nearest_and_not_consecutive_indices():
    rng = np.random.default_rng(0)
    distance = rng.uniform(0.2, 0.5, 2000)  # exp(-200) and less: zero in float32, and nearly so in float64
    assert np.exp(np.float32(-distance / 1e-3)).sum() == 0
    drawn = gumbel_top_k(-distance / 1e-3, 50, rng)
    assert len(set(drawn.tolist())) == 50
    assert np.corrcoef(np.sort(drawn), np.arange(50))[0, 1] < 0.999
    assert np.diff(np.sort(drawn)).min() >= 1
    assert (np.diff(drawn) == 1).mean() < 0.1
    nearest = np.argsort(distance)[:80]
    assert np.isin(drawn, nearest).all()  # a difference of 10 temperatures is decisive


def test_what_has_no_weight_in_float32_comes_here_by_its_distance():
    """exp(-104) is below the smallest number of float32, 2 ** -149."""
    distance = np.array([0.02, 0.0, 0.11, 0.30, 0.16, 0.01, 0.22])
    weights = torch.softmax(torch.from_numpy(-distance / 1e-3).float(), 0).numpy()
    assert ((weights == 0) == (distance > 0.104)).all()
    drawn = gumbel_top_k(-distance / 1e-3, 6, np.random.default_rng(0))
    assert sorted(drawn) == [0, 1, 2, 4, 5, 6], "differences of 50 temperatures are decisive"


def test_the_first_draw_has_the_probabilities_of_the_softmax():
    log_weights = np.log(np.array([0.5, 0.25, 0.15, 0.1])) - 700.0  # shifted to where exp underflows to almost nothing
    rng = np.random.default_rng(1)
    counts = np.bincount([gumbel_top_k(log_weights, 1, rng)[0] for _ in range(8000)], minlength=4)
    expected = 8000 * np.array([0.5, 0.25, 0.15, 0.1])
    assert ((counts - expected) ** 2 / expected).sum() < 16.3  # chi-squared, 3 degrees, p = 0.001


def test_the_second_draw_has_the_probabilities_of_sampling_without_replacement():
    weights = np.array([0.6, 0.3, 0.1])
    rng = np.random.default_rng(2)
    pairs = [tuple(gumbel_top_k(np.log(weights), 2, rng)) for _ in range(8000)]
    for a in range(3):
        for b in {0, 1, 2} - {a}:
            expected = weights[a] * weights[b] / (1 - weights[a])
            assert pairs.count((a, b)) / 8000 == pytest.approx(expected, abs=0.02)


def test_all_equally_far_questions_are_equally_likely():
    rng = np.random.default_rng(3)
    drawn = [i for _ in range(2000) for i in gumbel_top_k(np.full(10, -900.0), 2, rng)]
    assert np.bincount(drawn, minlength=10) == pytest.approx(np.full(10, 400), abs=80)


def test_a_window_draws_without_replacement_and_starts_over_when_the_pool_is_short():
    world = World(60)
    chooser = selector(world, every=3)
    for window in [[chooser.choose(20) for _ in range(3)] for _ in range(3)]:
        assert sorted(i for chosen in window for i in chosen) == list(range(60))
    short = selector(World(60), every=4)
    first, second, third, fourth = (short.choose(25) for _ in range(4))
    assert not set(first) & set(second)  # 10 are left for a batch of 25: the window starts over
    assert not set(third) & set(fourth)
    assert set(first) & set(third)


def test_the_choice_is_near_the_target_wherever_the_target_is():
    for target in (0.2, 0.5, 0.8):
        world = World(400, width=2)
        chooser = selector(world, target=target, references=64)
        chosen = chooser.choose(20)
        failure = 1 - chooser.predictions()
        nearest = np.sort(np.abs(failure - target))[:20]
        assert np.abs(failure[chosen] - target).max() <= nearest.max() + 0.02  # 20 temperatures
        assert (1 - world.rates[chosen]).mean() == pytest.approx(target, abs=0.15)


# ---------------------------------------------------------------- when it refreshes


def test_references_are_measured_at_the_top_of_every_mu_th_choice():
    world = World()
    chooser = selector(world, every=3, references=16)
    measured = []
    for _ in range(7):
        chooser.choose(5)
        measured.append(world.asked.count("probe"))
    assert measured == [1, 1, 1, 2, 2, 2, 3]
    assert world.asked.count("embeddings") == 1
    for references, rows in world.probes:
        assert len(set(references)) == 16
        assert all(len(row) == 8 for row in rows)


def test_the_number_of_samples_can_differ_from_the_group_size():
    world = World()
    selector(world, samples=3).choose(5)
    assert {len(row) for row in world.probes[0][1]} == {3}


def test_references_are_uniform_over_the_pool():
    world = World(40)
    chooser = selector(world, references=10, every=1)
    for _ in range(400):
        chooser.choose(4)
    counts = np.bincount([i for indices, _ in world.probes for i in indices], minlength=40)
    assert counts == pytest.approx(np.full(40, 100), abs=35)


def test_more_references_than_questions_is_a_user_error():
    with pytest.raises(UserError, match=r"references: 32, expected at most the 20"):
        selector(World(20))


def test_predictions_follow_the_truth_in_a_world_where_embeddings_know_it():
    world = World(600, width=4)
    chooser = selector(world, references=64, every=1)
    correlations = []
    for _ in range(6):
        chooser.choose(8)
        rest = np.setdiff1d(np.arange(600), world.probes[-1][0])
        correlations.append(np.corrcoef(chooser.predictions()[rest], world.rates[rest])[0, 1])
    assert np.mean(correlations) > 0.7


# ---------------------------------------------------------------- measured on uniform questions


def test_quality_compares_the_prediction_in_force_with_new_uniform_references():
    world = World(300, width=3)
    chooser = selector(world, every=1, references=40)
    chooser.choose(8)
    assert "predictor_pearson" not in chooser.metrics()  # nothing was predicted yet
    before = chooser.predictions()
    chooser.choose(8)
    old, (new, rows) = world.probes[0][0], world.probes[1]
    fresh = [k for k, i in enumerate(new) if i not in old]  # those the prediction had not measured
    assert 0 < len(fresh) < 40
    measured = np.array([np.mean(rows[k]) for k in fresh])
    predicted = before[[new[k] for k in fresh]]
    metrics = chooser.metrics()
    assert metrics["predictor_pearson"] == pytest.approx(np.corrcoef(predicted, measured)[0, 1])
    assert metrics["predictor_mae"] == pytest.approx(np.abs(predicted - measured).mean())
    assert metrics["reference_pass_rate"] == pytest.approx(np.mean(rows))
    assert metrics["reference_informative"] == np.mean([0 < sum(row) < 8 for row in rows])


def test_correlation_on_the_chosen_questions_collapses_which_is_why_it_is_not_reported():
    world = World(600, width=4)
    chooser = selector(world, references=64, every=1)
    on_chosen, on_uniform = [], []
    for _ in range(8):
        chosen = chooser.choose(40)
        on_chosen.append(np.corrcoef(chooser.predictions()[chosen], world.rates[chosen])[0, 1])
        on_uniform.append(chooser.metrics().get("predictor_pearson", np.nan))
    assert np.nanmean(on_uniform) > 0.7
    assert abs(np.nanmean(on_chosen)) < 0.3


def test_steps_without_a_refresh_report_no_quality():
    chooser = selector(World(), every=2)
    for step in range(6):
        chooser.choose(4)
        assert ("loo_pearson" in chooser.metrics()) == (step % 2 == 0)
        assert {"predicted_mean", "chosen_predicted_mean", "chosen_near_target"} <= set(chooser.metrics())


def test_predicted_means_are_pass_rates_of_the_pool_and_of_the_chosen():
    chooser = selector(World(), target=0.8)
    chosen = chooser.choose(10)
    rates = chooser.predictions()
    metrics = chooser.metrics()
    assert metrics["predicted_mean"] == pytest.approx(rates.mean())
    assert metrics["chosen_predicted_mean"] == pytest.approx(rates[chosen].mean())
    assert metrics["chosen_near_target"] == pytest.approx((np.abs(1 - rates[chosen] - 0.8) <= 0.1).mean())
    assert metrics["chosen_predicted_mean"] < metrics["predicted_mean"]  # a failure rate of 0.8 is hard


def test_the_share_near_the_target_counts_questions_within_a_tenth_of_it():
    chooser = selector(World(), temperature=10.0)
    chosen = chooser.choose(60)
    distance = np.abs(1 - chooser.predictions()[chosen] - 0.5)
    share = chooser.metrics()["chosen_near_target"]
    assert share == (distance <= 0.1).mean()
    assert len({share, (distance <= 0.05).mean(), (distance <= 0.2).mean()}) == 3, "other widths give other shares"


@pytest.mark.parametrize("recalibration", ["left_out", "in_sample"])
def test_quality_left_out_is_that_of_the_whole_predictor_and_of_deviations_from_the_other_references(recalibration):
    world = World(200)
    chooser = selector(world, predictor="trained", recalibration=recalibration)
    chooser.choose(8)
    references, rows = world.probes[0]
    truth = 1 - np.array([np.mean(row) for row in rows])
    predictor, embeddings = world.predictor()
    made = TrainedEstimator(predictor, embeddings, recalibration).estimate(np.array(references), truth)
    others = np.array([np.delete(truth, k).mean() for k in range(len(truth))])
    metrics = chooser.metrics()
    assert metrics["loo_mae"] == pytest.approx(np.abs(made.left_out - truth).mean())
    assert metrics["loo_pearson"] == pytest.approx(np.corrcoef(made.left_out_raw - others, truth - others)[0, 1])
    assert metrics["loo_mae"] != pytest.approx(np.abs(made.left_out_raw - truth).mean())
    assert metrics["loo_pearson"] != pytest.approx(np.corrcoef(made.left_out_raw, truth)[0, 1])


# ---------------------------------------------------------------- rows and questions


def test_embedding_rows_are_matched_by_question_id_and_not_by_position():
    world, shuffled = World(200), World(200)
    order = np.random.default_rng(0).permutation(200)
    shuffled._ids = [world.ids[i] for i in order]
    shuffled._embeddings = world.embeddings()[order]
    shuffled.rates = world.rates  # probes are asked by train index
    straight = selector(world)
    crooked = build_selector(straight.selection, world.ids, 0, shuffled, 8)
    assert straight.choose(9) == crooked.choose(9)
    np.testing.assert_allclose(straight.predictions(), crooked.predictions(), atol=1e-12)


def test_scores_are_matched_by_question_id_too():
    world, shuffled = World(100), World(100)
    order = np.random.default_rng(1).permutation(100)
    shuffled._ids, shuffled.rates = [world.ids[i] for i in order], world.rates[order]
    from repro.selection.methods.confidence import Confidence

    build = [build_selector(Confidence(method="confidence"), world.ids, 0, w, 8) for w in (world, shuffled)]
    assert build[0].kept().tolist() == build[1].kept().tolist()


def test_missing_doubled_and_surplus_rows():
    values = np.array([1.0, 2.0, 3.0])
    assert align(values, ["a", "b", "c"], ["c", "a"]).tolist() == [3.0, 1.0]
    with pytest.raises(ValueError, match="1 of 2 questions have no row, the first is 'd'"):
        align(values, ["a", "b", "c"], ["a", "d"])
    with pytest.raises(ValueError, match="not unique: 3 rows, 2 distinct"):
        align(values, ["a", "b", "a"], ["a"])
    with pytest.raises(ValueError, match="3 rows of values for 2 row ids"):
        align(values, ["a", "b"], ["a"])
    with pytest.raises(ValueError, match="distinct ids"):
        build_selector(Difficulty(method="difficulty"), ["a", "a"], 0, World(), 8)


def test_a_probe_that_returns_too_few_rewards_is_refused():
    world = World()
    world.probe = lambda indices, samples, keep=False: [(1.0,) * (samples - 1)] * len(indices)
    with pytest.raises(ValueError, match="expected 32 of 8 rewards each"):
        selector(world).choose(4)
