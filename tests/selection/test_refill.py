"""What rolls out until a batch is worth training on: GRESO, SPEED, pools with a gate, bounds of dynamic sampling."""

from __future__ import annotations

import numpy as np
import pytest

from repro.errors import UserError
from repro.selection.base import Observation
from repro.selection.method import Setting, Smoke
from repro.selection.methods.dynamic import Dynamic
from repro.selection.methods.greso import Greso
from repro.selection.methods.pools import Pools
from repro.selection.methods.speed import Speed
from repro.selection.refill import refill

from .worlds import World

GROUP = 8
SETTING = Setting(pool=60, questions_per_step=6, group_size=GROUP, predictor=False, dataset="a dataset")


class Mixed(World):
    """Of three questions in a row the first has a gradient, the second is always right, the third always wrong."""

    def __init__(self, count: int = 60) -> None:
        super().__init__(count)
        self.rates = np.array([0.5 if i % 3 == 0 else float(i % 3 == 1) for i in range(count)])


def solved(world, rate):
    world.rates = np.full(len(world.ids), rate)
    return world


# ---------------------------------------------------------------- the loop


def test_a_refill_goes_on_until_enough_are_wanted_and_gives_the_rest_in_the_order_tried():
    questions = iter(range(100))
    asked = []

    def roll_out(indices):
        asked.append(len(indices))
        return [(float(i % 3 == 0),) for i in indices]

    refilled = refill(
        4, 50, lambda count, tried: [next(questions) for _ in range(count)], roll_out, lambda rewards: rewards == (1.0,)
    )
    assert (refilled.found, refilled.others) == ([0, 3, 6, 9], [1, 2, 4, 5, 7, 8])
    assert asked == [4, 2, 2, 1, 1], "as many as are missing, each time"
    assert refilled.batch(4) == [0, 3, 6, 9]
    assert refilled.metrics() == {"tried": 10, "found": 4, "found_share": 0.4}


def test_a_refill_that_asks_for_more_never_tries_more_than_it_may():
    refilled = refill(
        2,
        5,
        lambda count, tried: [i for i in range(9) if i not in tried][:count],
        lambda indices: [(0.0,)] * len(indices),
        lambda rewards: False,
        lambda missing, so_far: 4,
    )
    assert refilled.rounds == [[0, 1, 2, 3], [4]]
    assert refilled.batch(2) == [0, 1]


# ---------------------------------------------------------------- dynamic sampling between bounds


def test_only_groups_between_the_bounds_train():
    world = World(60)
    world.rates = np.arange(60) % 9 / 8
    selector = Dynamic(method="dynamic", low=0.25, high=0.75, most=10).build(world.run(0, GROUP))
    for _ in range(5):
        chosen = selector.choose(6)
        assert all(world.rates[i] in (0.375, 0.5, 0.625) for i in chosen), "a mean at a bound is left out"
        assert selector.reused() == chosen


def test_bounds_at_their_defaults_choose_and_are_identified_as_before():
    plain, open_ = Dynamic(method="dynamic"), Dynamic(method="dynamic", low=0.0, high=1.0)
    assert open_.identity_fields(GROUP) == {"method": "dynamic"}
    assert plain.title == "dynamic sampling" != Dynamic(method="dynamic", low=0.2, high=0.8).title
    one, other = (s.build(Mixed().run(0, GROUP)) for s in (plain, open_))
    assert [one.choose(6) for _ in range(4)] == [other.choose(6) for _ in range(4)]
    with pytest.raises(ValueError, match="low below high"):
        Dynamic(method="dynamic", low=0.8, high=0.2)


# ---------------------------------------------------------------- GRESO


def greso(world, **fields):
    return Greso(method="greso", **fields).build(world.run(0, GROUP))


def test_a_question_is_kept_with_p_to_the_power_of_its_visits_without_gradient():
    selector = greso(World(60))
    selector._streaks = {1: (True, 3), 2: (False, 2), 3: (False, 9)}
    selector.p_easy, selector.p_hard = 0.8, 0.5
    # easy: 0.8^3 = 0.512; hard: 0.5^2 = 0.25; 0.5^9 = 0.002, but never below 0.01; one without a streak always
    for index, kept in ((1, 0.512), (2, 0.25), (3, 0.01), (4, 1.0)):
        share = np.mean([not selector._skips(index) for _ in range(4000)])
        assert share == pytest.approx(kept, abs=0.03), index


