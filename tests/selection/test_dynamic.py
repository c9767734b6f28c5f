"""Dynamic sampling and references that train: which rollouts are made, kept and thrown away."""

from __future__ import annotations

import numpy as np
import pytest

from repro.selection.methods.difficulty import Difficulty
from repro.selection.methods.dynamic import Dynamic
from tests.selection.worlds import build_selector

from .worlds import World

GROUP = 8


class Mixed(World):
    """Every third question has a gradient; the others are always right or always wrong."""

    def __init__(self, count: int = 60) -> None:
        super().__init__(count)
        self.rates = np.array([0.5 if i % 3 == 0 else float(i % 3 == 1) for i in range(count)])


def dynamic(world, most=4, seed=0):
    return build_selector(Dynamic(method="dynamic", most=most), world.ids, seed, world, GROUP)


def test_a_batch_holds_only_groups_with_a_gradient_while_there_are_enough():
    world = Mixed()
    selector = dynamic(world)
    for _ in range(6):
        chosen = selector.choose(6)
        assert len(chosen) == 6 and all(i % 3 == 0 for i in chosen)
        assert selector.reused() == chosen


def test_only_the_missing_questions_are_tried_and_each_once_a_step():
    world = Mixed()
    selector = dynamic(world)
    selector.choose(6)
    tried = [i for indices, _ in world.probes for i in indices]
    assert len(tried) == len(set(tried)) == selector.metrics()["tried"]
    found = 0
    for indices, rows in world.probes:
        assert len(indices) == 6 - found
        found += sum(len(set(row)) > 1 for row in rows)
    assert found == selector.metrics()["found"] == 6


def test_what_fills_a_batch_is_what_was_tried_first():
    world = World(60)
    world.rates[:] = 1.0
    chosen = dynamic(world, most=3).choose(6)
    assert chosen == world.probes[0][0]
    assert sum(len(indices) for indices, _ in world.probes) == 18


def test_after_the_most_that_may_be_tried_the_batch_is_filled_with_groups_without_gradient():
    world = World(60)
    world.rates[:] = 1.0
    selector = dynamic(world, most=2)
    chosen = selector.choose(6)
    assert len(set(chosen)) == 6
    assert selector.metrics() == {"tried": 12.0, "found": 0.0, "found_share": 0.0}


def test_a_pool_smaller_than_what_may_be_tried_is_tried_once():
    world = World(10)
    world.rates[:] = 0.0
    selector = dynamic(world, most=4)
    assert len(set(selector.choose(6))) == 6
    assert selector.metrics()["tried"] == 10


def test_all_that_train_were_kept():
    world = Mixed()
    chosen = dynamic(world).choose(6)
    assert set(chosen) <= set(world.kept)


def difficulty(world, **fields):
    selection = Difficulty(method="difficulty", references=30, every=2, reuse_references=True, **fields)
    return build_selector(selection, world.ids, 0, world, GROUP)


def test_references_measured_near_the_target_come_first_and_train_with_their_rollouts():
    world = World(120)
    selector = difficulty(world)
    chosen = selector.choose(12)
    indices, rows = world.probes[0]
    measured = {i: 1 - float(np.mean(row)) for i, row in zip(indices, rows, strict=True)}
    near = sorted((i for i in indices if abs(measured[i] - 0.5) <= 0.25), key=lambda i: abs(measured[i] - 0.5))
    assert near
    assert selector.reused() == chosen[: len(selector.reused())] == near[:12]
    assert len(set(chosen)) == 12
    assert set(selector.reused()) <= set(world.kept)


def test_the_rest_of_a_batch_is_drawn_from_what_is_not_reused():
    world = World(30, width=2)
    batches = 0
    for seed in range(20):
        selection = Difficulty(method="difficulty", references=20, every=1, temperature=1.0, reuse_references=True)
        selector = build_selector(selection, world.ids, seed, world, GROUP)
        for _ in range(5):
            chosen = selector.choose(25)
            assert len(set(chosen)) == 25, "a reused reference must not be drawn again"
            assert chosen[: len(selector.reused())] == selector.reused()
            batches += 0 < len(selector.reused()) < 25
    assert batches == 100, "every batch holds both kinds"


