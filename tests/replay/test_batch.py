"""How many groups are fresh and how many replayed, for a buffer that is full, short or empty."""

from __future__ import annotations

import pytest

from repro.replay.batch import Batch, compose
from repro.replay.replay_spec import ReplaySpec


def batch(short, eligible, step=5, fresh=0.25, group_size=4, minibatches=8, warm_up=0):
    replay = ReplaySpec(fresh=fresh, short=short, warm_up=warm_up)
    return compose(replay, 16, group_size, minibatches, step, eligible)


@pytest.mark.parametrize("short", ["top_up", "wait", "shrink"])
@pytest.mark.parametrize("eligible", [12, 13, 1000])
def test_a_buffer_that_holds_enough_is_asked_for_the_share_that_is_not_fresh(short, eligible):
    assert batch(short, eligible) == Batch(fresh=4, replayed=12)


def test_a_short_buffer_is_topped_up():
    assert batch("top_up", 11) == Batch(fresh=5, replayed=11, topped_up=1)
    assert batch("top_up", 0) == Batch(fresh=16, replayed=0, topped_up=12)


def test_replay_waits_until_the_buffer_holds_enough():
    assert batch("wait", 11) == batch("wait", 0) == Batch(fresh=16, replayed=0, topped_up=12)


def test_a_batch_shrinks_to_what_there_is_and_to_rows_that_divide_by_the_minibatches():
    assert batch("shrink", 10) == Batch(fresh=4, replayed=10, shrunk=2)
    assert batch("shrink", 11) == Batch(fresh=4, replayed=10, shrunk=2)  # 15 groups of 4 do not divide by 8
    assert batch("shrink", 11, minibatches=4) == Batch(fresh=4, replayed=11, shrunk=1)
    assert batch("shrink", 0) == Batch(fresh=4, replayed=0, shrunk=12)
    with pytest.raises(ValueError, match=r"1 fresh groups of 2 do not divide by minibatches \(8\)"):
        batch("shrink", 2, fresh=1 / 16, group_size=2)


@pytest.mark.parametrize("short", ["top_up", "wait", "shrink"])
def test_the_warm_up_is_all_fresh_however_much_the_buffer_holds(short):
    for step in (1, 2):
        assert batch(short, 100, step=step, warm_up=2) == Batch(fresh=16, replayed=0, warm_up=12)
    assert batch(short, 100, step=3, warm_up=2) == Batch(fresh=4, replayed=12)


@pytest.mark.parametrize("short", ["top_up", "wait", "shrink"])
@pytest.mark.parametrize("minibatches", [1, 2, 4, 8, 16])
def test_every_group_is_accounted_for(short, minibatches):
    for eligible in range(20):
        for step in (1, 2):
            made = batch(short, eligible, step=step, minibatches=minibatches, warm_up=1)
            assert made.fresh == 4 + made.warm_up + made.topped_up
            assert made.fresh + made.replayed + made.shrunk == 16
            assert made.replayed <= eligible
            assert (made.fresh + made.replayed) * 4 % minibatches == 0
