"""Easy-to-hard schedules by hand, and which questions are the levels."""

from __future__ import annotations

import math

import numpy as np
import pytest

from repro.selection.method import Setting, Smoke
from repro.selection.methods.e2h import E2H, cosine, gaussian

from .worlds import World


def built(world=None, steps=30, **fields):
    return E2H(method="e2h", **fields).build((world or World(120)).run(0, 8, steps))


def test_the_cosine_goes_from_the_easy_to_the_hard_proportions():
    # K = 3: 3/6, 2/6, 1/6 at first, the reverse at the end, in four steps
    assert cosine(0, 4, 3) == pytest.approx([3 / 6, 2 / 6, 1 / 6])
    early = 0.5 * (1 + math.cos(math.pi / 4))  # 0.8536
    first, last = early * 3 / 6 + (1 - early) / 6, early / 6 + (1 - early) * 3 / 6
    assert cosine(1, 4, 3) == pytest.approx([first, 2 / 6, last])
    assert cosine(2, 4, 3) == pytest.approx([2 / 6, 2 / 6, 2 / 6])
    assert cosine(4, 4, 3) == pytest.approx([1 / 6, 2 / 6, 3 / 6])
    assert min(cosine(t, 40, 7).min() for t in range(41)) >= 2 / (7 * 8) - 1e-12, "the floor of the released code"


def test_the_bell_moves_with_the_root_of_the_time_above_its_floor():
    # K = 3, floor 2 / 12, of which three leave one half for the bell; centre sqrt(t / 4) * 2
    for t, centre in ((0, 0.0), (1, 1.0), (4, 2.0)):
        bell = np.exp([-((k - centre) ** 2) / (2 * 0.25) for k in range(3)])
        expected = 2 / 12 + 0.5 * bell / bell.sum()
        assert gaussian(t, 4, 3, 0.5, 0.5, True) == pytest.approx(expected)
        # without: the released code refuses its own default
        assert gaussian(t, 4, 3, 0.5, 0.5, False) == pytest.approx(bell / bell.sum())
    assert gaussian(1, 4, 3, 1.0, 0.5, False).argmax() != gaussian(1, 4, 3, 0.1, 0.5, False).argmax()
    narrow = gaussian(1, 10, 10, 1.0, 1e-3, False)
    assert np.isfinite(narrow).all() and narrow.sum() == pytest.approx(1)


def test_easy_questions_come_first_and_hard_ones_last_and_both_all_the_time():
    world = World(120)
    selector = built(world, steps=40, by="pass_rate", schedule="cosine", levels=3)
    rates = [world.rates[selector.choose(8)].mean() for _ in range(40)]
    assert np.mean(rates[:8]) > np.mean(rates[16:24]) > np.mean(rates[-8:])
    assert selector.metrics()["level"] > 2
    levels = [len(part["items"]) for part in selector.state_dict()["arms"]["groups"]]
    assert levels == [40, 40, 40]
    assert selector.probabilities(39).tolist() == selector.probabilities(500).tolist(), "it stays at its last step"


def test_each_value_of_a_column_is_a_level_in_the_order_of_difficulty():
    for high, first in (("hard", 0), ("easy", 6)):
        selector = built(by="column", column="steps", high=high)
        groups = [part["items"] for part in selector.state_dict()["arms"]["groups"]]
        assert len(groups) == 7 and all(i % 7 == first for i in groups[0])
    assert len(built(by="column", column="steps", levels=3).state_dict()["arms"]["groups"]) == 3
    assert len(built(by="confidence").state_dict()["arms"]["groups"]) == 4


def test_fields_of_another_schedule_or_score_are_told_and_are_no_part_of_an_identity():
    fields = {"by": "pass_rate", "schedule": "cosine", "width": 2.0, "target": "solution"}
    selection = E2H(method="e2h", **fields)
    assert [field for field, _ in selection.idle(fields)] == ["target", "width"]
    assert selection.identity_fields(8) == {"method": "e2h", "by": "pass_rate", "schedule": "cosine"}
    assert selection.costs(100, 8).samples == 8 and not E2H(method="e2h", by="column", column="x").costs(9, 8).passes
    setting = Setting(pool=10, questions_per_step=4, group_size=8, predictor=False, dataset="a dataset")
    assert [m.field for m in E2H(method="e2h", by="pass_rate", levels=11).mistakes(setting)] == ["levels"]
    small = E2H(method="e2h", by="pass_rate", levels=500, samples=64).smoke(Smoke(2, 8, 2, 128))
    assert (small.levels, small.samples) == (128, 2)
