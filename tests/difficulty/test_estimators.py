"""The line on top of a trained predictor: none, in sample, or from references left out, each against explicit loops."""

from __future__ import annotations

import numpy as np
import pytest

from repro.difficulty.attention import line_slope
from repro.difficulty.estimators import TrainedEstimator, UntrainedEstimator, least_squares
from tests.selection.worlds import World

K = 12


@pytest.fixture(scope="module")
def case():
    world = World(80, seed=3)
    predictor, embeddings = world.predictor()
    rng = np.random.default_rng(5)
    references = rng.choice(80, size=K, replace=False)
    truth = np.round((1 - world.rates[references]) * 8) / 8
    return predictor, embeddings, references, truth


def test_without_a_line_the_prediction_is_the_predictors_own(case):
    predictor, embeddings, references, truth = case
    made = TrainedEstimator(predictor, embeddings, "none").estimate(references, truth)
    projections = predictor.project(embeddings)
    assert np.array_equal(made.failure, predictor.predict(projections, references, truth))
    assert np.array_equal(made.left_out, predictor.left_out(projections, references, truth))
    assert made.slope == 1.0


def test_the_line_in_sample_is_least_squares_on_the_references_and_is_not_clipped(case):
    predictor, embeddings, references, truth = case
    made = TrainedEstimator(predictor, embeddings, "in_sample").estimate(references, truth)
    raw = predictor.predict(predictor.project(embeddings), references, truth)
    slope, intercept = np.polyfit(raw[references], truth, 1)
    assert made.failure == pytest.approx(intercept + slope * raw, abs=1e-9)
    assert made.slope == pytest.approx(slope)
    others = predictor.left_out(predictor.project(embeddings), references, truth)
    assert np.array_equal(made.left_out_raw, others)
    assert made.left_out == pytest.approx(intercept + slope * others, abs=1e-9)
    assert np.abs(made.left_out - others).max() > 0.01, "the line moves what it is put on"
    two = TrainedEstimator(predictor, embeddings, "in_sample").estimate(references[:2], np.array([0.0, 1.0]))
    assert two.failure[references[:2]] == pytest.approx([0.0, 1.0], abs=1e-6)  # a line through two points
    assert two.failure.min() < 0 or two.failure.max() > 1


def test_the_left_out_line_is_fitted_without_the_reference_that_it_judges(case):
    predictor, embeddings, references, truth = case
    made = TrainedEstimator(predictor, embeddings, "left_out").estimate(references, truth)
    raw = predictor.left_out(predictor.project(embeddings), references, truth)
    for i in range(K):
        rest = np.delete(np.arange(K), i)
        mean = {j: np.delete(truth, j).mean() for j in range(K)}
        x = np.array([raw[j] - mean[j] for j in rest])
        y = np.array([truth[j] - mean[j] for j in rest])
        slope = max(0.0, (x @ y + (y**2).mean()) / (x @ x + (y**2).mean()))
        expected = min(1.0, max(0.0, mean[i] + slope * (raw[i] - mean[i])))
        assert made.left_out[i] == pytest.approx(expected, abs=1e-12)


def test_the_left_out_line_goes_through_the_mean_of_the_references_and_is_clipped(case):
    predictor, embeddings, references, truth = case
    made = TrainedEstimator(predictor, embeddings, "left_out").estimate(references, truth)
    raw = predictor.predict(predictor.project(embeddings), references, truth)
    expected = np.clip(truth.mean() + made.slope * (raw - truth.mean()), 0, 1)
    assert made.failure == pytest.approx(expected, abs=1e-12)
    rest = (truth.sum() - truth) / (K - 1)
    assert made.slope == pytest.approx(float(line_slope(made.left_out_raw - rest, truth - rest)))


class Known:
    """A predictor whose predictions are given: `raw` for the pool, `others` for the references left out in turn."""

    def __init__(self, raw, others):
        self.raw, self.others = np.array(raw), np.array(others)

    def project(self, embeddings):
        return embeddings

    def predict(self, projections, references, truth):
        return self.raw

    def left_out(self, projections, references, truth):
        return self.others

    def attention(self, projections, questions, references):
        return np.full((len(questions), len(references)), 1 / len(references))


def test_a_steep_line_is_clipped_to_rates_for_the_pool_and_for_the_references_left_out():
    truth = np.array([0.0, 1.0] * 6)
    rest = (truth.sum() - truth) / 11
    others = rest + 0.4 * (truth - rest)
    others[0], others[1] = rest[0] - 0.6, rest[1] + 0.6  # these two go past 0 and 1
    raw = np.concatenate([others, [0.02, 0.5, 0.98]])
    made = TrainedEstimator(Known(raw, others), np.zeros((15, 2)), "left_out").estimate(np.arange(12), truth)
    assert made.slope > 1.4
    assert made.failure[12:].tolist() == [0.0, 0.5, 1.0]
    assert made.left_out[:2].tolist() == [0.0, 1.0]
    assert made.left_out[2:].min() > 0 and made.left_out[2:].max() < 1


def test_references_that_are_all_alike_leave_every_line_flat_and_finite(case):
    predictor, embeddings, references, _ = case
    for recalibration in ("none", "in_sample", "left_out"):
        for rate in (0.0, 0.5, 1.0):
            made = TrainedEstimator(predictor, embeddings, recalibration).estimate(references, np.full(K, rate))
            assert np.isfinite(made.failure).all()
            assert np.ptp(made.failure) < 1e-6


def test_attention_weights_are_shares(case):
    predictor, embeddings, references, truth = case
    for estimator in (TrainedEstimator(predictor, embeddings, "none"), UntrainedEstimator(embeddings)):
        weights = estimator.attention(np.array([4, 7, 9]), references, truth)
        assert weights.shape == (3, K)
        assert weights.sum(axis=1) == pytest.approx(1.0)
        assert (weights >= 0).all()


def test_least_squares_of_constant_predictions_is_the_mean():
    assert least_squares(np.full(5, 0.3), np.array([0.0, 0.5, 1.0, 0.5, 0.5])) == (0.0, 0.5)
    alike = 0.3 + 1e-9 * np.arange(5)  # differ by rounding: a slope would be noise, 1e8 times too large
    assert least_squares(alike, np.array([0.0, 0.5, 1.0, 0.5, 0.5])) == (0.0, 0.5)
