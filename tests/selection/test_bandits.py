"""SEC and DUMP, step by step and by hand: values of categories from the advantages of their groups."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from repro.errors import UserError
from repro.groups import advantages
from repro.selection.arms import Arms, softmax
from repro.selection.base import Observation
from repro.selection.methods.dump import Dump
from repro.selection.methods.sec import Sec
from repro.selection.pool import new_generator

from .worlds import World

HALF, QUARTER, NONE = (0.0, 1.0, 0.0, 1.0), (0.0, 0.0, 0.0, 1.0), (1.0, 1.0, 1.0, 1.0)
ADD, DIVIDE, MULTIPLY = 0, 1, 2
"""The world's categories by `kind`, in the order of their names; question i is of kind i % 3."""


def built(selection, world=None, **changes):
    run = replace((world or World(30)).run(0, group_size=4), **changes)
    return selection.build(run)


def test_advantages_of_a_group_by_hand():
    assert advantages(HALF, by_deviation=False).tolist() == [-0.5, 0.5, -0.5, 0.5]
    # the deviation of the sample: sqrt(4 * 0.25 / 3) = 0.57735, to which TRL adds 0.0001
    assert advantages(HALF, by_deviation=True)[1] == pytest.approx(0.5 / (math.sqrt(1 / 3) + 1e-4))
    assert advantages(NONE, by_deviation=True).tolist() == [0, 0, 0, 0]
    assert advantages((0.2, 0.3, 0.2, 0.3), by_deviation=False, min_spread=0.2).tolist() == [0, 0, 0, 0]


def test_a_value_of_sec_follows_the_mean_absolute_advantage():
    sec = built(Sec(method="sec", category="kind", rate=0.5), advantage_std=False)
    assert sec.values(3).tolist() == [0, 0, 0]
    sec.observe([Observation(0, HALF), Observation(3, NONE), Observation(1, QUARTER)])
    # add: groups of 0.5 and 0, mean 0.25, Q = 0.5 * 0 + 0.5 * 0.25
    # divide: |-0.25| three times and 0.75, mean 0.375, Q = 0.5 * 0.375
    assert sec.values(3).tolist() == [0.125, 0.1875, 0]
    sec.observe([Observation(0, NONE), Observation(2, HALF)])
    # add: 0.5 * 0.125; divide had no group and keeps its value; multiply: 0.5 * 0.5
    assert sec.values(3).tolist() == [0.0625, 0.1875, 0.25]
    sec.observe([Observation(1, HALF)])
    # divide: 0.5 * 0.1875 + 0.5 * 0.5
    assert sec.values(3).tolist() == [0.0625, 0.34375, 0.25]


def test_public_code_lets_the_value_of_a_category_without_a_group_decay():
    """There a category that is not drawn learns that its advantages are 0; by the paper's update it learns nothing."""
    for unseen, left in (("kept", 0.25), ("decay", 0.0625)):
        sec = built(Sec(method="sec", category="kind", unseen=unseen), advantage_std=False)
        sec.observe([Observation(ADD, HALF)])  # 0.25
        sec.observe([Observation(DIVIDE, HALF)])
        sec.observe([Observation(DIVIDE, HALF)])
        assert sec.values(3)[ADD] == left
        assert sec.values(3)[DIVIDE] == 0.375  # 0.25, then 0.5 * 0.25 + 0.5 * 0.5


def test_the_advantages_are_divided_by_their_deviation_where_those_of_the_run_are():
    sec = built(Sec(method="sec", category="kind", rate=1.0), advantage_std=True)
    sec.observe([Observation(0, HALF), Observation(1, QUARTER)])
    # quarter: sqrt((3 * 0.0625 + 0.5625) / 3) = 0.5
    assert sec.values(3) == pytest.approx([0.5 / (math.sqrt(1 / 3) + 1e-4), 0.375 / (0.5 + 1e-4), 0])


