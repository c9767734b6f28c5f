"""Quality of a prediction: what scipy says, and what constants say."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from repro.difficulty.quality import quality


def test_quality_is_that_of_scipy_and_says_nothing_where_all_rates_are_alike() -> None:
    generator = np.random.default_rng(0)
    measured = generator.integers(0, 5, 30) / 4
    predicted = np.round(measured + generator.normal(0, 0.4, 30), 1)
    found = quality(predicted, measured)
    assert found["pearson"] == pytest.approx(stats.pearsonr(predicted, measured).statistic)
    assert found["spearman"] == pytest.approx(stats.spearmanr(predicted, measured).statistic)
    assert found["mae"] == pytest.approx(np.mean(np.abs(predicted - measured)))
    assert set(quality(predicted, np.full(30, 0.25))) == {"mae"}


def test_a_constant_prediction_correlates_with_nothing() -> None:
    measured = np.array([0.0, 0.5, 1.0])
    assert quality(np.full(3, 0.5), measured) == {"mae": pytest.approx(1 / 3), "pearson": 0.0, "spearman": 0.0}
