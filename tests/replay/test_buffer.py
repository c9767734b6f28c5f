"""The replay buffer: whole groups, first in first out, who may be drawn and how, restored bit for bit."""

from __future__ import annotations

import itertools
import json
from collections import Counter

import numpy as np
import pytest

from repro.replay.buffer import Group, ReplayBuffer
from repro.replay.replay_spec import ReplaySpec

EQUAL = (0.1, 0.1, 0.1)  # their float mean is 0.10000000000000002


def group(question=0, step=0, rewards=(0.0, 1.0, 1.0, 0.0), seed=None):
    rng = np.random.default_rng(question * 1000 + step if seed is None else seed)
    lengths = rng.integers(1, 9, len(rewards))
    return Group(
        question=question,
        prompt_ids=rng.integers(0, 50, rng.integers(1, 6)),
        completion_ids=[rng.integers(0, 50, n) for n in lengths],
        rewards=np.array(rewards),
        advantages=(np.array(rewards) - np.mean(rewards)).astype(np.float32),
        behaviour_logps=[-rng.exponential(size=n).astype(np.float32) for n in lengths],
        step=step,
    )


def filled(steps=4, per_step=3, capacity=10, seed=0, **options):
    buffer = ReplayBuffer(capacity, seed, **options)
    for step in range(steps):
        buffer.add([group(question=10 * step + i, step=step) for i in range(per_step)])
    return buffer


def questions(groups):
    return [g.question for g in groups]


def identical(a, b):
    def fields(g):
        rows = [g.prompt_ids, g.rewards, g.advantages, *g.completion_ids, *g.behaviour_logps]
        return [(row.dtype, row.shape, row.tobytes()) for row in rows], (g.question, g.step, g.uses)

    return fields(a) == fields(b)


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


def test_seeds_draw_differently_and_the_same_seed_alike():
    orders = [questions(filled(seed=seed).draw(6, 9)) for seed in (0, 0, 1)]
    assert orders[0] == orders[1] != orders[2]


def test_another_capacity_is_refused(tmp_path):
    filled(capacity=10).save(tmp_path)
    with pytest.raises(ValueError, match="replay capacity is 10, expected 12"):
        ReplayBuffer(12, 0).load(tmp_path)
    with pytest.raises(ValueError, match="capacity is 0"):
        ReplayBuffer(0, 0)
    with pytest.raises(ValueError, match="n is -1"):
        filled().draw(-1, 3)


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


# ---------------------------------------------------------------- options

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
    path.write_text(json.dumps({**state, "version": 3}))
    with pytest.raises(ValueError, match=r"replay version is 3, expected one of \(1, 2\)"):
        restored.load(tmp_path)
