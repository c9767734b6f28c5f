"""MoPPS and BOTS: counts computed by hand, what a posterior chooses, and the faults of public versions."""

from __future__ import annotations

import json

import numpy as np
import pytest

from repro.errors import UserError
from repro.selection.base import Observation
from repro.selection.methods.bots import Bots
from repro.selection.methods.mopps import Mopps

from .worlds import World


class Known(World):
    """A world whose columns are given."""

    def __init__(self, **columns):
        super().__init__(len(next(iter(columns.values()))))
        self.columns = {name: np.array(values, dtype=np.float64) for name, values in columns.items()}

    def column(self, name):
        return self.columns[name]


def seen(index, right, of=4):
    return Observation(index, (1.0,) * right + (0.0,) * (of - right))


def counts(selector):
    state = json.loads(json.dumps(selector.state_dict()))
    return np.array([state["alpha"], state["beta"]]).T.tolist()  # (alpha, beta) of each question


# ---------------------------------------------------------------- MoPPS


def test_mopps_counts_right_and_wrong_and_falls_back_to_the_prior_by_lambda():
    selector = Mopps(method="mopps", decay=0.5).build(World(3).run())
    selector.choose(1)
    selector.observe([seen(0, 3)])
    assert counts(selector)[0] == [4.0, 2.0]  # 0.5 * 1 + 0.5 * 1 + 3 and 0.5 * 1 + 0.5 * 1 + 1
    selector.observe([seen(0, 0)])
    assert counts(selector)[0] == [2.5, 5.5]  # 0.5 * 4 + 0.5 + 0 and 0.5 * 2 + 0.5 + 4
    selector.observe([seen(0, 4)])
    assert counts(selector)[0] == [5.75, 3.25]  # 0.5 * 2.5 + 0.5 + 4 and 0.5 * 5.5 + 0.5 + 0
    assert selector.predictions() == pytest.approx([5.75 / 9, 0.5, 0.5])
    selector.observe([Observation(1, (0.5, 0.25))])  # rewards between 0 and 1 count in part
    assert counts(selector)[1] == [1.75, 2.25]


def test_mopps_forgets_nothing_with_lambda_one():
    selector = Mopps(method="mopps").build(World(3).run())
    selector.choose(1)
    for right in (1, 4, 2):
        selector.observe([seen(2, right)])
    assert counts(selector) == [[1, 1], [1, 1], [8, 6]]  # 1 + 1 + 4 + 2 and 1 + 3 + 0 + 2


def test_a_group_of_one_counts_once_in_mopps():
    # `a + b if n > 1 else 8` without brackets gives 8 for both counts.
    selector = Mopps(method="mopps").build(World(2).run(group_size=1))
    selector.choose(1)
    selector.observe([seen(0, 1, of=1), seen(1, 0, of=1)])
    assert counts(selector) == [[2, 1], [1, 2]]


def test_a_resumed_mopps_knows_what_it_had_learnt():
    # The released sampler saves its counts and, with most frameworks, does not read them.
    selection = Mopps(method="mopps", candidates=3)
    original = selection.build(World(40).run())
    for _ in range(3):
        original.observe([seen(index, 4) for index in original.choose(5)])
    restored = selection.build(World(40).run(seed=5))
    restored.load_state_dict(json.loads(json.dumps(original.state_dict())))
    assert counts(restored) == counts(original)
    assert sum(alpha for alpha, _ in counts(restored)) == 40 + 3 * 5 * 4
    assert [restored.choose(5) for _ in range(4)] == [original.choose(5) for _ in range(4)]


def test_a_warm_start_of_mopps_counts_known_pass_rates_threefold():
    world = Known(rate=[0.25, 1.0, 0.0])
    selection = Mopps(method="mopps", warm_start="column", column="rate", samples=4)
    selector = selection.build(world.run())
    selector.choose(1)
    assert counts(selector) == [[4, 10], [13, 1], [1, 13]]  # 1 + 3 * 4 * rate, 1 + 3 * 4 * (1 - rate)
    measured = Mopps(method="mopps", warm_start="pass_rate", samples=4).build(world.run())
    measured.choose(1)
    assert world.asked == ["pass_rates 4"]
    with pytest.raises(UserError, match=r"selection\.column: column 'rate' has 1\.5 for question 'q0001'"):
        selection.build(Known(rate=[0.5, 1.5]).run()).choose(1)


def sharp(rates, **fields):
    """A selector that is sure of its pass rates."""
    known = {"warm_start": "column", "column": "rate", "samples": 10_000, "weight": 1000}
    return Mopps(method="mopps", **known, **fields).build(Known(rate=rates).run())


