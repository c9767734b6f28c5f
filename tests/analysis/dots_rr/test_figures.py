"""The curve figures of DOTS + RR: what is drawn where, at both widths."""

from __future__ import annotations

import warnings

import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from analysis.dots_rr.arms import CURRICULUM, DOTS, DOTS_RR, GRPO, RR, part_looks
from analysis.dots_rr.curves import mean_curve
from analysis.dots_rr.figures import (
    figure_3,
    figure_4,
    figure_5,
    figure_6a,
    figure_6b,
    figure_7,
    figure_8,
    figure_9,
    figure_10,
)
from analysis.measures import Measures
from analysis.pictures import Picture
from analysis.published import published_curves
from analysis.style import NARROW, WIDE, styled
from tests.analysis.dots_rr.study import dots_panels, dots_study

MAKERS = (figure_3, figure_4, figure_5, figure_6a, figure_6b, figure_7, figure_8, figure_9, figure_10)
SHOWN = {  # picture -> panels of ours, published panels, arms
    "figure_3": (6, 6, {GRPO, DOTS_RR}),
    "figure_4": (6, 6, {GRPO, DOTS, DOTS_RR}),
    "figure_5a": (6, 3, {GRPO, DOTS}),
    "figure_5b": (6, 3, {DOTS, DOTS_RR}),
    "figure_5_replay": (6, 0, {GRPO, RR, DOTS_RR}),
    "figure_5_outside": (6, 0, {RR, DOTS_RR}),
    "figure_6a": (1, 2, {GRPO, DOTS, CURRICULUM}),
    "figure_6b": (4, 1, {GRPO, DOTS_RR}),
    "figure_7": (1, 2, {GRPO, DOTS, "DOTS, K × 0.5", "DOTS, K × 2"}),
    "figure_8": (1, 2, {GRPO, DOTS_RR}),
    "figure_9": (6, 6, {GRPO, DOTS_RR}),
    "figure_10a": (6, 3, {GRPO, DOTS}),
    "figure_10b": (6, 3, {DOTS, DOTS_RR}),
}


@pytest.fixture(scope="module")
def panels(tmp_path_factory: pytest.TempPathFactory) -> list[Measures]:
    return dots_panels(dots_study(tmp_path_factory.mktemp("dots"), points=4, questions=50, seeds=2))


@pytest.fixture(scope="module")
def pictures(panels: list[Measures]) -> dict[str, Picture]:
    made = [item for make in MAKERS for item in make(panels)]
    return {item.name.removeprefix("dots_rr."): item for item in made if isinstance(item, Picture)}


def drawn(picture: Picture, narrow: bool) -> Figure:
    """Laid out with every warning an error."""
    with styled(), warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = picture.draw(narrow)
        figure.draw_without_rendering()
    return figure


def visible(figure: Figure) -> list[Axes]:
    return [axis for axis in figure.get_axes() if axis.axison]


def test_every_figure_of_the_paper_is_made(pictures: dict[str, Picture]):
    assert set(pictures) == set(SHOWN)


@pytest.mark.parametrize("name", SHOWN)
def test_panels_of_ours_stand_beside_the_published_ones(pictures: dict[str, Picture], name: str):
    ours, theirs, arms = SHOWN[name]
    data = pictures[name].data
    assert data.query("source == 'ours'")["panel"].nunique() == ours
    assert data.query("source == 'published'")["panel"].nunique() == theirs
    assert set(data.query("source == 'ours'")["arm"]) == arms
    if theirs:
        assert (data["source"] == "published").sum() == len(published_curves("dots_rr", name))


