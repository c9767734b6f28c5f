"""The replay buffer: whole groups, first in first out, drawn uniformly."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from repro.replay.buffer import ReplayBuffer
from repro.replay.group import Group
from tests.replay.groups import filled, group, questions

EQUAL = (0.1, 0.1, 0.1)  # their float mean is 0.10000000000000002


def test_the_oldest_whole_groups_leave_first():
    buffer = filled(steps=4, per_step=3, capacity=10)
    assert questions(buffer.groups) == [2, 10, 11, 12, 20, 21, 22, 30, 31, 32]
    assert buffer.statistics(4)["evicted"] == 2
    buffer.add([group(question=99, step=4)] * 25)
    assert len(buffer) == 10


@pytest.mark.parametrize(
    ("rewards", "kept"),
    [
        ((1.0,) * 4, 0),
        ((0.0,) * 4, 0),
        (EQUAL, 0),
        ((0.0, 0.0, 0.0, 1.0), 1),
        ((0.3, 0.1 + 0.2), 1),  # differ in the last bit only: still not equal
    ],
)
def test_informative_means_exactly_unequal_rewards(rewards, kept):
    buffer = ReplayBuffer(4, 0)
    assert np.std(EQUAL) > 0, "a deviation must lie about them, or the case shows nothing"
    assert buffer.add([group(rewards=rewards)]) == kept == len(buffer)
    assert buffer.statistics(1)["rejected"] == 1 - kept


def test_the_same_question_stays_two_groups():
    buffer = ReplayBuffer(8, 0)
    first, second = group(question=5, step=0, seed=1), group(question=5, step=1, seed=2)
    buffer.add([first, second])
    assert len(buffer) == 2
    assert buffer.statistics(2)["questions"] == 1
    drawn = buffer.draw(2, step=2)
    assert {id(g) for g in drawn} == {id(first), id(second)}
    assert [g.step for g in buffer.draw(2, step=1)] == [0]  # the fresh one is not mistaken for the old one


def test_a_group_is_not_replayed_in_the_step_that_made_it():
    buffer = filled(steps=3, per_step=3)
    for _ in range(20):
        assert sorted(g.step for g in buffer.draw(9, step=2)) == [0, 0, 0, 1, 1, 1]
    assert buffer.draw(3, step=0) == []


def test_a_short_buffer_returns_what_it_has_so_that_the_caller_can_top_up():
    buffer = filled(steps=1, per_step=3)
    assert ReplayBuffer(4, 0).draw(5, step=9) == []
    assert len(buffer.draw(5, step=1)) == 3
    assert buffer.statistics(1)["reused"] == 3


def test_a_draw_is_uniform_and_without_replacement():
    buffer = filled(steps=2, per_step=5, capacity=10)
    counts: Counter[int] = Counter()
    for _ in range(2000):
        drawn = questions(buffer.draw(4, step=5))
        assert len(set(drawn)) == 4
        counts.update(drawn)
    expected = 2000 * 4 / 10
    assert sum((n - expected) ** 2 / expected for n in counts.values()) < 27.9  # chi-squared, 9 degrees, p = 0.001
    assert len(counts) == 10


def test_uses_count_the_draws():
    buffer = filled(steps=1, per_step=3, capacity=3)
    for _ in range(5):
        buffer.draw(3, step=1)
    assert [g.uses for g in buffer.groups] == [5, 5, 5]
    assert buffer.statistics(1)["reused_total"] == 15
    assert buffer.statistics(1)["unused"] == 0


def test_what_is_stored_is_stored_once_and_never_changes():
    logps, advantages = [np.array([-0.5, -1.5], np.float32)] * 2, np.array([-1.0, 1.0], np.float32)
    kept = Group(3, np.array([1]), [np.array([4, 5])] * 2, np.array([0.0, 1.0]), advantages, logps, step=0)
    logps[0][:] = 0
    advantages[:] = 0
    assert kept.behaviour_logps[0].tolist() == [-0.5, -1.5]
    assert kept.advantages.tolist() == [-1.0, 1.0]
    buffer = ReplayBuffer(2, 0)
    buffer.add([kept])
    (drawn,) = buffer.draw(1, step=1)
    for array in (drawn.behaviour_logps[0], drawn.advantages, drawn.rewards, drawn.completion_ids[1], drawn.prompt_ids):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 7


def test_a_group_whose_parts_do_not_fit_is_refused():  # the shape contract of trl #6804
    good = {
        "question": 7,
        "prompt_ids": np.array([1, 2]),
        "completion_ids": [np.array([1, 2]), np.array([3])],
        "rewards": np.array([0.0, 1.0]),
        "advantages": np.array([-1.0, 1.0]),
        "behaviour_logps": [np.zeros(2), np.zeros(1)],
        "step": 0,
    }
    Group(**good)
    for name, bad in [
        ("rewards", np.zeros(3)),
        ("advantages", np.zeros((2, 1))),
        ("behaviour_logps", [np.zeros(2)]),
        ("behaviour_logps", [np.zeros(2), np.zeros(2)]),
        ("completion_ids", [np.zeros((2, 1)), np.zeros(1)]),
    ]:
        with pytest.raises(ValueError, match="group of question 7"):
            Group(**{**good, name: bad})


def test_seeds_draw_differently_and_the_same_seed_alike():
    orders = [questions(filled(seed=seed).draw(6, 9)) for seed in (0, 0, 1)]
    assert orders[0] == orders[1] != orders[2]


def test_statistics_are_those_of_the_latest_draw():
    buffer = ReplayBuffer(10, 0)
    assert buffer.statistics(0) == {
        "size": 0,
        "filled": 0,
        "informative": 0,
        "questions": 0,
        "reused": 0,
        "unused": 0,
        "added": 0,
        "rejected": 0,
        "evicted": 0,
        "expired": 0,
        "reused_total": 0,
    }
    buffer.add([group(question=i, step=i, rewards=(1, *[0] * (i + 1))) for i in range(3)])
    drawn = buffer.draw(2, step=5)
    numbers = buffer.statistics(5)
    assert (numbers["size"], numbers["filled"], numbers["informative"]) == (3, 0.3, 3)
    rates = np.array([1 / (g.question + 2) for g in drawn])
    assert numbers["reward"] == pytest.approx(rates.mean())
    assert numbers["reward_variance"] == pytest.approx((rates * (1 - rates)).mean())
    assert numbers["age_mean"] == np.mean([5 - g.step for g in drawn])
    assert numbers["age_max"] == max(5 - g.step for g in drawn)
    assert (numbers["uses_mean"], numbers["uses_max"]) == (1, 1)
    assert numbers["unused"] == pytest.approx(1 / 3)
    buffer.draw(0, step=5)
    assert "age_mean" not in buffer.statistics(5)
