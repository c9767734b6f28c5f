"""The replay buffer on disk: restored bit for bit, whatever it holds."""

from __future__ import annotations

import json

import numpy as np
import pytest

from repro.replay.buffer import ReplayBuffer
from repro.replay.group import Group
from tests.replay.groups import filled, group, identical, questions


@pytest.mark.parametrize("steps", [0, 1, 4])
def test_a_restored_buffer_is_bit_identical_and_makes_the_next_four_draws_of_the_original(tmp_path, steps):
    buffer = filled(steps=steps)
    buffer.draw(2, step=9)
    buffer.save(tmp_path / "buffer")
    restored = ReplayBuffer(10, seed=77)
    restored.add([group(question=1234, step=0)])  # what it held before is gone, and so is what it drew
    restored.draw(1, step=9)
    restored.load(tmp_path / "buffer")
    assert restored.statistics(9)["reused"] == 0 and "age_mean" not in restored.statistics(9)
    assert len(buffer) == len(restored)
    assert all(identical(a, b) for a, b in zip(buffer.groups, restored.groups, strict=True))
    for step in range(9, 13):
        mine, theirs = buffer.draw(3, step), restored.draw(3, step)
        assert all(identical(a, b) for a, b in zip(mine, theirs, strict=True))
        assert buffer.statistics(step) == restored.statistics(step)
        for each in (buffer, restored):
            each.add([group(question=step, step=step)])


def test_awkward_values_survive_the_disk(tmp_path):
    odd = Group(
        question=2**40,
        prompt_ids=np.zeros(0, np.int64),
        completion_ids=[np.zeros(0, np.int64), np.array([2**33])],
        rewards=np.array([0.1, np.nextafter(0.1, 1)]),
        advantages=np.array([-1e-30, 3.4e38], np.float32),
        behaviour_logps=[np.zeros(0, np.float32), np.array([-np.inf], np.float32)],
        step=12,
    )
    buffer, restored = ReplayBuffer(3, 0), ReplayBuffer(3, 0)
    buffer.add([odd, group()])
    buffer.save(tmp_path)
    restored.load(tmp_path)
    assert len(restored) == 2
    assert all(identical(a, b) for a, b in zip(buffer.groups, restored.groups, strict=True))


def test_saving_neither_draws_nor_counts(tmp_path):
    watched, alone = filled(), filled()
    watched.save(tmp_path)
    assert questions(watched.draw(5, 9)) == questions(alone.draw(5, 9))


def test_another_capacity_is_refused(tmp_path):
    filled(capacity=10).save(tmp_path)
    with pytest.raises(ValueError, match="replay capacity is 10, expected 12"):
        ReplayBuffer(12, 0).load(tmp_path)
    with pytest.raises(ValueError, match="capacity is 0"):
        ReplayBuffer(0, 0)
    with pytest.raises(ValueError, match="n is -1"):
        filled().draw(-1, 3)


def test_behaviour_log_probs_are_bit_identical_after_many_draws_and_round_trips(tmp_path):
    buffer = filled(steps=4, per_step=2, capacity=8)
    before = [[row.tobytes() for row in g.behaviour_logps] for g in buffer.groups]
    for step in range(4, 60):
        buffer.draw(5, step)
        if step % 7 == 0:
            buffer.save(tmp_path)
            buffer = ReplayBuffer(8, 0)
            buffer.load(tmp_path)
    assert [[row.tobytes() for row in g.behaviour_logps] for g in buffer.groups] == before
    assert sum(g.uses for g in buffer.groups) == 56 * 5


def test_a_buffer_of_version_1_is_read_and_one_of_the_future_refused(tmp_path):
    buffer = filled()
    buffer.save(tmp_path)
    path = tmp_path / "replay.json"
    state = json.loads(path.read_text())
    del state["counts"]["expired"]
    path.write_text(json.dumps({**state, "version": 1}))
    restored = ReplayBuffer(10, 5)
    restored.load(tmp_path)
    assert restored.statistics(9) == buffer.statistics(9)
    assert questions(restored.draw(4, 9)) == questions(buffer.draw(4, 9))
    path.write_text(json.dumps({**state, "version": 4}))
    with pytest.raises(ValueError, match=r"replay version is 4, expected one of \(1, 2, 3\)"):
        restored.load(tmp_path)
