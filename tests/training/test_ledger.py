"""Costs add up per phase, time counts once, and a state restores exactly."""

from __future__ import annotations

import time

import pytest

from repro.models.flops import FlopCounter
from repro.training.ledger import Ledger, subtract


def test_an_inner_phase_takes_its_time_from_the_outer_one() -> None:
    ledger = Ledger()
    start = time.perf_counter()
    with ledger.phase("train"):
        time.sleep(0.02)
        with ledger.phase("rollout"):
            time.sleep(0.05)
        time.sleep(0.02)
    elapsed = time.perf_counter() - start
    train, rollout = ledger.cost("train").seconds, ledger.cost("rollout").seconds
    assert rollout >= 0.05 and train >= 0.04
    assert train + rollout <= elapsed, "no second is counted twice"


def test_a_phase_that_raises_is_closed() -> None:
    ledger = Ledger()
    with pytest.raises(RuntimeError), ledger.phase("probe"):
        raise RuntimeError
    with ledger.phase("train"):
        time.sleep(0.01)
    assert ledger.cost("train").seconds >= 0.01


def test_speedups_contain_selection_but_neither_evaluation_nor_warm_start() -> None:
    ledger = Ledger()
    for phase in ("warm_start", "score", "probe", "rollout", "train", "evaluate"):
        ledger.add(phase, generated_tokens=1, seconds=2.0)
    assert ledger.metrics()["cost/generated_tokens"] == 4
    assert ledger.metrics()["cost/seconds"] == 8.0


def test_what_is_paid_once_is_not_paid_again_after_a_resume() -> None:
    ledger = Ledger()
    ledger.add_once("embeddings/x", "score", scored_tokens=7)
    restored = Ledger()
    restored.load_state_dict(ledger.state_dict())
    restored.add_once("embeddings/x", "score", scored_tokens=7)
    restored.add_once("embeddings/y", "score", scored_tokens=1)
    assert restored.cost("score").scored_tokens == 8
    assert subtract(restored.as_dict(), ledger.as_dict()) == {
        "score": {**dict.fromkeys(vars(ledger.cost("score")), 0), "scored_tokens": 1}
    }


def test_an_unknown_phase_is_refused() -> None:
    with pytest.raises(KeyError):
        Ledger().add("lunch", seconds=1)


def test_forward_flops_equal_the_sum_over_tokens() -> None:
    counter = FlopCounter(parameters=10, layers=2, width=4)
    by_hand = 0.0
    for length in (3, 5):
        for position in range(1, length + 1):
            by_hand += 2 * 10 + 2 * (2 * 4 * position + 2 * 4 * position)  # scores and weighted values, both layers
    assert counter.forward([3, 5]) == by_hand
