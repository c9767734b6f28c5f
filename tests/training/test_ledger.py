"""Costs add up per phase, time counts once, and a state restores exactly."""

from __future__ import annotations

import time
from typing import Any

import pytest

from repro.models.flops import FlopCounter
from repro.training import ledger as ledger_module
from repro.training.ledger import Cost, Ledger, subtract


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


class Clock:
    """Time that passes when it is told to; the processor works for half of it."""

    def __init__(self) -> None:
        self.now = 100.0

    def perf_counter(self) -> float:
        return self.now

    def process_time(self) -> float:
        return self.now / 2


def test_a_pause_counts_for_no_phase_and_the_time_around_it_for_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, ledger = Clock(), Ledger()
    monkeypatch.setattr(ledger_module, "time", clock)
    with ledger.phase("train"):
        clock.now += 1
        with ledger.paused():
            clock.now += 10
        clock.now += 2
        with ledger.phase("probe"):
            clock.now += 4
            with ledger.paused():
                clock.now += 20
        clock.now += 8
    with ledger.paused():
        clock.now += 40
    spent = {phase: (ledger.cost(phase).seconds, ledger.cost(phase).cpu_seconds) for phase in ("train", "probe")}
    assert spent == {"train": (11.0, 5.5), "probe": (4.0, 2.0)}
    assert ledger.total("seconds") == 15.0


def test_the_tokens_of_a_speedup_are_all_that_were_read_made_scored_and_trained_on() -> None:
    ledger = Ledger()
    ledger.add("probe", prompt_tokens=1, generated_tokens=10)
    ledger.add("score", scored_tokens=100)
    ledger.add("train", trained_tokens=1000)
    ledger.add("evaluate", prompt_tokens=5, generated_tokens=5)
    assert ledger.metrics()["cost/total_tokens"] == 1111
    assert ledger.metrics()["cost/generated_tokens"] == 10


def test_what_a_phase_spent_before_it_was_known_is_nothing() -> None:
    later = {"train": {"seconds": 3.0}, "probe": {"completions": 4}, "score": {"flops": 0.0}}
    assert subtract(later, {"train": {"seconds": 1.0}}) == {"train": {"seconds": 2.0}, "probe": {"completions": 4}}


def test_over_ranks_seconds_are_those_of_the_first_and_all_else_adds_up() -> None:
    first, second = Ledger(), Ledger()
    first.add("train", trained_tokens=3, seconds=5.0, cpu_seconds=4.0)
    second.add("train", trained_tokens=4, seconds=6.0, cpu_seconds=5.0)
    second.add("probe", completions=2, seconds=1.0)

    class Two:
        count = 2

        def gather(self, state: Any) -> list[Any]:
            return [first.state_dict(), second.state_dict()]

    for own in (first, second):
        total = own.over(Two())  # type: ignore[arg-type]
        assert vars(total.cost("train")) == vars(Cost(trained_tokens=7, seconds=5.0, cpu_seconds=9.0))
        assert vars(total.cost("probe")) == vars(Cost(completions=2))
    assert first.cost("train").trained_tokens == 3, "its own stays what it was"


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
