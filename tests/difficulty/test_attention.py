"""DOTS' predictor: the attention formula by brute force, and a recalibration that sees no answer of its own."""

from __future__ import annotations

import numpy as np
import pytest

from repro.difficulty.attention import (
    calibrate,
    candidate_temperatures,
    effective_references,
    left_out,
    left_two_out,
    line_slope,
    predict,
    whiten,
)
from repro.numbers import pearson, softmax


def attend(scores, truth, allowed):
    """softmax(scores) . truth over the allowed references, by the definition."""
    weights = [np.exp(scores[j]) if allowed(j) else 0.0 for j in range(len(truth))]
    return sum(w * d for w, d in zip(weights, truth, strict=True)) / sum(weights)


def scene(count=12, width=5, signal=1.0, seed=0, pool=40):
    """(z, references, truth) whose truth follows the first dimension as far as `signal` says."""
    rng = np.random.default_rng(seed)
    z = whiten(rng.normal(size=(pool, width)))
    references = rng.choice(pool, count, replace=False)
    noise = rng.normal(size=count)
    truth = 1 / (1 + np.exp(-2 * (signal * z[references, 0] + (1 - signal) * noise)))
    return z, references, truth


def scores_of(z, references):
    return z[references] @ z[references].T / np.sqrt(z.shape[1])


def test_the_prediction_is_the_attention_formula_and_a_line_through_the_mean():
    z, references, truth = scene()
    prediction = predict(z, references, truth)
    temperature, slope = prediction.calibration.temperature, prediction.calibration.slope
    assert slope != 1
    for q in range(40):
        scores = [float(z[q] @ z[i]) / np.sqrt(5) / temperature for i in references]
        raw = attend(scores, truth, lambda j: True)
        expected = min(1.0, max(0.0, truth.mean() + slope * (raw - truth.mean())))
        assert prediction.failure[q] == pytest.approx(expected, abs=1e-12)


def test_leaving_one_and_two_out_equal_their_definitions():
    z, references, truth = scene(count=7)
    scores = scores_of(z, references) / 0.3
    one, two = left_out(scores, truth), left_two_out(scores, truth)
    for j in range(7):
        assert one[j] == pytest.approx(attend(scores[j], truth, lambda k: k != j), abs=1e-12)  # noqa: B023
        for i in set(range(7)) - {j}:
            expected = attend(scores[j], truth, lambda k: k not in (i, j))  # noqa: B023
            assert two[i, j] == pytest.approx(expected, abs=1e-6)


def test_leaving_out_the_only_neighbour_leaves_a_finite_prediction():
    scores = np.array([[0, 900, 0, 0], [900, 0, 0, 0], [0, 0, 0, 900], [0, 0, 900, 0.0]])
    two = left_two_out(scores, np.array([0.0, 1.0, 0.25, 0.75]))
    assert two[0, 1] == pytest.approx(0.5, abs=1e-6)  # 0 left out of 1's neighbours: the rest weigh alike
    assert np.isfinite(two).all()


def test_the_temperature_has_the_least_leave_one_out_error_of_the_candidates():
    for seed in range(5):
        z, references, truth = scene(count=24, seed=seed, signal=0.7)
        scores = scores_of(z, references)
        errors = {t: ((left_out(scores / t, truth) - truth) ** 2).sum() for t in candidate_temperatures(scores)}
        assert calibrate(scores, truth).temperature == min(errors, key=errors.get)


def test_of_equally_good_temperatures_the_flattest_is_taken():
    z, references, _ = scene(count=12)
    scores = scores_of(z, references)
    alike = np.full(12, 0.25)  # each temperature predicts what all references are
    assert calibrate(scores, alike).temperature == candidate_temperatures(scores)[-1]


def test_the_candidates_reach_from_one_neighbour_to_all_whatever_the_width():
    for count, width in ((16, 8), (64, 24), (256, 96)):
        z = whiten(np.random.default_rng(count).normal(size=(2000, width)), components=width)
        scores = scores_of(z, np.arange(count))
        wide = []
        for temperature in candidate_temperatures(scores):
            weights = scores / temperature
            np.fill_diagonal(weights, -np.inf)
            wide.append(effective_references(softmax(weights)))
        assert wide == sorted(wide)
        assert wide[0] < 3
        assert wide[-1] > 0.95 * (count - 1)


def test_the_whole_recalibration_never_sees_the_reference_it_predicts():
    z, references, truth = scene(signal=0.6, seed=4)
    before = calibrate(scores_of(z, references), truth).left_out
    for i in range(12):
        changed = truth.copy()
        changed[i] = 1 - changed[i]
        after = calibrate(scores_of(z, references), changed).left_out
        assert after[i] == pytest.approx(before[i], abs=1e-12)
        assert not np.allclose(np.delete(after, i), np.delete(before, i))


def test_each_left_out_prediction_is_a_calibration_without_that_reference():
    z, references, truth = scene(count=10, signal=0.8, seed=1)
    scores = scores_of(z, references)
    whole = calibrate(scores, truth)
    temperatures = candidate_temperatures(scores)
    for i in range(10):
        rest = np.delete(np.arange(10), i)
        inner, known = scores[np.ix_(rest, rest)], truth[rest]
        errors = [((left_out(inner / t, known) - known) ** 2).sum() for t in temperatures]
        best = temperatures[int(np.argmin(errors))]
        means = np.array([np.delete(known, j).mean() for j in range(9)])
        slope = line_slope(left_out(inner / best, known) - means, known - means)
        raw = attend(scores[i] / best, truth, lambda j: j != i)  # noqa: B023
        expected = np.clip(known.mean() + slope * (raw - known.mean()), 0, 1)
        assert whole.left_out[i] == pytest.approx(expected, abs=1e-6)


