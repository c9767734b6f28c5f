"""Prompt Replay, step by step and by hand: which questions come again, when, and how often."""

from __future__ import annotations

import pytest

from repro.selection.base import Observation
from repro.selection.methods.prompt_replay import PromptReplay

from .worlds import World


def built(count=40, **fields):
    return PromptReplay(method="prompt_replay", **fields).build(World(count).run(0, 4))


def step(selector, means, n=4):
    """One step of `n` questions; the k-th of them is solved with the k-th mean (of 4 completions)."""
    chosen = selector.choose(n)
    rows = [(1.0,) * int(4 * mean) + (0.0,) * (4 - int(4 * mean)) for mean in means]
    selector.observe([Observation(i, row) for i, row in zip(chosen, rows, strict=True)])
    return chosen


def test_questions_near_one_half_come_again_after_their_rest_the_nearest_first():
    selector = built(share=0.5, rest=1)
    one = step(selector, [0.25, 1.0, 0.5, 0.0])  # the first and the third wait
    two = step(selector, [0.75, 0.0, 0.0, 0.0])  # those of step 1 rest in step 2; the first of step 2 waits
    assert not set(one) & set(two)
    three = step(selector, [0.0, 0.25, 1.0, 1.0])
    # two places of four: 0.5 lies nearer one half than 0.25; the first of step 2 still rests
    assert three[:2] == [one[2], one[0]]
    four = step(selector, [1.0, 1.0, 1.0, 1.0])
    # one[2] was then never solved and waits no longer; one[0] rests until step 5; two[0] has rested
    assert four[0] == two[0] and not {one[0], one[2]} & set(four)
    five = step(selector, [1.0, 1.0, 1.0, 1.0])
    assert five[0] == one[0] and selector.metrics() == {"replayed": 1, "waiting": 1, "rested": 1}


def test_a_question_comes_again_as_often_as_it_may():
    selector = built(share=0.25, rest=0, reuses=2)
    first = step(selector, [0.5, 0.0, 0.0, 0.0])[0]
    assert step(selector, [0.5, 0.0, 0.0, 0.0])[0] == first
    assert step(selector, [0.5, 0.0, 0.0, 0.0])[0] == first  # its second reuse
    assert first not in step(selector, [0.0] * 4)
    assert selector.metrics()["waiting"] == 0


def test_after_its_last_reuse_a_question_may_start_anew_when_a_pass_brings_it():
    selector = built(count=8, share=0.25, rest=0, reuses=1)
    first = step(selector, [0.5, 0.0, 0.0, 0.0])[0]
    assert step(selector, [0.5, 0.0, 0.0, 0.0])[0] == first  # its only reuse: it waits no longer
    for _ in range(4):
        chosen = step(selector, [0.0] * 4)
        if first in chosen:
            break
    assert first in chosen and selector.metrics()["replayed"] == 0, "a pass has brought it"
    selector.observe([Observation(first, (1.0, 0.0, 1.0, 0.0))])
    assert selector.choose(4)[0] == first, "so that it waits and is replayed again"


def test_no_more_than_its_share_of_a_batch_is_replayed_and_questions_that_are_left_keep_waiting():
    selector = built(share=0.29, rest=0)  # 0.29 * 100 is 28.999... in floating point
    selector.choose(1)
    selector._waiting = dict.fromkeys(range(40), 0.5)
    selector._used = dict.fromkeys(range(40), 0)
    assert len(selector.choose(10)) == 10
    assert selector.metrics() == {"replayed": 2, "waiting": 40, "rested": 40}
    big = built(200, share=0.29, rest=0)
    big._waiting, big._used = dict.fromkeys(range(100), 0.5), dict.fromkeys(range(100), 0)
    big.choose(100)
    assert big.metrics()["replayed"] == 29


def test_equally_near_questions_come_in_an_order_that_is_drawn():
    orders = set()
    for seed in range(5):
        selector = PromptReplay(method="prompt_replay", rest=0).build(World(40).run(seed, 4))
        selector._waiting, selector._used = dict.fromkeys(range(8), 0.5), dict.fromkeys(range(8), 0)
        orders.add(tuple(selector.choose(8)[:6]))
    assert len(orders) == 5


def test_bounds_have_an_order():
    with pytest.raises(ValueError, match="low at most high"):
        PromptReplay(method="prompt_replay", low=0.8, high=0.2)
