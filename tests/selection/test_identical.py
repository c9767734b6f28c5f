"""The control that repeats a question, or a few, in every batch."""

from __future__ import annotations

from collections import Counter

import pytest

from repro.errors import UserError
from repro.selection.method import Setting
from repro.selection.methods.identical import Identical

from .worlds import World


def test_every_place_of_every_batch_holds_the_question_that_the_seed_draws():
    drawn = set()
    for seed in range(6):
        selector = Identical(method="identical").build(World(120).run(seed))
        batches = [selector.choose(32) for _ in range(3)]
        assert len({index for batch in batches for index in batch}) == 1
        drawn.add(batches[0][0])
    assert len(drawn) > 3


def test_a_few_questions_take_turns_over_the_batches():
    selector = Identical(method="identical", questions=3).build(World(120).run(0))
    one, two = selector.choose(4), selector.choose(4)
    # a b c a, then b c a b
    assert one[3] == one[0] and two == [one[1], one[2], one[0], one[1]]
    assert sorted(Counter(one + two + selector.choose(4)).values()) == [4, 4, 4]
    assert selector.kept().tolist() == sorted(set(one))


def test_more_questions_than_there_are_is_told_and_a_batch_may_be_larger_than_what_is_kept():
    with pytest.raises(UserError, match=r"selection\.questions: 9, expected at most the 8"):
        Identical(method="identical", questions=9).build(World(8).run(0))
    setting = Setting(pool=8, questions_per_step=32, group_size=8, predictor=False, dataset="a dataset")
    assert list(Identical(method="identical").mistakes(setting)) == []
    assert [m.field for m in Identical(method="identical", questions=9).mistakes(setting)] == ["questions"]
    assert Identical(method="identical").kept_of(8) == 1
