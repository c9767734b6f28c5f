"""The figures of DOTS + RR: what is drawn where, at both widths."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from repro.analysis.dots_rr.ablations import ablations
from repro.analysis.dots_rr.arms import CURRICULUM, DOTS, DOTS_RR, GRPO, RR, part_looks
from repro.analysis.dots_rr.curves import mean_curve
from repro.analysis.dots_rr.factors import factors
from repro.analysis.dots_rr.figures import curves, figure_4
from repro.analysis.dots_rr.forest import forest
from repro.analysis.dots_rr.staleness import staleness
from repro.analysis.measures import Measures
from repro.analysis.pictures import Picture
from repro.analysis.primary import Question, judge
from tests.analysis.dots_rr.study import DOTS as DOTS_FIELDS
from tests.analysis.dots_rr.study import REPLAY, behaviour, dots_panels, dots_study
from tests.analysis.drawing import check, drawn, visible
from tests.analysis.synthetic import make_study

MAKERS = (forest, curves, factors, staleness, figure_4, ablations)
SHOWN = {  # picture -> panels on a page
    "forest": 3,
    "curves": 12,
    "factors": 6,
    "staleness": 6,
    "figure_4": 12,
    "ablation_grid": 2,
}


@pytest.fixture(scope="module")
def panels(tmp_path_factory: pytest.TempPathFactory) -> list[Measures]:
    return dots_panels(dots_study(tmp_path_factory.mktemp("dots"), points=4, questions=50, seeds=2))


@pytest.fixture(scope="module")
def pictures(panels: list[Measures]) -> dict[str, Picture]:
    made = [item for make in MAKERS for item in make(panels)]
    return {item.name.removeprefix("dots_rr."): item for item in made if isinstance(item, Picture)}


def test_every_figure_is_made(pictures: dict[str, Picture]):
    assert set(pictures) == set(SHOWN)


@pytest.mark.parametrize("name", SHOWN)
def test_figures_can_be_read_on_a_page_and_in_a_column(pictures: dict[str, Picture], name: str):
    for narrow in (False, True):
        axes = visible(check(pictures[name], narrow))
        assert len(axes) == SHOWN[name]
        columns = max(axis.get_subplotspec().colspan.stop for axis in axes)  # type: ignore[union-attr]
        assert columns <= (2 if narrow else 3)


def test_the_grid_has_every_arm_by_tokens_and_five_parts_in_colour(
    pictures: dict[str, Picture], panels: list[Measures]
):
    data = pictures["curves"].data
    ours = data.query("source == 'ours'")
    assert set(ours["label"]) == {series.label for measures in panels for series in measures.panel.series}
    assert set(ours["x_name"]) == {"generated tokens"}
    one = ours.query("panel == 'tiny-96x2 on arithmetic' and arm == 'GRPO' and seed == 0")
    cost, accuracy = panels[0].panel.get("alpha").runs[0].evaluated_cost("cost/generated_tokens", "test")
    assert one["x"].tolist() == pytest.approx(list(cost)) and one["accuracy"].tolist() == pytest.approx(list(accuracy))
    axes = visible(drawn(pictures["curves"], False))
    bold = {to_hex(line.get_color()) for line in axes[0].get_lines() if line.get_linewidth() > 1.2}
    assert bold == {part_looks([])[part].color.lower() for part in (GRPO, DOTS, RR, DOTS_RR, CURRICULUM)}


def test_published_curves_stand_below_ours_dashed_each_once(pictures: dict[str, Picture]):
    theirs = pictures["curves"].data.query("source == 'published'")
    assert theirs["panel"].nunique() == 6 and set(theirs["x_name"]) == {"training step"}
    assert {GRPO, DOTS, DOTS_RR, CURRICULUM} <= set(theirs["arm"])
    assert not theirs.duplicated(["panel", "arm", "x"]).any()
    last = visible(drawn(pictures["curves"], False))[-1]
    assert {line.get_linestyle() for line in last.get_lines()} == {"--"}


def test_seeds_are_thin_and_their_mean_is_bold(pictures: dict[str, Picture]):
    lines = visible(drawn(pictures["curves"], False))[0].get_lines()
    black = [line for line in lines if to_hex(line.get_color()) == "#000000"]
    thin, bold = ([line for line in black if (line.get_linewidth() < 1) == small] for small in (True, False))
    assert len(thin) == 2 and len(bold) == 1 and bold[0].get_linestyle() == "-"
    seeds = [line.get_ydata() for line in thin]
    assert list(bold[0].get_ydata()) == pytest.approx(list((seeds[0] + seeds[1]) / 2))  # type: ignore[operator]


def test_the_forest_has_what_the_primary_claims_have(pictures: dict[str, Picture], panels: list[Measures]):
    (judged,) = judge([Question("beta", "alpha", "tokens")], [measures.panel for measures in panels])
    rows = pictures["forest"].data.query("comparison == 'DOTS − GRPO'").set_index("model_data")["difference"]
    assert rows["all pairs"] == pytest.approx(judged.difference.value) and len(rows) == 7
    for pair in judged.pairs:
        assert rows[pair.panel.title] == pytest.approx(pair.difference.value)


def test_a_pair_without_an_arm_says_so_in_its_row(panels: list[Measures]):
    some = [Measures(panels[0].panel.only(["alpha", "beta"])), *panels[1:3]]
    picture = forest(some)[0]
    assert isinstance(picture, Picture)
    axes = visible(check(picture, True))
    assert [text.get_text() for axis in axes for text in axis.texts] == ["not run", "not run"]


def test_an_arm_that_hardly_trained_is_not_comparable_in_its_row(tmp_path: Path):
    arms = {
        "plain": ({}, behaviour(0.6, 8)),
        "dots": (DOTS_FIELDS, behaviour(0.7, 8, predicts=True)),
        "both": (DOTS_FIELDS | REPLAY, behaviour(0.7, 8, predicts=True, replays=0.5, probe_tokens=9 * 320)),
    }
    store = make_study(tmp_path, None, arms, steps=16, questions=40, seeds=2)
    (picture,) = forest(dots_panels(store))
    assert isinstance(picture, Picture)
    axis = visible(check(picture, True))[0]
    assert [text.get_text() for text in axis.texts] == ["not comparable"]
    assert set(picture.data["comparison"]) == {"DOTS − GRPO", "DOTS+RR − GRPO"}


def test_factors_are_means_up_to_the_tokens_that_all_four_arms_spent(
    pictures: dict[str, Picture], panels: list[Measures]
):
    part = pictures["factors"].data.query("model_data == 'tiny-96x2 on arithmetic'").set_index("part")
    ends = {}
    for name, label in {GRPO: "alpha", DOTS: "beta", RR: "gamma", DOTS_RR: "delta"}.items():
        ends[name] = [run.evaluated_cost("cost/generated_tokens", "test") for run in panels[0].panel.get(label).runs]
    end = min(x[-1] for found in ends.values() for x, _ in found)
    assert set(part["tokens_end"]) == {end}
    for name, found in ends.items():
        heights = []
        for x, y in found:
            values = np.interp(np.linspace(0, end, 4001), np.asarray(x, float), np.asarray(y, float))
            heights.append(float((values[:-1] + values[1:]).mean() / 2))
        assert part["mean_accuracy"][name] == pytest.approx(sum(heights) / len(heights), abs=1e-4)


def test_ablations_are_differences_to_the_usual_value(pictures: dict[str, Picture]):
    data = pictures["ablation_grid"].data
    assert set(data["field"]) == {"target of the difficulty α", "references per refresh K"}
    assert set(data["measure"]) == {"by_tokens", "by_steps"} and (data["value"] != data["usual"]).all()
    steps = data.query("measure == 'by_steps'").set_index(["field", "value"])["difference"]
    assert steps["references per refresh K", 2] == pytest.approx(steps["references per refresh K", 8])
    assert steps["references per refresh K", 2] < 0


def test_figure_4_is_the_share_of_groups_with_a_gradient(pictures: dict[str, Picture]):
    data = pictures["figure_4"].data.query("source == 'ours'")
    shares = data.groupby("arm")["groups with a gradient"].mean()
    assert shares.to_dict() == pytest.approx({GRPO: 0.5, DOTS: 0.7, DOTS_RR: 0.7})


def test_a_mean_ends_where_the_first_of_its_runs_ends():
    rows = [{"seed": 0, "index": i, "x": float(i), "y": 0.0} for i in range(3)]
    rows += [{"seed": 1, "index": i, "x": float(i + 2), "y": 1.0} for i in range(2)]
    assert mean_curve(pd.DataFrame(rows)).to_numpy().tolist() == [[1.0, 0.5], [2.0, 0.5]]


def test_a_study_without_these_arms_makes_no_figure(panels: list[Measures]):
    alone = [Measures(measures.panel.only(["alpha"])) for measures in panels]
    assert not any(make(alone) for make in MAKERS)
