"""Curricula: order of the stages, passes within them, and what a stage smaller than a batch does."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from repro.errors import UserError
from repro.selection.methods.curriculum import Curriculum
from repro.selection.pool import new_generator
from repro.selection.ties import tie_places
from tests.selection.worlds import build_selector

from .worlds import World


def curriculum(world, steps, seed=0, **fields):
    fields = {"by": "confidence"} | fields
    return build_selector(Curriculum(method="curriculum", **fields), world.ids, seed, world, 8, steps)


def ranked(world, scores, order):
    """Question indices, first to be trained on first, by a sort of Python's; ties as drawn for seed 0."""
    sign = -1 if order == "easy_to_hard" else 1
    places = tie_places(world.ids, new_generator(0, "ties"))
    return sorted(range(len(scores)), key=lambda i: (sign * scores[i], places[i]))


@pytest.mark.parametrize("by", ["confidence", "pass_rate"])
@pytest.mark.parametrize("order", ["easy_to_hard", "hard_to_easy"])
@pytest.mark.parametrize(("total", "stages", "steps"), [(120, 4, 20), (103, 5, 17), (50, 10, 10), (60, 3, 2)])
def test_every_step_draws_from_the_stage_of_the_formula(by, order, total, stages, steps):
    world = World(total)
    selector = curriculum(world, steps, by=by, order=order, stages=stages)
    scores = world.confidences("") if by == "confidence" else world.pass_rates(8)  # pass rates have many ties
    wanted = ranked(world, scores, order)
    bounds = [total * k // stages for k in range(stages + 1)]
    for step in range(steps):
        stage = step * stages // steps
        chosen = selector.choose(4)
        assert set(chosen) <= set(wanted[bounds[stage] : bounds[stage + 1]])
        assert selector.metrics() == {"stage": stage + 1}
    assert np.array_equal(selector.scores(), scores)


@pytest.mark.parametrize("high", ["easy", "hard"])
@pytest.mark.parametrize("order", ["easy_to_hard", "hard_to_easy"])
def test_a_column_orders_the_pool_by_what_its_high_numbers_mean(order, high):
    world = World(90)
    selector = curriculum(world, 9, by="column", column="steps", order=order, high=high, stages=3)
    steps = world.column("steps")  # 0 to 6 in turn, so with many ties
    falling = {("easy_to_hard", "easy"), ("hard_to_easy", "hard")}
    wanted = ranked(world, steps, "easy_to_hard" if (order, high) in falling else "hard_to_easy")
    stages = [wanted[30 * k : 30 * (k + 1)] for k in range(3)]
    for stage in stages:
        assert set(selector.choose(10)) | set(selector.choose(10)) | set(selector.choose(10)) == set(stage)
    assert np.array_equal(selector.scores(), steps) and selector.target_tokens() is None


def test_what_a_column_means_belongs_to_its_identity_and_its_default_does_not():
    column = Curriculum(method="curriculum", by="column", column="steps")
    hard = Curriculum(method="curriculum", by="column", column="steps", high="hard")
    rates = Curriculum(method="curriculum", by="pass_rate")
    assert "high" not in column.identity_fields(8) and hard.identity_fields(8)["high"] == "hard"
    assert {"column", "high"}.isdisjoint(rates.identity_fields(8))
    assert list(rates.idle({"high": "hard"})) == [("high", "it belongs to by: column")]


@pytest.mark.parametrize(("order", "sign"), [("easy_to_hard", -1), ("hard_to_easy", 1)])
def test_the_mean_score_goes_one_way_from_stage_to_stage(order, sign):
    world = World(100)
    selector = curriculum(world, 20, order=order, stages=10)
    means = [np.mean([selector.scores()[selector.choose(5)] for _ in range(2)]) for _ in range(10)]
    assert all(sign * (after - before) > 0 for before, after in pairwise(means))


def test_every_question_of_a_stage_comes_before_any_comes_twice():
    world = World(120)
    selector = curriculum(world, 40, stages=4)
    wanted = ranked(world, world.confidences(""), "easy_to_hard")
    for stage in range(4):
        members = wanted[30 * stage : 30 * (stage + 1)]
        seen: Counter[int] = Counter()
        for _ in range(10):
            chosen = selector.choose(7)  # does not divide 30: passes end inside a step
            assert len(set(chosen)) == 7
            seen.update(chosen)
            counts = [seen[i] for i in members]
            assert max(counts) - min(counts) <= 1
        assert set(seen) == set(members)


def test_a_stage_smaller_than_the_batch_is_filled_from_the_next_ones_and_the_last_from_those_before():
    world = World(20)
    wanted = ranked(world, world.confidences(""), "easy_to_hard")
    stages = [wanted[5 * k : 5 * (k + 1)] for k in range(4)]
    selector = curriculum(world, 4, stages=4)
    first, second, third, fourth = (selector.choose(7) for _ in range(4))
    for chosen, stage, following in [
        (first, stages[0], stages[1]),
        (second, stages[1], stages[2]),
        (third, stages[2], stages[3]),
        (fourth, stages[3], stages[2]),
    ]:
        assert set(stage) < set(chosen) <= set(stage) | set(following)
        assert len(set(chosen)) == 7
    selector = curriculum(world, 4, stages=4)
    assert set(selector.choose(12)) >= set(stages[0]) | set(stages[1])  # two whole stages, then the third
    assert set(selector.choose(20)) == set(range(20))


def test_questions_lent_to_an_earlier_stage_come_last_in_their_own():
    world = World(20)
    stage = ranked(world, world.confidences(""), "easy_to_hard")[5:10]
    selector = curriculum(world, 4, stages=4)
    lent = set(selector.choose(7)) & set(stage)
    assert len(lent) == 2
    assert set(selector.choose(3)) == set(stage) - lent


def test_steps_beyond_the_planned_ones_stay_in_the_last_stage():
    world = World(40)
    selector = curriculum(world, 4, stages=4)
    last = set(ranked(world, world.confidences(""), "easy_to_hard")[30:])
    for _ in range(4):
        selector.choose(5)
    assert set(selector.choose(5)) <= last
    assert selector.metrics() == {"stage": 4.0}


def test_a_curriculum_without_steps_or_with_more_stages_than_questions_is_refused():
    world = World(20)
    with pytest.raises(ValueError, match="number of steps"):
        curriculum(world, None)
    with pytest.raises(ValueError, match="steps is 0"):
        curriculum(world, 0)
    with pytest.raises(UserError, match=r"selection\.stages: 21, expected at most the 20"):
        curriculum(world, 10, stages=21)


def test_the_score_that_orders_is_the_one_asked_for():
    world = World(40)
    curriculum(world, 4, stages=4, target="solution").choose(2)
    curriculum(world, 4, stages=4, by="pass_rate", samples=3).choose(2)
    assert world.asked == ["confidences solution", "pass_rates 3"]
