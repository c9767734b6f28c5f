"""DOTS' predictor: the attention formula by brute force, and a recalibration that sees no answer of its own."""

from __future__ import annotations

import numpy as np
import pytest

from repro.selection.attention import (
    attention_temperature,
    effective_references,
    fit_line,
    left_out,
    pearson,
    predict,
    softmax,
    standardize,
)


def test_the_prediction_is_the_attention_formula():
    rng = np.random.default_rng(0)
    z = standardize(rng.normal(size=(30, 6)))
    references = np.array([3, 8, 11, 20, 27])
    truth = np.array([0.0, 0.25, 0.5, 0.875, 1.0])[np.argsort(np.argsort(z[references, 0] + z[references, 1]))]
    scores = [[sum(z[q, k] * z[i, k] for k in range(6)) / np.sqrt(6) for i in references] for q in range(30)]
    temperature = attention_temperature(np.array(scores)[references])
    raw = []
    for row in scores:
        weights = [np.exp(score / temperature) for score in row]
        raw.append(sum(w * d for w, d in zip(weights, truth, strict=True)) / sum(weights))
    held_out = []
    for i in range(5):
        weights = [np.exp(scores[references[i]][j] / temperature) * (j != i) for j in range(5)]
        held_out.append(sum(w * d for w, d in zip(weights, truth, strict=True)) / sum(weights))
    slope, intercept = np.polyfit(held_out, truth, 1)
    prediction = predict(z, references, truth)
    np.testing.assert_allclose(prediction.left_out_raw, held_out, atol=1e-12)
    assert prediction.slope == pytest.approx(slope)
    expected = [min(1.0, max(0.0, slope * value + intercept)) for value in raw]
    np.testing.assert_allclose(prediction.failure, expected, atol=1e-9)


def test_the_temperature_makes_references_attend_to_about_the_root_of_their_number():
    for count, width in ((16, 8), (64, 96), (256, 32)):
        z = standardize(np.random.default_rng(count).normal(size=(count, width)))
        scores = z @ z.T / np.sqrt(width)
        masked = scores / attention_temperature(scores)
        np.fill_diagonal(masked, -np.inf)
        assert effective_references(softmax(masked)) == pytest.approx(np.sqrt(count), rel=1e-3)


def test_identical_embeddings_predict_the_mean_of_the_references_for_all():
    prediction = predict(standardize(np.ones((20, 4))), np.arange(6), np.array([0, 0.5, 1, 1, 0.5, 1.0]))
    assert prediction.failure == pytest.approx(np.full(20, 4 / 6))
    assert prediction.slope == 0


def test_standardized_rows_have_zero_mean_dimensions_before_scaling_and_length_root_h_after():
    raw = np.random.default_rng(0).normal(size=(50, 6)) * [1, 10, 100, 1, 1, 0] + 7
    z = standardize(raw)
    assert np.linalg.norm(z, axis=1) == pytest.approx(np.full(50, np.sqrt(6)))
    assert np.array_equal(z[:, 5], np.zeros(50))  # a constant dimension says nothing
    shifted = standardize(raw * [3, 0.1, 1, 5, 1, 1] + [1, 2, 3, 4, 5, 6])
    np.testing.assert_allclose(z, shifted, atol=1e-8)  # the scale of a dimension does not matter


def test_the_line_is_least_squares_but_never_falls():
    x, y = np.array([0.1, 0.4, 0.5, 0.9]), np.array([0.0, 0.3, 0.6, 0.8])
    assert fit_line(x, y) == pytest.approx(tuple(np.polyfit(x, y, 1)))
    assert fit_line(x, -y) == pytest.approx((0.0, -y.mean()))
    assert fit_line(np.full(4, 0.3), y) == pytest.approx((0.0, y.mean()))


def test_without_information_the_left_out_mean_would_mislead_a_free_line():
    truth = np.array([0.0, 0.25, 1.0, 0.5, 0.75, 0.0])
    raw = left_out(np.zeros((6, 6)), truth)  # every other reference weighs the same
    assert np.polyfit(raw, truth, 1)[0] == pytest.approx(-5)  # -(K - 1)
    assert fit_line(raw, truth) == pytest.approx((0.0, truth.mean()))


def test_recalibration_never_sees_the_reference_it_predicts():  # dots_rr trap 10
    rng = np.random.default_rng(4)
    z = standardize(rng.normal(size=(40, 5)))
    references, truth = np.arange(12), rng.uniform(size=12)
    before = predict(z, references, truth).left_out
    for i in range(12):
        changed = truth.copy()
        changed[i] = 1 - changed[i]
        after = predict(z, references, changed).left_out
        assert after[i] == pytest.approx(before[i], abs=1e-12)
        assert not np.allclose(np.delete(after, i), np.delete(before, i))


def test_predictions_stay_between_zero_and_one_where_the_line_leaves_that_range():  # dots_rr trap 10
    embeddings = np.random.default_rng(0).normal(size=(400, 6))
    references = np.arange(0, 400, 4)
    prediction = predict(standardize(embeddings), references, (embeddings[references, 0] > 0).astype(float))
    assert prediction.slope > 1.1  # averages shrink towards the middle, and the line stretches them back
    assert prediction.failure.min() == 0
    assert prediction.failure.max() == 1
    assert (prediction.left_out >= 0).all()
    assert (prediction.left_out <= 1).all()


def test_reference_rows_are_projected_once_per_refresh_and_not_per_query():  # dots_rr trap 9
    class Counting(np.ndarray):
        products = 0

        def __matmul__(self, other):
            Counting.products += 1
            return np.asarray(self) @ np.asarray(other)

    z = standardize(np.random.default_rng(0).normal(size=(500, 8))).view(Counting)
    predict(z, np.arange(20), np.linspace(0, 1, 20))
    assert Counting.products == 1


def test_correlation_of_constants():
    varied, constant = np.array([0.0, 0.5, 1.0]), np.full(3, 0.5)
    assert pearson(varied, varied) == pytest.approx(1)
    assert pearson(constant, varied) == 0
    assert pearson(varied, constant) is None
