"""The figures of UFO-RL: what is drawn where, at both widths."""

from __future__ import annotations

from typing import Any

import pytest

from repro.analysis.measures import Measures
from repro.analysis.pictures import Picture
from repro.analysis.pool import pools_of
from repro.analysis.primary import Question, judge
from repro.analysis.ufo_rl.batches import table_4, table_5
from repro.analysis.ufo_rl.forest import forest
from repro.analysis.ufo_rl.scored import scored
from repro.analysis.ufo_rl.scores import table_2
from tests.analysis.drawing import check, visible
from tests.analysis.ufo_rl.store import ufo_study
from tests.analysis.ufo_rl.study import behaviour, selection

SIZES = {"pool": 64, "test": 40}
FIELDS: dict[str, Any] = {"dataset": [{"arithmetic": SIZES}, {"shuffle": SIZES}]}
ARMS = {
    "full": ({}, behaviour(0.60, kept=1.0)),
    "random": (selection("random"), behaviour(0.50)),
    "ufo": (selection("confidence"), behaviour(0.55)),
    "middle": (selection("pass_rate", band={"center": 0.5}), behaviour(0.58, absent=("shuffle",))),
}


@pytest.fixture(scope="module")
def panels(tmp_path_factory: pytest.TempPathFactory) -> list[Measures]:
    folder = tmp_path_factory.mktemp("ufo")
    store = ufo_study(folder, ARMS, seeds=2, steps=8, every=2, questions=40, fields=FIELDS)
    return [Measures(panel) for panel in store.read().panels]


@pytest.fixture(scope="module")
def pictures(panels: list[Measures]) -> dict[str, Picture]:
    made = [item for make in (forest, table_2, table_4, table_5) for item in make(panels)]
    return {item.name.removeprefix("ufo_rl."): item for item in made if isinstance(item, Picture)}


@pytest.mark.parametrize("name", ["forest", "table_2_curves", "scoring_cost", "gain"])
def test_figures_can_be_read_on_a_page_and_in_a_column(pictures: dict[str, Picture], name: str):
    for narrow in (False, True):
        check(pictures[name], narrow)


def test_the_forest_has_ufo_against_full_data_and_random_on_each_pair(
    pictures: dict[str, Picture], panels: list[Measures]
):
    data = pictures["forest"].data
    assert list(dict.fromkeys(data["comparison"])) == ["UFO − full", "UFO − random"] and len(data) == 2 * 3
    (judged,) = judge([Question("ufo", "random", "tokens")], [measures.panel for measures in panels])
    row = data.query("comparison == 'UFO − random' and model_data == 'all pairs'").iloc[0]
    assert row["difference"] == pytest.approx(judged.difference.value) and row["difference"] > 0


def test_the_gain_of_full_data_is_one_and_that_of_the_start_policy_zero(
    pictures: dict[str, Picture], panels: list[Measures]
):
    data = pictures["gain"].data.query("model_data == 'all'").set_index("strategy")["share_of_gain"]
    assert list(data.index) == ["pass_rate middle", "confidence middle", "random"], "the best first"
    # Curves of one shape: the share of the gain is that of their ends above the start at 0.3, which is the same there.
    assert data["random"] == pytest.approx(
        sum((0.5 + shift - 0.3) / (0.6 + shift - 0.3) for shift in (0.0, 0.05)) / 2, abs=0.06
    )
    ours = pictures["gain"].data.query("strategy == 'pass_rate middle'")
    assert set(ours["model_data"]) == {"tiny-96x2 on arithmetic", "all"}, "one pair alone has it"


def test_the_cost_of_scoring_is_the_ledgers_and_stands_above_the_published_one(pictures: dict[str, Picture]):
    data = pictures["scoring_cost"].data.set_index(["how", "model_data"])["seconds"]
    assert data["single pass, final answer"].tolist() == pytest.approx([0.3, 0.3])
    assert data["8 samples per question"].tolist() == pytest.approx([3.0])
    assert data["single-pass confidence (published)"].tolist() == [175.0]
    axis = visible(check(pictures["scoring_cost"], False))[0]
    assert axis.get_xscale() == "log"


def test_the_scores_that_were_kept_are_shaded(pictures: dict[str, Picture], panels: list[Measures]):
    (one,) = [one for one in scored(*pools_of(panels[:1])[0]) if one.name == "s of the final answer"]
    assert one.kept is not None and one.s.min() < one.kept[0] < one.kept[1] < one.s.max()
    axis = visible(check(pictures["table_2_curves"], True))[0]
    shades = [patch for patch in axis.patches if patch.get_alpha() == 0.15]
    assert len(shades) == 1
    low, high = shades[0].get_bbox().y0, shades[0].get_bbox().y1  # type: ignore[attr-defined]
    assert (low, high) == pytest.approx(one.kept)
