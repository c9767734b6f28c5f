"""Options of the replay buffer: which groups stay and which may be drawn."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest

from repro.replay.buffer import ReplayBuffer
from repro.replay.group import Group
from repro.replay.replay_spec import ReplaySpec
from tests.replay.groups import filled, group, identical, questions

IDLE = (1.0, 1.0, 1.0, 1.0)


def orders(weights, size):
    """Probability of every ordered draw of `size` items without replacement, in proportion to `weights`."""
    found = {}
    for order in itertools.permutations(range(len(weights)), size):
        left, probability = sum(weights), 1.0
        for item in order:
            probability *= weights[item] / left
            left -= weights[item]
        found[order] = probability
    return found


def test_a_prioritised_draw_is_without_replacement_and_in_proportion_to_the_variance_of_rewards():
    buffer = ReplayBuffer(4, 0, draw="prioritised")
    ones = (1, 2, 4, 7)  # of 8 rewards: variances 7/64, 12/64, 16/64, 7/64
    buffer.add([group(question=i, rewards=[1.0] * n + [0.0] * (8 - n)) for i, n in enumerate(ones)])
    counts = Counter(tuple(questions(buffer.draw(2, step=1))) for _ in range(6000))
    expected = {order: 6000 * p for order, p in orders([7, 12, 16, 7], 2).items()}
    assert len(expected) == 12
    statistic = sum((counts[order] - e) ** 2 / e for order, e in expected.items())
    assert statistic < 31.3  # chi-squared, 11 degrees, p = 0.001
    uniform = sum((counts[order] - 500) ** 2 / 500 for order in expected)
    assert uniform > 100, "uniform draws must not pass for prioritised ones"


def test_a_prioritised_draw_takes_all_where_all_are_asked_for_and_survives_a_variance_of_zero():
    buffer = ReplayBuffer(4, 0, draw="prioritised")
    nearly = (1e-200, 0.0)  # informative, but the square underflows
    buffer.add([group(question=0, rewards=nearly), group(question=1), group(question=2)])
    assert buffer.informative(buffer.groups[0]) and buffer.groups[0].variance == 0
    assert [sorted(questions(buffer.draw(3, step=1))) for _ in range(5)] == [[0, 1, 2]] * 5
    assert all(sorted(questions(buffer.draw(2, step=1))) == [1, 2] for _ in range(50))


@pytest.mark.parametrize("draw", ["uniform", "prioritised"])
def test_groups_past_the_age_limit_are_not_drawn_and_leave(draw):
    buffer = filled(steps=4, per_step=2, draw=draw, max_age=2)  # steps 0 to 3
    assert [g.step for g in buffer.eligible(4)] == [2, 2, 3, 3]
    assert len(buffer) == 8, "looking lets nothing leave"
    assert sorted(g.step for g in buffer.draw(8, step=4)) == [2, 2, 3, 3]
    assert len(buffer) == 4
    assert buffer.statistics(4)["expired"] == 4
    assert buffer.draw(0, step=6) == [] and len(buffer) == 0
    assert buffer.statistics(6)["expired"] == 8
    buffer.add([group(question=i, step=6) for i in range(12)])
    assert len(buffer) == 10, "the capacity holds after groups have left"
    with pytest.raises(ValueError, match="max_age is 0, expected at least 1"):
        ReplayBuffer(4, 0, max_age=0)


def test_filtered_at_the_draw_idle_groups_take_up_capacity_and_are_passed_over():
    late, early = (ReplayBuffer(4, 0, filter=where) for where in ("draw", "insertion"))
    for buffer in (late, early):
        buffer.add([group(question=i, rewards=IDLE if i % 2 else (0.0, 1.0)) for i in range(8)])
    assert questions(late.groups) == [4, 5, 6, 7]
    assert questions(early.groups) == [0, 2, 4, 6]
    assert questions(late.eligible(1)) == [4, 6]
    assert all(sorted(questions(late.draw(4, step=1))) == [4, 6] for _ in range(5))
    numbers = late.statistics(1)
    assert (numbers["size"], numbers["informative"], numbers["filled"]) == (4, 2, 1)
    assert (numbers["added"], numbers["rejected"], numbers["evicted"], numbers["unused"]) == (8, 0, 4, 0)
    assert early.statistics(1)["rejected"] == 4


@pytest.mark.parametrize(("where", "drawn"), [("insertion", [(1, 2), (3, 1), (2, 2)]), ("draw", [(1, 2), (2, 2)])])
def test_only_the_newest_group_of_a_question_may_be_drawn(where, drawn):
    buffer = ReplayBuffer(8, 0, per_question="latest", filter=where)
    buffer.add([group(question=1, step=0), group(question=2, step=0), group(question=1, step=1)])
    buffer.add([group(question=3, step=1), group(question=1, step=2)])
    buffer.add([group(question=3, step=2, rewards=IDLE), group(question=2, step=2)])
    # at the draw, the newest group of question 3 is idle: the question is learned, and its old group stays out
    assert [(g.question, g.step) for g in buffer.eligible(3)] == sorted(drawn, key=lambda pair: (pair[1], pair[0]))
    assert sorted((g.question, g.step) for g in buffer.draw(9, step=3)) == sorted(drawn)
    assert [(g.question, g.step) for g in buffer.eligible(1)] == [(1, 0), (2, 0)]  # made before the step, as ever


def authors_step(held, new, budget):
    """Their buffer in a step, as lists of (question, step, gradient): what may be drawn, and what is held after it."""
    newest = {}
    for row in held:
        newest[row[0]] = row
    drawable = [row for row in held if newest[row[0]] is row and row[2]]
    kept = drawable[len(drawable) - budget :] if len(drawable) > budget else drawable
    return drawable, [*kept, *new]


@pytest.mark.parametrize(("capacity", "fresh", "idle"), [(16, 4, 0.4), (8, 4, 0.2), (4, 4, 0.3), (40, 8, 0.9)])
def test_trimming_holds_and_offers_what_the_authors_buffer_does(capacity, fresh, idle):
    rng, held = np.random.default_rng(capacity), []
    spec = ReplaySpec(capacity=capacity, fresh=0.5, filter="trimming", per_question="latest")
    buffer = ReplayBuffer.of(spec, seed=0, questions=2 * fresh)
    for step in range(40):
        count = 2 * fresh if step < 2 else fresh  # their first steps are all fresh
        new = [(int(q), step, bool(rng.random() > idle)) for q in rng.choice(30, size=count, replace=False)]
        drawable, held = authors_step(held, new, capacity - fresh)
        assert [(g.question, g.step) for g in buffer.eligible(step)] == [row[:2] for row in drawable]
        buffer.draw(fresh, step)
        buffer.add([group(q, made, (0.0, 1.0) if gradient else IDLE) for q, made, gradient in new])
        assert [(g.question, g.step) for g in buffer.groups] == [row[:2] for row in held]
    numbers = buffer.statistics(40)
    assert numbers["added"] == numbers["size"] + numbers["rejected"] + numbers["evicted"]


def test_trimming_keeps_groups_with_gradient_that_the_capacity_would_push_out_with_idle_ones():
    late, trimming = ReplayBuffer(4, 0, filter="draw"), ReplayBuffer(4, 0, filter="trimming", kept_before=2)
    for buffer in (late, trimming):
        buffer.add([group(0, step=0), group(1, step=0)])
        buffer.add([group(2, step=1, rewards=IDLE), group(3, step=1, rewards=IDLE)])
        buffer.add([group(4, step=2), group(5, step=2, rewards=IDLE)])
    assert questions(late.eligible(3)) == [4]
    assert questions(trimming.eligible(3)) == [0, 1, 4]
    with pytest.raises(ValueError, match="kept_before is None with filter trimming"):
        ReplayBuffer(4, 0, filter="trimming")
    with pytest.raises(ValueError, match="questions is 0"):
        ReplayBuffer.of(ReplaySpec(capacity=4, filter="trimming"), 0)


OPTIONS = [
    {"draw": "prioritised"},
    {"max_age": 2},
    {"filter": "draw"},
    {"per_question": "latest"},
    {"filter": "trimming", "kept_before": 5, "per_question": "latest"},
    {"draw": "prioritised", "max_age": 3, "filter": "draw", "per_question": "latest"},
]


def more(step, rng):
    """Groups of one step: some questions come again, about a third of the groups is idle."""
    made = [int(q) for q in rng.choice(6, size=3, replace=False)]
    return [group(q, step, IDLE if rng.random() < 0.3 else (0.0, 1.0, 1.0, q % 2)) for q in made]


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: "-".join(options))
def test_with_every_option_a_restored_buffer_goes_on_as_the_original(tmp_path, options):
    rng, buffer = np.random.default_rng(3), ReplayBuffer(7, 0, **options)
    for step in range(5):
        buffer.draw(2, step)
        buffer.add(more(step, rng))
    buffer.save(tmp_path)
    restored = ReplayBuffer(7, seed=9, **options)
    restored.load(tmp_path)
    for step in range(5, 12):
        mine, theirs = buffer.draw(2, step), restored.draw(2, step)
        assert len(mine) > 0
        assert all(identical(a, b) for a, b in zip(mine, theirs, strict=True))
        made = more(step, rng)
        for each in (buffer, restored):
            each.add(Group(**vars(g)) for g in made)
        assert buffer.statistics(step) == restored.statistics(step)
        assert all(identical(a, b) for a, b in zip(buffer.groups, restored.groups, strict=True))


def test_the_spec_reaches_the_buffer():
    for options in OPTIONS:
        fields = {name: value for name, value in options.items() if name != "kept_before"}
        spec = ReplaySpec(capacity=7, fresh=0.25, **fields)
        rng, asked = np.random.default_rng(3), ReplayBuffer.of(spec, seed=0, questions=8)
        plain = ReplayBuffer(7, 0, **options)
        for step in range(6):
            assert questions(asked.draw(2, step)) == questions(plain.draw(2, step))
            made = more(step, rng)
            asked.add(made)
            plain.add(made)
        assert asked.statistics(6) == plain.statistics(6)