def test_visits_in_a_row_count_and_end_with_a_gradient_or_the_other_kind():
    world = solved(World(8), 1.0)
    selector = greso(world, most=1, first=1.0)
    selector.choose(8)
    assert selector._streaks == dict.fromkeys(range(8), (True, 1))
    selector._streaks = {i: (i > 3, 2) for i in range(8)}  # the first four were hard before
    selector.p_hard = selector.p_easy = 1.0  # nothing is skipped
    selector.choose(8)
    assert selector._streaks == {i: (True, 3 if i > 3 else 1) for i in range(8)}
    solved(world, 0.5)
    selector.choose(8)
    assert selector._streaks == {}


def test_from_the_second_pass_on_p_moves_by_a_hundredth_towards_the_target():
    world = Mixed(12)  # of four groups each: a gradient, easy, hard
    selector = greso(world, most=2, first=1.0, target=0.9)
    selector.choose(12)
    assert (selector.p_easy, selector.p_hard) == (0.5, 0.5), "the first pass: nobody could be skipped"
    selector._streaks = {}
    selector.choose(12)
    # easy: 4 of 12 >= 0.9 / 3 = 0.3, skip more; hard: 4 of 12 < 0.9 * 2 / 3 = 0.6, skip less
    assert (selector.p_easy, selector.p_hard) == (pytest.approx(0.49), pytest.approx(0.51))
    selector._streaks = {}
    selector.choose(12)
    assert (selector.p_easy, selector.p_hard) == (pytest.approx(0.48), pytest.approx(0.52))
    selector.p_easy, selector.p_hard, selector._streaks = 0.05, 0.95, {}
    selector.choose(12)
    assert (selector.p_easy, selector.p_hard) == (0.05, 0.95), "bounds"


def test_the_next_call_rolls_out_what_should_be_needed_and_a_quarter_more():
    world = Mixed(600)
    selector = greso(world, first=1.5, most=40)
    selector.choose(32)
    sizes = [len(indices) for indices, _ in world.probes]
    found = [sum(i % 3 == 0 for i in indices) for indices, _ in world.probes]
    assert sizes[0] == 48
    # missing / share found * 1.25, at most 48 and at least a sixth of it
    missing, share = 32 - found[0], found[0] / 48
    assert sizes[1] == max(min(int(missing / share * 1.25), 48), 8, missing)


def test_a_call_without_any_gradient_is_followed_by_one_of_the_first_size():
    """The released code divides by the share of groups with a gradient, which is then 0."""
    world = solved(World(60), 1.0)
    selector = greso(world, first=1.5, most=3)
    chosen = selector.choose(8)
    assert [len(indices) for indices, _ in world.probes] == [12, 12]
    assert chosen == world.probes[0][0][:8], "filled with what was tried first"


def test_a_group_with_a_gradient_is_not_hard_however_low_its_mean():
    """The released code calls means of at most 0.11 hard, so that one right completion of sixteen is hard."""
    world = solved(World(8), 1 / 16)
    selector = Greso(method="greso", first=1.0).build(world.run(0, group_size=16))
    selector.choose(8)
    assert selector._streaks == {} and selector.metrics()["found"] == 8


def test_questions_that_were_all_skipped_come_all_the_same():
    world = solved(World(10), 0.0)
    selector = greso(world, first=1.0, most=9)
    selector._streaks = dict.fromkeys(range(10), (False, 50))
    assert sorted(selector.choose(10)) == list(range(10))
    assert selector.metrics()["tried"] == 10 and selector.metrics()["skipped"] >= 8


# ---------------------------------------------------------------- SPEED


def speed(world, **fields):
    return Speed(method="speed", **fields).build(world.run(0, GROUP))


def test_questions_are_screened_and_those_whose_rewards_differ_get_the_rest_of_their_group():
    world = Mixed()
    selector = speed(world, screening=4)
    chosen = selector.choose(6)
    assert all(i % 3 == 0 for i in chosen) and selector.reused() == chosen
    *screened, (continued, rest) = world.probes
    assert continued == chosen and {len(row) for row in rest} == {4}
    assert {len(row) for _, rows in screened for row in rows} == {4}
    tried = sum(len(indices) for indices, _ in screened)
    assert selector.metrics()["tried"] == tried
    # 4 completions of each question tried and 4 of each chosen, in place of 8 of each tried
    assert sum(len(row) for _, rows in world.probes for row in rows) == 4 * tried + 4 * 6 < 8 * tried
    assert all(world.kept[i] == GROUP for i in chosen)