def test_mopps_takes_the_candidates_nearest_the_target():
    rates = np.random.default_rng(0).permutation(np.linspace(0, 1, 101))
    chosen = sharp(rates, target=0.3, candidates=101).choose(9)
    assert sorted(rates[chosen]) == pytest.approx(np.linspace(0.26, 0.34, 9))
    few = sharp(rates, target=0.3, candidates=2)
    batches = [few.choose(10) for _ in range(5)]  # five times 20 of 101 candidates: one pass
    assert len({index for batch in batches for index in batch}) == 50


def test_one_batch_of_candidates_is_a_uniform_choice():
    selector = Mopps(method="mopps", candidates=1).build(World(60).run())
    assert {index for _ in range(6) for index in selector.choose(10)} == set(range(60))


def test_the_threshold_of_mopps_draws_within_the_band_and_fills_up_from_what_is_next_to_it():
    rates = np.random.default_rng(1).permutation(np.linspace(0, 1, 101))
    chosen = sharp(rates, keep="threshold", low=0.395, high=0.605, candidates=101).choose(8)
    assert ((rates[chosen] > 0.39) & (rates[chosen] < 0.61)).all()
    others = sharp(rates, keep="threshold", low=0.395, high=0.605, candidates=101)
    assert [others.choose(8) for _ in range(3)] != [sorted(chosen)] * 3  # drawn, not the nearest to the middle
    more = sharp(rates, keep="threshold", low=0.395, high=0.605, candidates=101).choose(25)
    assert sorted(rates[more]) == pytest.approx(np.linspace(0.38, 0.62, 25))  # 21 inside, two on each side


def test_fields_of_mopps_that_say_nothing_are_no_part_of_its_identity():
    plain = Mopps(method="mopps")
    assert Mopps(method="mopps", low=0.1, samples=4, weight=1).identity_fields(8) == plain.identity_fields(8)
    written = {"low": 0.1, "samples": 4, "target": 0.4}
    assert [field for field, _ in plain.idle(written)] == ["low", "samples"]
    threshold = Mopps(method="mopps", keep="threshold", low=0.1, target=0.4)
    assert "target" not in threshold.identity_fields(8) and threshold.identity_fields(8)["low"] == 0.1
    with pytest.raises(ValueError, match="warm_start: column without column"):
        Mopps(method="mopps", warm_start="column")
    with pytest.raises(ValueError, match="expected low <= high"):
        Mopps(method="mopps", low=0.8)


# ---------------------------------------------------------------- BOTS

WEAK, STRONG = [0.2, 0.4, 0.0], [0.6, 0.8, 1.0]


def bots(weak=WEAK, strong=STRONG, **fields):
    selection = Bots(method="bots", weak="weak", strong="strong", **fields)
    selector = selection.build(Known(weak=weak, strong=strong).run(group_size=4))
    selector.choose(1)
    return selector


def test_bots_moves_every_question_with_the_policys_place_between_the_anchors():
    selector = bots()  # lambda 0.2, rho 0.2
    selector.observe([seen(0, 2)])
    # c = (0.5 - 0.2) / (0.6 - 0.2) = 0.75; p' = own 0.5, 0.4 + 0.75 * 0.4 = 0.7, 0 + 0.75 * 1 = 0.75
    first = [
        [0.8 + 0.2 + 0.8 * 2 + 0.2 * 0.5 * 4, 0.8 + 0.2 + 0.8 * 2 + 0.2 * 0.5 * 4],  # 3, 3
        [0.8 + 0.2 + 0.2 * 0.7 * 4, 0.8 + 0.2 + 0.2 * 0.3 * 4],  # 1.56, 1.24
        [0.8 + 0.2 + 0.2 * 0.75 * 4, 0.8 + 0.2 + 0.2 * 0.25 * 4],  # 1.6, 1.2
    ]
    assert np.allclose(counts(selector), first)
    selector.observe([seen(1, 4), seen(2, 1)])
    # mean rate 0.625, mean anchors 0.2 and 0.9: 0.425 / 0.7 = 0.607143; c = 0.9 * 0.75 + 0.1 * 0.607143 = 0.735714
    # p' = 0.2 + 0.735714 * 0.4 = 0.494286, own 1, own 0.25
    second = [
        [0.8 * 3 + 0.2 + 0.2 * 0.494286 * 4, 0.8 * 3 + 0.2 + 0.2 * 0.505714 * 4],  # 2.995429, 3.004571
        [0.8 * 1.56 + 0.2 + 0.8 * 4 + 0.2 * 1 * 4, 0.8 * 1.24 + 0.2],  # 5.448, 1.192
        [0.8 * 1.6 + 0.2 + 0.8 * 1 + 0.2 * 0.25 * 4, 0.8 * 1.2 + 0.2 + 0.8 * 3 + 0.2 * 0.75 * 4],  # 2.48, 4.16
    ]
    assert np.allclose(counts(selector), second, atol=1e-6)
    selector.observe([seen(0, 0)])
    # (0 - 0.2) / 0.4 = -0.5; c = 0.9 * 0.735714 - 0.05 = 0.612143; p' of question 1: 0.4 + 0.612143 * 0.4 = 0.644857
    third = [0.8 * 5.448 + 0.2 + 0.2 * 0.644857 * 4, 0.8 * 1.192 + 0.2 + 0.2 * 0.355143 * 4]  # 5.074286, 1.437714
    assert np.allclose(counts(selector)[1], third, atol=1e-6)
    selector.choose(1)
    assert selector.metrics()["between_anchors"] == pytest.approx(0.612143, abs=1e-6)