@pytest.mark.parametrize("name", SHOWN)
def test_figures_draw_on_a_page_and_on_a_phone_without_warnings(pictures: dict[str, Picture], name: str):
    count = sum(SHOWN[name][:2])
    for narrow, width in ((False, WIDE), (True, NARROW)):
        figure = drawn(pictures[name], narrow)
        axes = visible(figure)
        assert len(axes) == count and figure.get_figwidth() == width
        columns = max(axis.get_subplotspec().colspan.stop for axis in axes)  # type: ignore[union-attr]
        assert columns <= (2 if narrow else 3)
        boxes = [axis.get_tightbbox() for axis in axes]
        assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i]), "panels run into each other"
        assert all(box.x0 >= 0 and box.x1 <= figure.bbox.x1 + 1 for box in boxes), "something is cut off"


def test_seeds_are_thin_their_mean_is_bold_and_the_published_curve_is_dashed(pictures: dict[str, Picture]):
    axes = visible(drawn(pictures["figure_3"], False))
    ours, theirs = axes[0].get_lines(), axes[-1].get_lines()
    black = [line for line in ours if to_hex(line.get_color()) == "#000000"]
    thin, bold = ([line for line in black if (line.get_linewidth() < 1) == small] for small in (True, False))
    assert len(thin) == 2 and len(bold) == 1 and bold[0].get_linestyle() == "-"
    assert [line.get_linestyle() for line in theirs] == ["--", "--"]
    seeds = [line.get_ydata() for line in thin]
    assert list(bold[0].get_ydata()) == pytest.approx(list((seeds[0] + seeds[1]) / 2))
    assert {to_hex(line.get_color()) for line in theirs} == {to_hex(line.get_color()) for line in ours}
    assert {to_hex(line.get_color()) for line in theirs} == {
        part_looks([])[part].color.lower() for part in (GRPO, DOTS_RR)
    }


def test_time_is_ours_in_seconds_and_theirs_in_hours(pictures: dict[str, Picture], panels: list[Measures]):
    data = pictures["figure_3"].data
    assert data.groupby("source")["x_name"].unique().map(list).to_dict() == {
        "ours": ["CPU seconds"], "published": ["hours"],
    }  # fmt: skip
    one = data.query("source == 'ours' and panel == 'tiny-96x2 on arithmetic' and arm == 'GRPO' and seed == 0")
    assert one["x"].tolist() == pytest.approx([0, 1, 2, 3, 4])  # two steps of half a second between evaluations
    run = panels[0].panel.get("alpha").runs[0]
    assert one["accuracy"].tolist() == pytest.approx(list(run.evaluated_cost("step", "test")[1]))


def test_the_second_domain_is_every_dataset_but_the_first_and_says_so(pictures: dict[str, Picture]):
    ours = pictures["figure_6b"].data.query("source == 'ours'")
    assert set(ours["dataset"]) == {"shuffle", "variables"}
    assert "for us every dataset but arithmetic" in pictures["figure_6b"].caption


def test_a_curriculum_says_what_orders_it_and_what_that_costs(pictures: dict[str, Picture]):
    assert "Ours has 10 stages by the pass rate of the start policy, whose rollouts" in pictures["figure_6a"].caption


def test_figure_4_is_the_share_of_groups_with_a_gradient(pictures: dict[str, Picture]):
    data = pictures["figure_4"].data.query("source == 'ours'")
    shares = data.groupby("arm")["groups with a gradient"].mean()
    assert shares.to_dict() == pytest.approx({GRPO: 0.5, DOTS: 0.7, DOTS_RR: 0.7})
    assert "ours GRPO 50.0 %, DOTS 70.0 %, DOTS+RR 70.0 %" in pictures["figure_4"].caption


def test_a_mean_ends_where_the_first_of_its_runs_ends():
    rows = [{"seed": 0, "index": i, "x": float(i), "y": 0.0} for i in range(3)]
    rows += [{"seed": 1, "index": i, "x": float(i + 2), "y": 1.0} for i in range(2)]
    assert mean_curve(pd.DataFrame(rows)).to_numpy().tolist() == [[1.0, 0.5], [2.0, 0.5]]


def test_a_study_without_these_arms_makes_no_figure(panels: list[Measures]):
    alone = [Measures(measures.panel.only(["alpha"])) for measures in panels]
    assert not any(make(alone) for make in MAKERS)
