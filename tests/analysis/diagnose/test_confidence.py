"""Whether confidence tracks the pass rate: the noise of few samples is taken off, length is held fixed."""

from __future__ import annotations

import numpy as np
import pytest

from repro.analysis.diagnose.confidence import tracking
from repro.numbers import spearman
from tests.diagnose.pools import rewards_of


def test_the_correction_finds_what_many_samples_would_show() -> None:
    generator = np.random.default_rng(0)
    rates = generator.beta(1.0, 1.0, 1200)
    s = np.clip(rates + generator.normal(0, 0.25, 1200), 0, 1)
    found = tracking(s, rewards_of(rates, 4, generator), np.ones(1200, int), generator)
    truth = spearman(s, rates)
    assert found.rho.value < truth - 0.04
    assert found.corrected.value == pytest.approx(truth, abs=0.05)
    assert found.corrected.low < truth < found.corrected.high


def test_confidence_that_follows_the_length_alone_says_nothing_at_equal_length() -> None:
    generator = np.random.default_rng(1)
    length = generator.integers(1, 6, 800)
    rates = np.clip(0.9 - 0.15 * length + generator.normal(0, 0.05, 800), 0, 1)
    s = np.clip(0.8 - 0.1 * length + generator.normal(0, 0.05, 800), 0, 1)
    found = tracking(s, rewards_of(rates, 8, generator), length, generator)
    assert found.rho.value > 0.5 and found.length.value < -0.8
    assert abs(found.beside_length.value) < 0.15


def test_a_confidence_that_is_the_pass_rate_is_calibrated_and_finds_what_is_solved_sometimes() -> None:
    generator = np.random.default_rng(2)
    rates = np.concatenate([np.zeros(300), np.full(300, 0.5), np.ones(300)])
    found = tracking(rates, rewards_of(rates, 8, generator), np.ones(900, int), generator)
    assert found.error < 0.02 and len(found.bins) == 10
    assert found.auroc.value > 0.99
    assert tracking(0.3 * rates, rewards_of(rates, 8, generator), np.ones(900, int), generator).error > 0.3


def test_pass_rates_without_any_spread_give_no_correlation_and_no_error() -> None:
    generator = np.random.default_rng(3)
    found = tracking(generator.random(50), np.zeros((50, 8)), np.ones(50, int), generator)
    assert not found.rho.known and not found.corrected.known and not found.auroc.known