def test_the_estimated_error_is_that_on_questions_that_are_no_references():
    estimated, actual = [], []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        z = whiten(rng.normal(size=(400, 6)))
        failure = 1 / (1 + np.exp(-2 * z[:, 0]))
        references = rng.choice(400, 24, replace=False)
        prediction = predict(z, references, failure[references])
        rest = np.setdiff1d(np.arange(400), references)
        estimated.append(np.abs(prediction.calibration.left_out - failure[references]).mean())
        actual.append(np.abs(prediction.failure - failure)[rest].mean())
    assert np.mean(estimated) == pytest.approx(np.mean(actual), rel=0.05)


def test_without_information_a_free_line_would_mislead_and_ours_predicts_the_mean():
    truth = np.array([0.0, 0.25, 1.0, 0.5, 0.75, 0.0])
    raw = left_out(np.zeros((6, 6)), truth)  # every other reference weighs the same
    assert np.polyfit(raw, truth, 1)[0] == pytest.approx(-5)  # -(K - 1)
    mean = (truth.sum() - truth) / 5
    assert line_slope(raw - mean, truth - mean) == pytest.approx(1)
    prediction = predict(whiten(np.ones((20, 4))), np.arange(6), truth)
    assert prediction.failure == pytest.approx(np.full(20, truth.mean()))


def test_unrelated_embeddings_correlate_with_nothing_on_average():
    correlations = []
    for seed in range(200):
        z, references, truth = scene(count=16, signal=0.0, seed=seed)
        mean = (truth.sum() - truth) / 15
        raw = calibrate(scores_of(z, references), truth).left_out_raw
        correlations.append(pearson(raw - mean, truth - mean))
    assert abs(np.mean(correlations)) < 0.1


def test_the_slope_is_least_squares_drawn_towards_one_and_never_negative():
    x, y = np.array([-0.3, -0.1, 0.1, 0.3]), np.array([-0.4, -0.1, 0.2, 0.3])
    free = (x @ y) / (x @ x)
    pull = (y**2).mean()
    assert line_slope(x, y) == pytest.approx((x @ y + pull) / (x @ x + pull))
    assert 1 < line_slope(x, y) < free
    many = [np.tile(a, 10_000) for a in (x, y)]
    assert line_slope(*many) == pytest.approx(free, abs=1e-3)  # the pull fades with the number of references
    assert line_slope(x, -y) == 0
    assert line_slope(np.zeros(4), y) == 1
    assert line_slope(np.stack([x, y]), np.stack([y, x])) == pytest.approx([line_slope(x, y), line_slope(y, x)])


@pytest.mark.parametrize("count", [2, 3, 4])
def test_a_handful_of_references_still_gives_finite_predictions(count):
    z, references, truth = scene(count=count)
    prediction = predict(z, references, truth)
    assert np.isfinite(prediction.failure).all()
    assert np.isfinite(prediction.calibration.left_out).all()
    with pytest.raises(ValueError, match="1 references"):
        predict(z, references[:1], truth[:1])
    with pytest.raises(ValueError, match="expected equal"):
        predict(z, references, truth[:-1])


def test_predictions_stay_between_zero_and_one_where_the_line_leaves_that_range():
    embeddings = np.random.default_rng(0).normal(size=(400, 6))
    references = np.arange(0, 400, 4)
    prediction = predict(whiten(embeddings), references, (embeddings[references, 0] > 0).astype(float))
    assert prediction.calibration.slope > 1.1  # averages shrink towards the middle, the line stretches them back
    assert prediction.failure.min() == 0
    assert prediction.failure.max() == 1
    assert (prediction.calibration.left_out >= 0).all()
    assert (prediction.calibration.left_out <= 1).all()


def test_whitened_rows_have_length_root_c_and_no_memory_of_a_dimensions_scale():
    raw = np.random.default_rng(0).normal(size=(50, 6)) * [1, 10, 100, 1, 1, 0] + 7
    z = whiten(raw)
    assert np.linalg.norm(z, axis=1) == pytest.approx(np.full(50, np.sqrt(6)))
    assert np.array_equal(z[:, 5], np.zeros(50))  # a direction without variance says nothing
    rescaled = whiten(raw * [3, 0.1, 1, 5, 1, 1] + [1, 2, 3, 4, 5, 6])
    np.testing.assert_allclose(z @ z.T, rescaled @ rescaled.T, atol=1e-8)  # only angles between rows matter


def test_whitening_keeps_the_leading_directions_only():
    rng = np.random.default_rng(1)
    signal, noise = rng.normal(size=(200, 3)), rng.normal(size=(200, 40))
    mixed = np.concatenate([10 * signal, 0.1 * noise], axis=1) @ np.linalg.qr(rng.normal(size=(43, 43)))[0]
    z = whiten(mixed, components=3)
    assert z.shape == (200, 3) and whiten(mixed).shape == (200, 8)
    expected = whiten(signal, components=3)
    np.testing.assert_allclose(z @ z.T, expected @ expected.T, atol=0.15)


def test_reference_rows_are_projected_once_per_refresh_and_not_per_query():
    class Counting(np.ndarray):
        products = 0

        def __matmul__(self, other):
            Counting.products += 1
            return np.asarray(self) @ np.asarray(other)

    z = whiten(np.random.default_rng(0).normal(size=(500, 8))).view(Counting)
    predict(z, np.arange(20), np.linspace(0, 1, 20))
    assert Counting.products == 1
