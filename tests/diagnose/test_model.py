"""The check of the beta model: quiet where it holds, loud where it does not."""

from __future__ import annotations

import numpy as np
import pytest

from repro.diagnose.model import check_model

from .pools import rewards_of


def test_a_pool_that_has_a_beta_distribution_fits_it() -> None:
    generator = np.random.default_rng(0)
    found = check_model(rewards_of(generator.beta(0.5, 1.5, 800), 8, generator), generator)
    assert found is not None and found.p > 0.05
    assert found.carried == pytest.approx(found.measured, abs=0.03)


def test_a_pool_of_two_kinds_of_questions_does_not() -> None:
    generator = np.random.default_rng(0)
    found = check_model(rewards_of(generator.choice([0.45, 0.95], 800), 8, generator), generator)
    assert found is not None and found.p < 0.02


def test_rewards_between_0_and_1_are_not_checked() -> None:
    assert check_model(np.full((20, 8), 0.5), np.random.default_rng(0)) is None
