"""What each method would train on: ties, no bias from choosing by noise, and intervals that cover."""

from __future__ import annotations

import numpy as np
import pytest

from repro.diagnose.choice import METHODS, choices, taken
from repro.diagnose.design import Design
from repro.spec.schema import TrainSpec

from .pools import chance, rewards_of

DESIGN = Design(train=TrainSpec(group_size=4))


def test_ties_are_shared_as_a_random_order_shares_them() -> None:
    generator = np.random.default_rng(0)
    distance = generator.integers(0, 4, 30).astype(float)
    found = taken(distance, np.ones((1, 30)), 0.4)[0]
    counts = np.zeros(30)
    for _ in range(4000):
        counts[np.lexsort((generator.random(30), distance))[:12]] += 1
    assert found == pytest.approx(counts / 4000, abs=0.03)
    assert found.sum() == pytest.approx(12)


def test_a_question_that_counts_twice_is_taken_twice() -> None:
    weights = np.array([[2.0, 0.0, 1.0, 1.0]])
    assert taken(np.array([0.0, 1.0, 2.0, 3.0]), weights, 0.5)[0].tolist() == [2.0, 0.0, 0.0, 0.0]


def test_where_all_questions_are_alike_no_method_seems_to_find_better_ones() -> None:
    """Judged by the samples that chose, those nearest one half would look far more informative."""
    generator = np.random.default_rng(7)
    rates = np.full(800, 0.12)
    rewards = rewards_of(rates, 8, generator)
    found = choices(DESIGN, 800, rewards, rewards[:200], generator.random((800, 4)), 0, draws=50)
    truth = chance(rates, 4)[0]
    assert set(found.shares) == set(METHODS)
    for name, share in found.shares.items():
        assert share.value == pytest.approx(truth, abs=0.09), name
    assert abs(found.predictor.value) < 0.05


def test_methods_are_ordered_as_on_a_pool_whose_pass_rates_are_known() -> None:
    generator = np.random.default_rng(2)
    rates = generator.beta(0.4, 1.1, 1000)
    embeddings = np.column_stack([rates, generator.random((1000, 2)) / 10])
    found = choices(DESIGN, 1000, rewards_of(rates, 16, generator), np.zeros((0, 16)), embeddings, 0, draws=50)
    uniform, hardest, dots, perfect = (
        found.shares[name].value for name in ("uniform", "hardest", "dots", "dots_perfect")
    )
    assert hardest < uniform < dots < perfect
    assert uniform == pytest.approx(float(chance(rates, 4).mean()), abs=0.04)
    assert found.predictor.value > 0.6
    assert "ufo" not in found.shares  # none of its questions was sampled


@pytest.mark.slow
def test_intervals_of_the_chosen_cover_at_their_rate() -> None:
    """The truth is what 8 samples would choose from a very large pool."""
    generator = np.random.default_rng(11)
    large = generator.beta(0.4, 1.1, 400_000)
    measured = generator.binomial(8, large) / 8
    truth = {}
    for name, distance in (("hardest", measured), ("oracle", np.abs(measured - 0.5))):
        weight = taken(distance, np.ones((1, len(large))), 0.1)[0]
        truth[name] = float(weight @ chance(large, 4) / weight.sum())
    truth["uniform"] = float(chance(large, 4).mean())
    hits = dict.fromkeys(truth, 0)
    repeats = 120
    for repeat in range(repeats):
        rates = generator.beta(0.4, 1.1, 200)
        rewards = rewards_of(rates, 16, generator)
        found = choices(DESIGN, 1000, rewards, rewards[:0], generator.random((200, 3)), repeat, draws=100)
        for name in hits:
            hits[name] += found.shares[name].low <= truth[name] <= found.shares[name].high
    for name, count in hits.items():
        assert 0.88 <= count / repeats <= 1.0, name