def test_rho_of_bots_is_halved_where_the_interpolation_is_far_off():
    for adaptive, rho in ((True, 0.1), (False, 0.2)):
        selector = bots(adaptive_rho=adaptive)
        selector.observe([seen(0, 4), seen(2, 0)])
        # c = (0.5 - 0.1) / (0.8 - 0.1) = 0.571; p' = 0.429 and 0.571, measured 1 and 0: 0.571 off, more than 0.25
        assert selector.state_dict()["rho"] == rho
        # question 1: p' = 0.4 + 0.571429 * 0.4 = 0.628571
        assert counts(selector)[1][0] == pytest.approx(1 + rho * 0.628571 * 4, abs=1e-5)


def test_bots_divides_by_nothing_where_the_anchors_agree():
    selector = bots(weak=[0.5, 0.5], strong=[0.5, 0.5])
    selector.observe([seen(0, 4)])
    assert counts(selector)[1] == pytest.approx([1.4, 1.4])  # p' stays the weak anchor's: 1 + 0.2 * 0.5 * 4
    selector.choose(1)
    assert "between_anchors" not in selector.metrics()


@pytest.mark.parametrize(("apart", "moves"), [(0.009, False), (0.011, True)])
def test_the_place_of_bots_stays_where_the_anchors_are_less_than_a_hundredth_apart(apart, moves):
    selector = bots(weak=[0.2, 0.4, 0.0], strong=[0.6, 0.4 + apart, 1.0])
    selector.observe([seen(0, 2)])  # c = 0.75, as above
    selector.observe([seen(1, 2)])  # (0.5 - 0.4) / apart, of which a tenth counts
    found = 0.9 * 0.75 + 0.1 * 0.1 / apart if moves else 0.75
    assert selector.state_dict()["place"] == pytest.approx(found)


def test_a_resumed_bots_knows_what_it_had_learnt():
    # The first released selector had an empty state: a resumed run forgot posteriors, place and rho.
    selection = Bots(method="bots", adaptive_rho=True)
    world = World(40)
    original = selection.build(world.run())
    for _ in range(3):
        original.observe([seen(index, index % 5, of=4) for index in original.choose(5)])
    state = json.loads(json.dumps(original.state_dict()))
    assert state["place"] is not None and len(set(state["alpha"])) > 10
    world.asked.clear()
    restored = selection.build(world.run(seed=7))
    restored.load_state_dict(state)
    restored.observe([seen(3, 2)]), original.observe([seen(3, 2)])
    assert restored.state_dict() == original.state_dict()
    assert [restored.choose(6) for _ in range(3)] == [original.choose(6) for _ in range(3)]
    assert world.asked == []  # anchors are not measured again


def test_bots_measures_the_start_policy_and_assumes_a_strong_one_where_no_column_names_them():
    world = World(20)
    selector = Bots(method="bots", samples=4, strong_rate=0.9).build(world.run())
    selector.choose(2)
    assert world.asked == ["pass_rates 4"]
    state = selector.state_dict()
    assert state["weak"] == world.pass_rates(4).tolist() and state["strong"] == [0.9] * 20
    given = Bots(method="bots", weak="weak", strong="strong")
    assert given.dataset_columns == {"weak": "weak", "strong": "strong"} and given.costs(20, 8).samples == 0
    assert [field for field, _ in given.idle({"samples": 4, "strong_rate": 1.0})] == ["samples", "strong_rate"]


def test_bots_at_temperature_zero_takes_the_nearest_and_else_draws_by_the_softmax():
    nearest = bots(temperature=0, draw="mean", target=0.75)
    nearest.observe([seen(0, 2)])  # means 0.5, 1.56 / 2.8 = 0.557, 1.6 / 2.8 = 0.571
    assert [nearest.choose(1) for _ in range(4)] == [[2]] * 4
    drawn = bots(temperature=0.1, draw="mean", target=0.5)
    drawn.observe([seen(0, 2)])
    weights = np.exp(-np.abs(np.array([0.5, 1.56 / 2.8, 1.6 / 2.8]) - 0.5) / 0.1)
    found = np.bincount([drawn.choose(1)[0] for _ in range(3000)], minlength=3) / 3000
    assert found == pytest.approx(weights / weights.sum(), abs=0.04)
