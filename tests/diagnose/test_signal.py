"""Groups without a gradient: no bias from K samples, a model beyond, and intervals that cover."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from repro.diagnose.signal import beta_of, beta_silent, resamples, share_of, silent, silent_share, spread_of
from repro.groups import has_spread

from .pools import chance, rewards_of


@pytest.mark.parametrize("min_spread", [0.0, 0.3])
@pytest.mark.parametrize("group_size", [1, 2, 4, 7])
def test_the_chance_is_the_share_of_all_subsets_without_a_spread(group_size: int, min_spread: float) -> None:
    generator = np.random.default_rng(3)
    rewards = generator.choice([0.0, 0.1, 0.25, 0.4, 1.0], (20, 7))
    expected = [
        np.mean([not has_spread(part, min_spread) for part in combinations(row, group_size)])
        for row in rewards.tolist()
    ]
    assert silent(rewards, group_size, min_spread) == pytest.approx(expected)


def test_a_group_larger_than_the_samples_is_refused() -> None:
    with pytest.raises(ValueError, match="groups of 5 from 4 samples"):
        silent(np.zeros((3, 4)), 5)


@pytest.mark.parametrize("group_size", [4, 8])
def test_the_mean_has_no_bias(group_size: int) -> None:
    rates = np.array([0.0, 0.05, 0.2, 0.5, 0.9])
    generator = np.random.default_rng(0)
    found = np.mean([silent(rewards_of(rates, 8, generator), group_size) for _ in range(4000)], axis=0)
    assert found == pytest.approx(1 - chance(rates, group_size), abs=0.025)


@pytest.mark.parametrize("group_size", [4, 8, 16])
def test_intervals_of_a_share_cover_at_their_rate(group_size: int) -> None:
    """Groups of 16 from 8 samples rest on the beta model, which these pass rates have."""
    truth = float(beta_silent(np.array([0.4]), np.array([1.1]), group_size)[0])
    generator, hits = np.random.default_rng(group_size), 0
    repeats = 300
    for _ in range(repeats):
        rewards = rewards_of(generator.beta(0.4, 1.1, 80), 8, generator)
        found = share_of(silent_share(rewards, group_size, resamples(generator, 80, 150)), 80)
        hits += found.low <= truth <= found.high
    assert 0.92 <= hits / repeats <= 0.985  # 95 %, give or take 3 standard errors


def test_the_model_beyond_the_samples_is_near_on_a_pool_that_has_no_beta_distribution() -> None:
    generator = np.random.default_rng(5)
    rates = generator.choice([0.0, 0.1, 0.7, 1.0], 20_000, p=[0.4, 0.2, 0.3, 0.1])
    found = float(silent_share(rewards_of(rates, 8, generator), 16, np.ones((1, 20_000)))[0])
    truth = float((1 - chance(rates, 16)).mean())
    without = float((1 - chance(rates, 8)).mean())
    assert abs(found - truth) < min(0.03, abs(without - truth) / 2)


def test_the_moments_of_the_beta_distribution_are_those_of_the_pass_rates() -> None:
    generator = np.random.default_rng(1)
    rewards = rewards_of(generator.beta(2.0, 5.0, 50_000), 4, generator)
    alpha, beta = beta_of(rewards, np.ones((1, 50_000)))
    assert (alpha[0], beta[0]) == (pytest.approx(2.0, rel=0.08), pytest.approx(5.0, rel=0.08))


def test_pools_without_any_spread_are_carried_on_without_an_error() -> None:
    for rewards in (np.zeros((20, 8)), np.ones((20, 8))):
        assert silent_share(rewards, 16, np.ones((1, 20)))[0] == pytest.approx(1.0, abs=1e-4)


def test_rewards_between_0_and_1_are_not_known_beyond_the_samples() -> None:
    rewards = np.full((20, 8), 0.5)
    assert np.isnan(silent_share(rewards, 16, np.ones((1, 20)))[0])
    assert silent_share(rewards, 8, np.ones((1, 20)))[0] == 1.0


def test_a_share_of_none_or_all_has_an_interval_of_its_units() -> None:
    none = share_of(np.zeros(101), 100)
    assert (none.value, none.low) == (0.0, 0.0) and 0.02 < none.high < 0.06
    assert share_of(np.ones(101), 100).low == pytest.approx(1 - none.high)


def test_what_the_resamples_do_not_determine_has_no_interval() -> None:
    assert not spread_of(np.array([1.0, *[np.nan] * 50, *[1.0] * 50]), 10).known
    assert not share_of(np.array([np.nan, 0.5]), 10).known
