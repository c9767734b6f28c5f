"""Replay of single completions: what the buffer holds and draws, and what a batch is made of."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest
from pydantic import ValidationError
from safetensors.numpy import load_file, save_file

from repro.errors import UserError
from repro.replay.batch import Batch, compose
from repro.replay.buffer import ReplayBuffer
from repro.replay.replay_spec import ReplaySpec
from repro.study.load import parse_spec
from tests.replay.groups import filled, group, identical, questions
from tests.replay.test_buffer_options import orders

ONE_RIGHT = (1.0, 0.0, 0.0, 0.0)  # advantages 3/4, -1/4, -1/4, -1/4


def singles(capacity=16, seed=0, **options):
    return ReplayBuffer(capacity, seed, unit="rollout", **options)


def test_each_completion_enters_with_its_tokens_and_the_advantage_that_it_has_in_its_group():
    whole = group(question=7, step=3, rewards=ONE_RIGHT)
    buffer = singles()
    assert buffer.add([whole]) == 4
    for row, one in enumerate(buffer.groups):
        assert (one.question, one.step, one.uses) == (7, 3, 0)
        assert one.rewards.tolist() == [whole.rewards[row]] and one.advantages.tolist() == [whole.advantages[row]]
        assert one.prompt_ids.tolist() == whole.prompt_ids.tolist()
        assert [row.tolist() for row in one.completion_ids] == [whole.completion_ids[row].tolist()]
        assert one.behaviour_logps[0].tobytes() == whole.behaviour_logps[row].tobytes()
    assert buffer.draw(9, step=3) == [], "not in the step that made them"
    assert len(buffer.draw(9, step=4)) == 4


def test_a_completion_without_advantage_is_left_out_and_the_oldest_single_ones_leave_first():
    buffer = singles(capacity=5)
    assert buffer.add([group(question=1, rewards=(0.0, 0.5, 1.0)), group(question=2, rewards=(1.0, 1.0, 1.0))]) == 2
    buffer.add([group(question=3, step=1, rewards=ONE_RIGHT)])
    assert [(one.question, one.rewards.tolist()) for one in buffer.groups] == [
        (1, [1.0]),
        (3, [1.0]),
        *[(3, [0.0])] * 3,
    ]
    numbers = buffer.statistics(2)
    assert (numbers["size"], numbers["added"], numbers["rejected"], numbers["evicted"]) == (5, 6, 4, 1)
    late = singles(capacity=4, filter="draw")
    late.add([group(question=1, rewards=(0.0, 0.5, 1.0)), group(question=2, rewards=(1.0, 1.0))])
    assert len(late) == 4 and [one.rewards.tolist() for one in late.eligible(1)] == [[1.0]]


@pytest.mark.parametrize("tau_age", [None, 2.0])
def test_a_prioritised_draw_of_two_is_without_replacement_and_in_proportion_to_advantage_and_age(tau_age):
    """|A| 3/4 and three times 1/4, ages 1; and 1/2, 1/2 of a group that is 3 steps old: exp(-age / 2) a step."""
    buffer = singles(draw="prioritised", tau_age=tau_age)
    buffer.add([group(question=0, step=0, rewards=(1.0, 0.0))])
    buffer.add([group(question=1, step=2, rewards=ONE_RIGHT)])
    named = {id(one): index for index, one in enumerate(buffer.groups)}
    young, old = (1.0, 1.0) if tau_age is None else (np.exp(-1 / 2), np.exp(-3 / 2))
    weights = [0.5 * old, 0.5 * old, 0.75 * young, *[0.25 * young] * 3]
    counts = Counter(tuple(named[id(one)] for one in buffer.draw(2, step=3)) for _ in range(9000))
    expected = {order: 9000 * p for order, p in orders(weights, 2).items()}
    assert len(expected) == 30
    statistic = sum((counts[order] - e) ** 2 / e for order, e in expected.items())
    assert statistic < 58.3  # chi-squared, 29 degrees, p = 0.001
    other = orders([w / v for w, v in zip(weights, (old, old, *[young] * 4), strict=True)], 2)
    unaged = sum((counts[order] - 9000 * p) ** 2 / (9000 * p) for order, p in other.items())
    assert (unaged < 58.3) == (tau_age is None), "a draw without the age must not pass for one with it"
    drawn = buffer.draw(2, step=3)
    assert buffer.statistics(3)["advantage"] == np.mean([abs(one.advantages[0]) for one in drawn])
    assert "reward_variance" not in buffer.statistics(3)


def test_the_weights_of_groups_may_fall_with_age_too():
    buffer = ReplayBuffer(4, 0, draw="prioritised", tau_age=0.05)
    buffer.add([group(question=0, step=0)])
    buffer.add([group(question=1, step=1)])
    assert all(questions(buffer.draw(2, step=2)) == [1, 0] for _ in range(50)), "one step weighs exp(20)"


def test_completions_past_the_age_limit_leave_and_only_those_of_the_latest_step_of_a_question_may_be_drawn():
    buffer = singles(max_age=2, per_question="latest")
    for step, question in ((0, 1), (1, 2), (2, 1)):
        buffer.add([group(question=question, step=step, rewards=ONE_RIGHT)])
    assert [(one.question, one.step) for one in buffer.eligible(3)] == [*[(2, 1)] * 4, *[(1, 2)] * 4]
    assert len(buffer.draw(12, step=4)) == 4 and len(buffer) == 4
    assert buffer.statistics(4)["expired"] == 8


def rows(short, eligible, step=5, minibatches=4):
    replay = ReplaySpec(unit="rollout", fresh=0.25, capacity=64, short=short, warm_up=1)
    return compose(replay, 8, 4, minibatches, step, eligible)


def test_a_batch_of_eight_groups_of_four_replays_24_completions():
    for short in ("top_up", "wait", "shrink"):
        assert rows(short, 24) == rows(short, 99) == Batch(fresh=2, replayed=24)
        assert rows(short, 99, step=1) == Batch(fresh=8, replayed=0, warm_up=6)
    assert rows("wait", 23) == Batch(fresh=8, replayed=0, topped_up=6)


def test_a_short_buffer_is_topped_up_with_whole_groups_so_that_the_batch_keeps_its_rows():
    assert rows("top_up", 23) == Batch(fresh=3, replayed=20, topped_up=1)
    assert rows("top_up", 20) == Batch(fresh=3, replayed=20, topped_up=1)
    assert rows("top_up", 3) == rows("top_up", 0) == Batch(fresh=8, replayed=0, topped_up=6)


@pytest.mark.parametrize("minibatches", [1, 2, 4, 8])
def test_a_batch_shrinks_to_rows_that_divide_by_the_minibatches(minibatches):
    for eligible in range(24):
        made = rows("shrink", eligible, minibatches=minibatches)
        assert (8 + made.replayed) % minibatches == 0 and eligible - minibatches < made.replayed <= eligible
        assert made == Batch(fresh=2, replayed=made.replayed, shrunk=24 - made.replayed)


@pytest.mark.parametrize("options", [{}, {"draw": "prioritised", "tau_age": 3.0, "max_age": 4, "filter": "draw"}])
def test_a_restored_buffer_of_completions_goes_on_as_the_original(tmp_path, options):
    buffer = singles(capacity=20, **options)
    for step in range(5):
        buffer.draw(3, step)
        buffer.add([group(question=step, step=step, rewards=(1.0, 0.5, 0.0)), group(question=9, step=step)])
    buffer.save(tmp_path)
    restored = singles(capacity=20, seed=5, **options)
    restored.load(tmp_path)
    assert len(buffer) == len(restored) > 9
    for step in range(5, 8):
        mine, theirs = buffer.draw(3, step), restored.draw(3, step)
        assert all(identical(a, b) for a, b in zip(mine, theirs, strict=True)) and mine
        assert buffer.statistics(step) == restored.statistics(step)
    with pytest.raises(ValueError, match="replay unit is rollout, expected group"):
        ReplayBuffer(20, 0).load(tmp_path)


def test_files_of_version_2_hold_groups_and_are_read_as_such(tmp_path):
    buffer = filled()
    buffer.save(tmp_path)
    state = json.loads((tmp_path / "replay.json").read_text())
    assert state.pop("unit") == "group" and state["version"] == 3
    (tmp_path / "replay.json").write_text(json.dumps({**state, "version": 2}))
    save_file(load_file(tmp_path / "replay.safetensors"), tmp_path / "replay.safetensors")
    restored = ReplayBuffer(10, 5)
    restored.load(tmp_path)
    assert all(identical(a, b) for a, b in zip(restored.groups, buffer.groups, strict=True))
    assert questions(restored.draw(4, 9)) == questions(buffer.draw(4, 9))
    with pytest.raises(ValueError, match="replay unit is group, expected rollout"):
        singles(capacity=10).load(tmp_path)


REFUSED = {
    "filter": ({"unit": "rollout", "capacity": 999, "filter": "trimming"}, "expected insertion or draw"),
    "tau_age": ({"tau_age": 3.0}, "expected draw prioritised"),
    "second_moment": ({"second_moment": 0.1}, "with correction paper, expected correction second_moment"),
    "capacity": ({"unit": "rollout", "capacity": 127}, "expected at least 128, the completions replayed a step"),
}


@pytest.mark.parametrize("field", REFUSED)
def test_what_has_no_meaning_is_refused_by_its_field(field):
    replay, text = REFUSED[field]
    spec = {"name": "x", "model": "tiny", "dataset": "arithmetic", "arms": {"rr": {"replay": replay}}}
    spec["train"] = {"questions_per_step": 32, "group_size": 8}
    with pytest.raises(UserError) as error:
        parse_spec(spec)
    assert f"arms.rr.replay.{field}: got" in str(error.value) and text in str(error.value)


def test_the_spec_reaches_the_buffer_and_its_defaults_are_groups():
    assert ReplayBuffer.of(ReplaySpec(), 0).unit == "group"
    spec = ReplaySpec(unit="rollout", draw="prioritised", tau_age=2.0, max_age=3, filter="draw", capacity=9)
    asked, plain = ReplayBuffer.of(spec, 0), singles(9, draw="prioritised", tau_age=2.0, max_age=3, filter="draw")
    for step in range(5):
        drawn = [[(one.question, one.rewards.tolist()) for one in each.draw(3, step)] for each in (asked, plain)]
        assert drawn[0] == drawn[1] and len(drawn[0]) == (3 if step else 0)
        for each in (asked, plain):
            each.add([group(question=step, step=step, rewards=ONE_RIGHT)])
    with pytest.raises(ValidationError):
        ReplaySpec(tau_age=0.0, draw="prioritised")
    with pytest.raises(ValueError, match="filter is trimming with unit rollout"):
        singles(filter="trimming", kept_before=1)
