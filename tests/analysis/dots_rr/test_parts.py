"""DOTS alone, and replay on top of it: our rows from the store, the published ones from the curves."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from repro.analysis.dots_rr.parts import part_tables
from repro.analysis.tables import Table
from tests.analysis.behaviour import Behaviour
from tests.analysis.dots_rr.study import DOTS, JITTER, REPLAY, dots_panels, halved
from tests.analysis.synthetic import Store

PLAIN, BETTER, BOTH = (0.4, 0.5, 0.55, 0.6), (0.5, 0.61, 0.65, 0.66), (0.5, 0.6, 0.63, 0.65)


def tables(store: Store) -> dict[str, Table]:
    return {made.name.removeprefix("dots_rr."): made for made in part_tables(dots_panels(store))}


@pytest.fixture
def made(quick_study: Callable[..., Store]) -> dict[str, Table]:
    few = {"selection": {**DOTS["selection"], "references": 2}}
    arms = {
        "plain": ({}, Behaviour(halved(PLAIN), JITTER)),
        "chosen": (DOTS, Behaviour(halved(BETTER), JITTER, probe_tokens=64)),
        "few": (few, Behaviour(halved(PLAIN), JITTER, probe_tokens=64)),
        "both": (DOTS | REPLAY, Behaviour(halved(BOTH), JITTER, probe_tokens=64, replays=0.5)),
    }
    return tables(quick_study(arms, questions=200, every=1, wiggle=True, fields={"report": {"baseline": "plain"}}))


def test_dots_alone_has_a_row_per_number_of_references_above_the_published_ones(made: dict[str, Table]):
    data = made["dots_alone"].data
    assert data["arm"].tolist()[:2] == ["chosen", "few"] and data["references"].tolist()[:2] == [4, 2]
    ours = data.iloc[0]
    there = 2 + 2 * 0.1 / 0.11  # 0.6 lies between 0.5 at step 2 and 0.61 at step 4
    assert ours["steps"] == pytest.approx(8 / there, rel=2e-3) and ours["steps_low"] < 8 / there < ours["steps_high"]
    assert ours["time"] == pytest.approx(8 * 0.5 / (there * 0.55), rel=2e-3)
    assert ours["at_end"] == pytest.approx(0.06)
    heights = [(0.3 + 2 * sum(curve) - curve[-1]) / 8 for curve in (BETTER, PLAIN)]  # trapezoids, 0.3 at the start
    assert ours["over_training"] == pytest.approx(heights[0] - heights[1])
    theirs = data.query("source == 'published'")
    assert [round(x, 2) for x in theirs["steps"]] == [1.36, 1.67, 1.36, 1.88, 1.76, 1.67]
    assert [round(x, 2) for x in theirs["time"].dropna()] == [1.09, 1.46, 1.05]
    cells = made["dots_alone"].rows[2]
    assert cells[:3] == ["Qwen2.5-Math-1.5B, MATH (published, Figure 5a)", "DOTS, K 256", "1.36× (1.30 to 1.36)"]


def test_replay_is_compared_with_dots_and_not_with_grpo(made: dict[str, Table]):
    data = made["replay_on_top"].data
    ours = data.iloc[0]
    assert ours["at_end"] == pytest.approx(-0.01) and ours["time_saved"] == pytest.approx(1 - 0.425 / 0.55)
    gaps = [b - a for a, b in zip(BETTER, BOTH, strict=True)]
    assert ours["over_training"] == pytest.approx((2 * sum(gaps) - gaps[-1]) / 8)
    theirs = data.query("source == 'published'")
    assert [round(100 * x, 2) for x in theirs["over_training"]] == [-0.26, -0.07, -0.30]
    assert "about 20 % (section 5.4)" in made["replay_on_top"].caption


def test_a_study_without_these_arms_has_neither_table(quick_study: Callable[..., Store]):
    arms = {"plain": ({}, Behaviour(PLAIN, JITTER)), "again": (REPLAY, Behaviour(PLAIN, JITTER, replays=0.5))}
    assert tables(quick_study(arms, questions=100)) == {}
    alone = tables(quick_study({"plain": arms["plain"], "chosen": (DOTS, Behaviour(BETTER, JITTER))}))
    assert set(alone) == {"dots_alone"}


def test_an_arm_that_never_gets_there_and_a_single_seed_leave_cells_open(quick_study: Callable[..., Store]):
    arms = {"plain": ({}, Behaviour(PLAIN)), "chosen": (DOTS, Behaviour((0.3, 0.3, 0.3, 0.3)))}
    made = tables(quick_study(arms, seeds=1, questions=100, fields={"report": {"baseline": "plain"}}))
    row = made["dots_alone"].data.iloc[0]
    assert math.isnan(row["steps"]) and math.isnan(row["steps_low"]) and math.isnan(row["at_end_low"])
    assert (
        made["dots_alone"].rows[0][2] == "–"
        and "Not told, where a dash stands: one seed." in made["dots_alone"].caption
    )
