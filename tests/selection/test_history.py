"""Methods that learn from earlier rewards: updates computed by hand, ties, pools that run short, and the bound."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest

from repro.selection.base import Observation
from repro.selection.methods.adarft import Adarft
from repro.selection.methods.cdas import Cdas
from repro.selection.methods.learnability import Learnability
from repro.selection.methods.no_positive_resampling import NoPositiveResampling
from repro.selection.methods.oracle import Oracle

from .worlds import World


def seen(index, right, of=4):
    return Observation(index, (1.0,) * right + (0.0,) * (of - right))


# ---------------------------------------------------------------- AdaRFT


def test_the_target_of_adarft_follows_the_mean_reward_of_a_step():
    selector = Adarft(method="adarft", by="pass_rate").build(World(20).run())
    targets = []
    for right in ((4, 4), (4, 2), (1, 1), (0, 0), (0, 0)):
        selector.choose(2)
        targets.append(selector.metrics()["target_difficulty"])
        selector.observe([seen(index, count) for index, count in enumerate(right)])
    # 50 tanh(2 (1 - 0.5)) = 50 * 0.76159416 = 38.079708; 50 tanh(2 (0.75 - 0.5)) = 50 * 0.46211716 = 23.105858;
    # 50 tanh(2 (0.25 - 0.5)) = -23.105858; 50 tanh(2 (0 - 0.5)) = -38.079708, which ends at 0
    assert targets == pytest.approx([0, 38.079708, 61.185566, 38.079708, 0], abs=1e-5)
    assert selector.state_dict()["target"] == 0  # below 0 is cut


def test_adarft_takes_the_questions_nearest_its_target():
    world = World(70)
    steps = world.column("steps")  # 0 to 6, ten of each: difficulties 0, 16.7, ... 100
    selector = Adarft(method="adarft", by="column", column="steps", high="hard").build(world.run())
    assert set(steps[selector.choose(10)]) == {0}
    selector.observe([seen(0, 4)])  # T = 38.08: nearest is 2 / 6, at 33.3
    assert set(steps[selector.choose(10)]) == {2}
    assert set(steps[selector.choose(15)]) == {2, 3}  # 50 is nearer than 16.7
    easy = Adarft(method="adarft", by="column", column="steps").build(world.run())
    assert set(steps[easy.choose(10)]) == {6}
    rates = Adarft(method="adarft", by="pass_rate", start=30).build(world.run())
    nearest = np.sort(np.abs(100 * (1 - world.pass_rates(8)) - 30))
    assert np.abs(100 * (1 - world.rates[rates.choose(5)]) - 30).max() <= nearest[4] + 100 / 16


def test_equally_near_questions_of_adarft_are_drawn_and_not_taken_in_the_order_of_the_data():
    # The released sampler hands out the same first questions as long as the target stays.
    world = World(70)
    selector = Adarft(method="adarft", by="column", column="steps", high="hard").build(world.run())
    batches = [selector.choose(3) for _ in range(20)]
    assert {index for batch in batches for index in batch} == set(range(0, 70, 7))
    assert len({tuple(batch) for batch in batches}) > 15


def test_without_repeats_every_question_of_adarft_comes_once_in_a_pass():
    selector = Adarft(method="adarft", by="pass_rate", repeats=False).build(World(50).run())
    seen_so_far: Counter[int] = Counter()
    for call in range(1, 25):
        chosen = selector.choose(6)  # does not divide 50
        assert len(set(chosen)) == 6
        seen_so_far.update(chosen)
        assert max(seen_so_far.values()) - min(seen_so_far[i] for i in range(50)) <= 1, call


def test_a_resumed_adarft_keeps_its_target_and_its_pass():
    selection = Adarft(method="adarft", by="pass_rate", repeats=False)
    original = selection.build(World(50).run())
    original.choose(6)
    original.observe([seen(0, 4)])
    restored = selection.build(World(50).run(seed=3))
    restored.load_state_dict(json.loads(json.dumps(original.state_dict())))
    assert [restored.choose(6) for _ in range(9)] == [original.choose(6) for _ in range(9)]
    assert restored.metrics()["target_difficulty"] == pytest.approx(38.079708)


# ---------------------------------------------------------------- CDAS


def test_difficulties_and_ability_of_cdas_move_by_what_was_not_expected():
    selector = Cdas(method="cdas").build(World(4).run())
    assert selector.predictions() is None
    selector.choose(1)
    assert selector.predictions().tolist() == [0.5] * 4
    selector.observe([seen(0, 0), seen(1, 4)])
    state = selector.state_dict()
    # t = 2: 0 / 2 + (0.5 - 0) / 2 and 0 / 2 + (0.5 - 1) / 2; together no change of the ability
    assert state["difficulty"] == [0.25, -0.25, 0, 0] and state["ability"] == 0
    selector.observe([seen(0, 1), seen(2, 4)])
    state = selector.state_dict()
    # question 0: sigmoid(0 - 0.25) = 0.437823, t = 3: 2 / 3 * 0.25 + (0.437823 - 0.25) / 3 = 0.229275
    # question 2: t = 2: (0.5 - 1) / 2 = -0.25
    # ability: -((0.229275 - 0.25) + (-0.25 - 0)) / 4 = 0.067681
    assert state["difficulty"] == pytest.approx([0.229275, -0.25, -0.25, 0], abs=1e-6)
    assert state["ability"] == pytest.approx(0.067681, abs=1e-6)
    selector.observe([seen(3, 0)])
    state = selector.state_dict()
    # sigmoid(0.067681) = 0.516914, t = 2: 0.516914 / 2 = 0.258457; 0.067681 - 0.258457 / 4 = 0.003067
    assert state["difficulty"][3] == pytest.approx(0.258457, abs=1e-6)
    assert state["ability"] == pytest.approx(0.003067, abs=1e-6)
    assert state["ability"] == pytest.approx(-np.mean(state["difficulty"]))  # always: both start at 0


def test_a_first_observation_of_cdas_replaces_the_start_where_that_does_not_count():
    selector = Cdas(method="cdas", start_counts=False).build(World(4).run())
    selector.observe([seen(0, 0)])
    assert selector.state_dict()["difficulty"][0] == 0.5  # t = 1
    selector.observe([seen(0, 4)])
    # ability -0.125; sigmoid(-0.125 - 0.5) = 0.348645; t = 2: 0.5 / 2 + (0.348645 - 1) / 2 = -0.075677
    assert selector.state_dict()["difficulty"][0] == pytest.approx(-0.075677, abs=1e-6)


def with_difficulties(values, ability=0.0):
    selector = Cdas(method="cdas").build(World(len(values)).run())
    state = selector.state_dict()
    selector.load_state_dict({**state, "difficulty": list(values), "ability": ability})
    return selector


def test_cdas_takes_half_below_and_half_above_the_ability():
    values = [-0.4, -0.3, -0.2, -0.1, 0.1, 0.2, 0.3, 0.4]
    assert set(with_difficulties(values).choose(4)) == {2, 3, 4, 5}
    assert set(with_difficulties(values).choose(5)) == {1, 2, 3, 4, 5}  # the odd one is easier
    assert set(with_difficulties(values, ability=0.35).choose(4)) == {7, 6, 5, 4}  # one above, so three below
    assert set(with_difficulties(values, ability=-1).choose(3)) == {0, 1, 2}  # none below
    at = with_difficulties([0.0] * 9)
    assert len({tuple(sorted(at.choose(4))) for _ in range(10)}) > 5  # all alike: drawn


# ---------------------------------------------------------------- learnability


def test_the_pass_rate_of_learnability_is_decayed_and_drawn_towards_the_prior():
    selector = Learnability(method="learnability", decay=0.5).build(World(2).run())
    latest = Learnability(method="learnability").build(World(2).run())
    rates = []
    selector.choose(1), latest.choose(1)
    for right in (4, 0, 2):
        selector.observe([seen(0, right)]), latest.observe([seen(0, right)])
        rates.append([float(one.predictions()[0]) for one in (selector, latest)])
    # decayed: (4 + 0.5) / 5; right 0.5 * 4 + 0, count 0.5 * 4 + 4: 2.5 / 7; right 1 + 2, count 3 + 4: 3.5 / 8
    # latest: (4 + 0.5) / 5, (0 + 0.5) / 5, (2 + 0.5) / 5
    assert rates == [pytest.approx(pair) for pair in ([0.9, 0.9], [2.5 / 7, 0.1], [0.4375, 0.5])]
    assert selector.predictions()[1] == 0.5


def test_learnability_draws_in_proportion_to_p_times_one_minus_p():
    selector = Learnability(method="learnability").build(World(3).run())
    selector.observe([seen(0, 4), seen(1, 0)])  # p 0.9, 0.1 and the prior 0.5: weights 0.09, 0.09, 0.25
    found = np.bincount([selector.choose(1)[0] for _ in range(3000)], minlength=3) / 3000
    assert found == pytest.approx(np.array([0.09, 0.09, 0.25]) / 0.43, abs=0.04)
    assert selector.metrics()["unseen"] == pytest.approx(1 / 3)


# ---------------------------------------------------------------- no positive resampling


def test_a_question_that_is_nearly_always_solved_is_never_drawn_again():
    for over, gone_after in (("history", 3), ("latest", 2)):
        selector = NoPositiveResampling(method="no_positive_resampling", over=over).build(World(12).run())
        selector.choose(12)
        for visit, right in enumerate((3, 4, 4), start=1):  # 3 of 4, 7 of 8 and 11 of 12: 0.75, 0.875, 0.917
            selector.observe([seen(5, right)])
            drawn = {index for _ in range(4) for index in selector.choose(3)}  # more than a pass over 11
            assert (5 in drawn) == (visit < gone_after), (over, visit)
        assert selector.metrics() == {"left": 11.0, "filled": 0.0}


def test_a_question_that_is_still_to_come_in_a_pass_is_taken_out_of_it():
    selector = NoPositiveResampling(method="no_positive_resampling").build(World(12).run())
    first = selector.choose(4)
    solved = selector.state_dict()["remaining"][:3]
    selector.observe([seen(index, 4) for index in solved])  # another has chosen them
    assert set(selector.choose(5)) == set(range(12)) - {*first, *solved}


def test_where_too_few_are_left_the_least_solved_of_the_others_fill_the_batch():
    selector = NoPositiveResampling(method="no_positive_resampling", threshold=0.5).build(World(6).run())
    selector.choose(6)
    selector.observe([seen(0, 4), seen(1, 2), seen(2, 3), seen(3, 4), seen(4, 0)])  # 4 and 5 are left
    for _ in range(3):
        chosen = selector.choose(4)
        assert set(chosen) == {4, 5, 1, 2}
        assert selector.metrics() == {"left": 2.0, "filled": 2.0}
    selector.observe([seen(1, 0), seen(4, 4), seen(5, 4)])  # 1 is out for good, 4 has 4 of 8
    assert selector.choose(2) == [1, 4]  # 2 of 8 and 4 of 8
    assert selector.metrics() == {"left": 0.0, "filled": 2.0}


# ---------------------------------------------------------------- oracle


def test_an_oracle_chooses_by_what_it_measures_and_its_probes_are_not_paid_for():
    world = World(200, drift=0.3)
    selector = Oracle(method="oracle", every=2).build(world.run())
    before = np.round(world.rates * 8) / 8
    first, second = selector.choose(10), selector.choose(10)
    nearest = np.sort(np.abs(before - 0.5))
    assert np.sort(np.abs(before[first + second] - 0.5)).tolist() == nearest[:20].tolist()
    assert not set(first) & set(second)
    assert world.asked == ["unpaid probe"] and len(world.probes[0][0]) == 200
    after = np.round(world.rates * 8) / 8  # every pass rate has risen
    third = selector.choose(10)
    assert np.abs(after[third] - 0.5).max() <= np.sort(np.abs(after - 0.5))[9]
    assert len(world.probes) == 2 and not world.kept


def test_a_part_of_the_pool_is_drawn_anew_at_every_refresh():
    world = World(100)
    selection = Oracle(method="oracle", share=0.2, samples=4)
    selector = selection.build(world.run())
    for step in range(3):
        chosen = selector.choose(5)
        asked, rows = world.probes[step]
        assert len(asked) == 20 and set(chosen) <= set(asked) and len(rows[0]) == 4
    assert len({tuple(asked) for asked, _ in world.probes}) == 3
    assert len(selector.choose(60)) == 60  # a batch at least is measured
    costs = selection.costs(100, 8)
    assert (costs.unpaid, costs.probes, costs.every) == (20 * 4, 0, 1)