def test_a_screening_of_half_a_group_is_no_group():
    """The released code tells the phases apart by the number of completions: at 4 and 4 screened questions train."""
    world = Mixed()
    selector = speed(world, screening=GROUP // 2)
    for _ in range(3):
        world.kept.clear()
        assert all(world.kept[i] == GROUP for i in selector.choose(6))


def test_what_was_screened_without_success_fills_a_batch_with_whole_groups():
    world = solved(World(60), 1.0)
    selector = speed(world, most=2)
    chosen = selector.choose(6)
    assert [len(indices) for indices, _ in world.probes] == [6, 6, 6]
    assert chosen == world.probes[0][0] == world.probes[-1][0]
    assert selector.metrics() == {"tried": 12, "found": 0, "found_share": 0, "continued_informative": 0}


def test_a_screening_that_leaves_nothing_or_tells_nothing_is_a_mistake():
    for screening, text in ((8, "fewer than train.group_size"), (1, "at least 2"), (4, None)):
        found = list(Speed(method="speed", screening=screening).mistakes(SETTING))
        assert [one.field for one in found] == (["screening"] if text else [])
        assert text is None or text in found[0].text
    with pytest.raises(UserError, match=r"selection\.screening: 8, expected fewer than the 8"):
        speed(World(60), screening=8)


def test_a_smoke_run_with_groups_of_two_screens_with_one_completion_and_fills_up():
    small = Speed(method="speed").smoke(Smoke(2, 8, 2, 128))
    assert small.screening == 1 and not list(small.mistakes(SETTING._replace(group_size=2)))
    assert len(small.build(World(60).run(0, group_size=2)).choose(8)) == 8


# ---------------------------------------------------------------- difficulty pools


def pools(world, **fields):
    return Pools(method="pools", **fields).build(world.run(0, GROUP))


def test_a_question_is_in_the_pool_of_its_latest_group():
    selector = pools(World(8))
    selector.observe([Observation(i, (1.0,) * i + (0.0,) * (4 - i)) for i in range(5)])  # 0, 0.25, 0.5, 0.75, 1
    # at most 0.25 hard, at most 0.75 normal, else easy; 5 to 7 unseen
    assert selector._pools().tolist() == [0, 0, 1, 1, 2, 3, 3, 3]
    selector.observe([Observation(0, (1.0, 1.0))])
    assert selector._pools().tolist() == [2, 0, 1, 1, 2, 3, 3, 3], "the latest group alone"
    selector.choose(2)
    assert selector.metrics() == {"pool_hard": 1, "pool_normal": 2, "pool_easy": 2, "pool_unseen": 3}


def test_questions_are_drawn_by_the_weight_of_their_pool():
    selector = pools(World(40))
    selector._means = {i: 0.0 if i < 10 else 0.5 if i < 20 else 1.0 for i in range(30)}
    counts = np.zeros(4)
    for _ in range(1500):
        counts[selector.choose(1)[0] // 10] += 1
    # weights 0.2, 1, 0.2 and 1, ten questions each
    assert counts / 1500 == pytest.approx(np.array([0.2, 1, 0.2, 1]) / 2.4, abs=0.04)


def test_a_weight_of_nothing_means_last():
    selector = pools(World(12), easy=0.0)
    selector._means = dict.fromkeys(range(9), 1.0)
    for _ in range(20):
        assert set(selector.choose(3)) == {9, 10, 11}
    assert {9, 10, 11} < set(selector.choose(5))


def test_the_gate_rolls_out_others_in_place_of_groups_without_gradient_and_remembers_them():
    world = Mixed()
    selector = pools(world, gate=True)
    chosen = selector.choose(6)
    assert all(i % 3 == 0 for i in chosen) and selector.reused() == chosen
    tried = {i for indices, _ in world.probes for i in indices}
    assert set(selector._means) == tried > set(chosen)
    assert all(selector._means[i] == world.rates[i] for i in tried)
    open_ = pools(Mixed())
    open_.choose(6)
    assert open_.reused() == []


def test_most_belongs_to_the_gate():
    assert [field for field, _ in Pools(method="pools", most=9).idle({"most": 9})] == ["most"]
    assert Pools(method="pools", most=9).identity_fields(GROUP) == {"method": "pools"}
    assert Pools(method="pools", most=9, gate=True).identity_fields(GROUP)["most"] == 9
    with pytest.raises(ValueError, match="hard_to at most normal_to"):
        Pools(method="pools", hard_to=0.9)