def test_a_bound_of_dump_is_a_windowed_mean_and_a_bonus_for_few_completions():
    dump = built(Dump(method="dump", category="kind", window=6), advantage_std=False)
    # no completion yet: N counts as 1 and all are alike
    assert dump.values(3) == pytest.approx([math.sqrt(2 * math.log(2))] * 3)
    dump.observe([Observation(0, HALF), Observation(1, QUARTER)])
    bonus = [math.sqrt(2 * math.log(9) / (seen + 1)) for seen in (4, 4, 0)]  # N = 8 completions
    assert dump.values(3) == pytest.approx([0.5 + bonus[0], 0.375 + bonus[1], 0 + bonus[2]])
    dump.observe([Observation(3, NONE), Observation(2, HALF)])
    # add: its last six are 0.5, 0.5, 0, 0, 0, 0; N = 16; n = 8, 4, 4
    bonus = [math.sqrt(2 * math.log(17) / (seen + 1)) for seen in (8, 4, 4)]
    assert dump.values(3) == pytest.approx([1 / 6 + bonus[0], 0.375 + bonus[1], 0.5 + bonus[2]])
    dump.observe([Observation(4, QUARTER)])
    # divide: its last six are 0.25, 0.75, 0.25, 0.25, 0.25, 0.75
    assert dump.values(3)[1] == pytest.approx(2.5 / 6 + math.sqrt(2 * math.log(21) / 9))


@pytest.mark.parametrize("selection", [Sec(method="sec", category="kind"), Dump(method="dump", category="kind")])
def test_the_category_with_the_highest_value_is_drawn_most_and_others_too(selection):
    selector = built(selection.model_copy(update={"temperature": 0.1}), World(900), advantage_std=False)
    drawn = Counter()
    for _ in range(60):
        chosen = selector.choose(9)
        drawn.update(i % 3 for i in chosen)
        # only multiplication has a gradient
        selector.observe([Observation(i, HALF if i % 3 == MULTIPLY else NONE) for i in chosen])
    assert drawn[MULTIPLY] > 0.7 * drawn.total() and min(drawn.values()) > 0, drawn
    assert selector.metrics()["category_most"] > 0.7 > selector.metrics()["category_entropy"]


def test_categories_have_the_order_of_their_names_whatever_the_order_of_the_rows():
    """DUMP's code orders its sources by a set, which differs from process to process."""

    class Turned(World):
        def __init__(self) -> None:
            super().__init__(30)
            self._ids.reverse()
            self.problems.reverse()

    values = []
    for world in (World(30), Turned()):
        place = {problem.id: i for i, problem in enumerate(world.problems)}
        sec = built(Sec(method="sec", category="kind"), world, advantage_std=False)
        sec.observe([Observation(place["q0001"], HALF)])
        values.append(sec.values(3).tolist())
    assert values[0] == values[1] == [0, 0.25, 0]


def test_a_draw_takes_a_category_for_each_place_and_no_question_twice():
    arms = Arms([[0, 1], [2, 3, 4, 5], [6]], new_generator(0, "test"))
    counts = np.zeros(3)
    for _ in range(400):
        chosen = arms.draw(1, np.array([0.2, 0.3, 0.5]))
        counts[arms.of[chosen[0]]] += 1
    assert np.abs(counts / 400 - [0.2, 0.3, 0.5]).max() < 0.08
    assert sorted(arms.draw(7, np.array([1.0, 0.0, 0.0]))) == list(range(7)), "what has no probability fills up"
    assert softmax(np.array([1.0, 2.0]), 0.5) == pytest.approx([1 / (1 + math.e**2), 1 / (1 + math.e**-2)])
    assert softmax(np.array([0.0, 1e6]), 1e-3).tolist() == [0, 1]


def test_a_column_that_is_not_there_is_told_at_the_first_choice():
    with pytest.raises(UserError, match=r"selection\.category: got \"kid\".*did you mean kind"):
        built(Sec(method="sec", category="kid")).choose(3)