@pytest.mark.parametrize(("target", "reused"), [(0.0, [1, 2]), (0.5, [2, 3, 4, 5, 6]), (1.0, [6, 7])])
def test_a_reference_is_reused_up_to_a_quarter_from_the_target(target, reused):
    world = World(9)
    world.rates = np.arange(9) / 8  # 0 and 1 have no gradient
    selection = Difficulty(method="difficulty", references=9, target=target, reuse_references=True)
    selector = build_selector(selection, world.ids, 0, world, GROUP)
    selector.choose(9)
    assert sorted(8 - i for i in selector.reused()) == reused  # question i fails 8 - i times of 8


def test_between_refreshes_nothing_is_reused():
    selector = difficulty(World(120))
    selector.choose(12)
    selector.choose(12)
    assert selector.reused() == []


def test_a_reference_without_gradient_is_not_reused_however_near_the_target():
    world = Mixed()
    selector = difficulty(world, target=0.25)
    selector.choose(20)
    assert selector.reused()
    assert all(i % 3 == 0 for i in selector.reused())


def test_a_reference_is_reused_by_its_predicted_difficulty_where_asked_gradient_or_not():
    world = Mixed(120)
    selector = difficulty(world, reuse_by="predicted", reuse_within=0.1)
    chosen = selector.choose(12)
    references = world.probes[0][0]
    predicted = 1.0 - selector.predictions()
    near = sorted((i for i in references if abs(predicted[i] - 0.5) <= 0.1), key=lambda i: abs(predicted[i] - 0.5))
    assert selector.reused() == near[:12] == chosen[: len(near)]
    assert near and any(world.rates[i] in (0, 1) for i in near), "the prediction does not know which have a gradient"
    measured = difficulty(Mixed(120), reuse_within=0.1)
    measured.choose(12)
    assert all(i % 3 == 0 for i in measured.reused()) and measured.reused() != selector.reused()


def test_how_references_are_reused_is_part_of_an_identity_only_where_they_are():
    fields = {"method": "difficulty", "reuse_by": "predicted", "reuse_within": 0.1}
    off, on = Difficulty(**fields), Difficulty(**fields, reuse_references=True)
    assert off.identity_fields(8) == Difficulty(method="difficulty").identity_fields(8)
    assert on.identity_fields(8).items() > {"reuse_by": "predicted", "reuse_within": 0.1}.items()
    assert [field for field, _ in off.idle(fields)] == ["reuse_by", "reuse_within"]
    assert list(on.idle(fields)) == []


def test_the_pass_rate_as_measure_turns_the_target_round():
    world = World(400)
    easy = build_selector(
        Difficulty(method="difficulty", references=200, target=0.9, measure="pass_rate"), world.ids, 0, world, GROUP
    )
    hard = build_selector(Difficulty(method="difficulty", references=200, target=0.9), world.ids, 0, world, GROUP)
    assert world.rates[easy.choose(20)].mean() > 0.7
    assert world.rates[hard.choose(20)].mean() < 0.3


def test_an_oracle_measures_the_whole_pool_and_chooses_by_what_it_measured():
    world = World(200)
    selector = build_selector(Difficulty(method="difficulty", predictor="oracle", every=3), world.ids, 0, world, GROUP)
    rounded = np.round(world.rates * GROUP) / GROUP
    chosen = selector.choose(10)
    assert [len(indices) for indices, _ in world.probes] == [200]
    assert (np.abs(rounded[chosen] - 0.5) <= np.sort(np.abs(rounded - 0.5))[9] + 1e-9).all()
    assert np.array_equal(selector.predictions(), rounded)
    selector.choose(10), selector.choose(10)
    assert len(world.probes) == 1
