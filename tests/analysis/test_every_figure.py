"""Every figure of a page at few and many arms, with one seed and several, long names and a failed arm."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from repro.analysis.contrast import readable
from repro.analysis.measures import Measures
from repro.analysis.page import figures
from repro.analysis.page.groups import fresh_questions
from repro.analysis.page.lit import lit, panel_looks, telling
from repro.analysis.study import Study
from repro.analysis.style import COLOURS, GREY, LIT, PALETTE, RC, REST, SHOWN, SPARE, looks
from tests.analysis.drawing import check, colours, drawn, marks, visible
from tests.analysis.shapes import SHAPES, SMALL, Arms, arm, pictures, study_of
from tests.analysis.synthetic import make_study

WIDTHS = {
    "one arm": (False,),
    "two arms, one failed": (True,),
    "twelve long names": (False, True),
    "thirty arms": (True,),
}
"""Shape of a study -> whether its figures are drawn for a column."""


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Study]:
    folder = tmp_path_factory.mktemp("shapes")
    return {name: study_of(name, folder) for name in SHAPES}


@pytest.mark.parametrize("shape", WIDTHS)
def test_every_figure_can_be_read_on_a_page_and_in_a_column(studies: dict[str, Study], shape: str):
    made = pictures(studies[shape])
    assert {"accuracy", "cost", "zero_variance", "outcomes", "difficulty", "rates", "pool"} <= set(made)
    assert shape == "one arm" or {"answer", "predictor"} <= set(made)
    for picture in made.values():
        for narrow in WIDTHS[shape]:
            check(picture, narrow)


def test_five_arms_are_in_colour_and_the_rest_are_grey_lines_behind_them(studies: dict[str, Study]):
    study = studies["thirty arms"]
    measures = Measures(study.panels[0])
    figure = drawn(pictures(study)["accuracy"], narrow=True)
    bright = lit(measures)
    assert len(bright) == LIT and bright[0] == "full"
    styles = panel_looks(measures)
    for axis in visible(figure):
        assert colours(axis) == {styles[label].color.lower() for label in bright}
        assert len([line for line in axis.get_lines() if len(line.get_xdata()) > 2]) == 30
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend[-1] == "25 other arms" and all(name.endswith("(1 seed)") for name in legend[:-1])


def test_figures_with_a_row_or_panel_for_each_arm_show_twelve_and_say_so(studies: dict[str, Study]):
    made = pictures(studies["thirty arms"])
    assert all("(12 of 30 arms)" in made[name].title for name in ("cost", "outcomes", "difficulty"))
    assert made["answer"].title.endswith("(12 of 29 arms)")
    assert len(visible(drawn(made["outcomes"], narrow=False))) == SHOWN
    assert made["cost"].data["arm"].nunique() == 30, "the CSV has all of them"


def test_the_arms_furthest_from_the_baseline_are_the_ones_in_colour(studies: dict[str, Study]):
    measures = Measures(studies["thirty arms"].panels[0])
    ends = {final.series.label: abs(final.accuracy.value - 0.6) for final in measures.finals}
    chosen = telling(measures, 5)
    others = [distance for label, distance in ends.items() if label not in chosen]
    assert min(ends[label] for label in chosen if label != "full") >= max(others)


def test_the_arms_of_the_claims_are_in_colour_however_near_they_end(studies: dict[str, Study]):
    panel = studies["thirty arms"].panels[0]
    ends = {final.series.label: abs(final.accuracy.value - 0.6) for final in Measures(panel).finals}
    near = [label for label in sorted(ends, key=ends.__getitem__) if label != "full"][:2]
    assert not set(near) & set(telling(Measures(panel), 5))
    assert {"full", *near} < set(telling(Measures(replace(panel, claimed=tuple(near))), 5))


def test_an_arm_without_runs_has_a_row_that_says_so_and_one_seed_has_a_hollow_mark(studies: dict[str, Study]):
    lost = drawn(pictures(studies["two arms, one failed"])["answer"], narrow=True)
    axis = visible(lost)[0]
    assert [text.get_text() for text in axis.get_yticklabels()] == ["dots", "lost"]
    assert "failed (out of memory)" in [text.get_text() for text in axis.texts]
    single = visible(drawn(pictures(studies["thirty arms"])["answer"], narrow=True))[0]
    (found,) = marks(single)
    assert len(found.get_offsets()) == SHOWN and all(opacity == 0 for *_, opacity in found.get_facecolors())
    assert len(colours(single)) == LIT - 1, "the baseline is not among the rows"


def test_names_beside_the_curves_can_be_told_apart_however_long_they_are(studies: dict[str, Study]):
    figure = check(pictures(studies["twelve long names"])["answer"], narrow=False)
    beside = [text.get_text() for text in visible(figure)[1].texts]
    assert len(set(beside)) == LIT and "full" in beside


def test_bands_are_drawn_for_two_series_at_most(studies: dict[str, Study]):
    def bands(shape: str) -> int:
        return len([one for one in visible(drawn(pictures(studies[shape])["accuracy"], True))[0].collections
                    if type(one).__name__ in ("PolyCollection", "FillBetweenPolyCollection")])  # fmt: skip

    assert bands("two arms, one failed") == 2 and bands("twelve long names") == 0


def test_a_way_has_one_colour_and_its_further_arms_are_shades_of_it():
    few = looks({"full": "uniform", "dots": "difficulty"}, ["full"])
    many = looks({"a": "confidence", "base": "uniform", "b": "difficulty", "c": "difficulty", "d": "own"}, ["base"])
    assert few["dots"] == many["b"] and few["full"] == many["base"]
    assert few["dots"].color == COLOURS["difficulty"] and many["c"].color != many["b"].color
    assert len({look.color for look in many.values()}) == 5
    shades = looks({str(i): "difficulty" for i in range(5)})
    assert len({look.color for look in shades.values()}) == 5
    grey = [sum(int(look.color[i : i + 2], 16) for i in (1, 3, 5)) / 3 for look in shades.values()]
    assert max(grey) < 215, "the lightest shade can be seen on white"
    many = looks({str(i): "difficulty" for i in range(25)})
    assert len({(look.color, look.dash) for look in many.values()}) == 25


def test_every_colour_of_a_line_stands_out_from_white_and_every_letter_more():
    def contrast(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 1.05 / (0.05 + sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True)))

    shades = [look.color for way in COLOURS for look in looks({str(i): way for i in range(5)}).values()]
    lines = {colour: contrast(colour) for colour in (*COLOURS.values(), *SPARE, *PALETTE, *shades, REST)}
    assert {colour: found for colour, found in lines.items() if found < 3} == {}  # WCAG AA, graphics
    letters = [RC[name] for name in ("text.color", "axes.labelcolor", "xtick.color", "ytick.color")] + [GREY]
    assert min(map(contrast, [*letters, *map(readable, lines)])) >= 4.5  # WCAG AA, text


def test_colours_that_stand_together_are_far_apart():
    ways = ("uniform", "difficulty", "difficulty, replay", "confidence", "random", "oracle")
    together = [*(COLOURS[way] for way in ways), *SPARE[:3]]
    parts = [[int(colour[i : i + 2], 16) for i in (1, 3, 5)] for colour in together]
    near = [(a, b) for (a, x), (b, y) in itertools.combinations(zip(together, parts, strict=True), 2)
            if sum(abs(one - other) for one, other in zip(x, y, strict=True)) < 90]  # fmt: skip
    assert near == []


def test_of_many_arms_one_matrix_says_what_was_selected_and_its_rows_have_names(studies: dict[str, Study]):
    picture = pictures(studies["twelve long names"])["difficulty"]
    axis = visible(drawn(picture, narrow=False))[0]
    assert axis.get_xlabel().endswith("in fields: % of the row")
    names = [text.get_text() for text in axis.get_yticklabels()]
    assert names[:2] == ["whole pool", "full"] and len(set(names)) == 13
    whole = picture.data[picture.data["step"].isna() & (picture.data["arm"] == "full")]
    written = [int(text.get_text()) for text in axis.texts]
    assert written[len(whole) : 2 * len(whole)] == [round(100 * share) for share in whole["share"]]
    assert whole["share"].sum() == pytest.approx(1)


def test_the_distribution_of_pass_rates_is_that_of_the_groups_and_grey_for_arms_that_are_not_lit(
    studies: dict[str, Study],
):
    study = studies["thirty arms"]
    picture = pictures(study)["rates"]
    data = picture.data.pivot(index="arm", columns="pass_rate", values="share_at_most")
    assert list(data.columns) == [0.0, 0.5, 1.0] and (data[1.0] == 1).all()
    for series in study.panels[0].series[:3]:
        values = np.sort(fresh_questions(series).rate)
        below = np.searchsorted(values, [0.0, 0.5], side="right") / len(values)  # counted another way
        assert data.loc[series.label, [0.0, 0.5]].tolist() == pytest.approx(below.tolist())
    (axis,) = visible(drawn(picture, narrow=True))
    assert len(axis.get_lines()) == 30 and len(colours(axis)) == LIT


def test_steps_have_whole_numbers(studies: dict[str, Study]):
    made = pictures(studies["two arms, one failed"])
    for name in ("accuracy", "zero_variance", "outcomes", "difficulty", "predictor"):
        for axis in visible(drawn(made[name], narrow=False)):
            if axis.get_xlabel() == "training step":
                told = [tick.get_text() for tick in axis.get_xticklabels()]
                assert told and not any("." in one for one in told), (name, told)


def test_curves_over_an_axis_of_the_study_are_coloured_by_arm(tmp_path: Path):
    fields = {"axes": {"selection.fraction": [0.25, 0.5, 0.75]}}
    arms: Arms = {"full": arm(0.6), "random": arm(0.5, {"selection": {"method": "random", "fraction": 0.5}}, kept=0.5)}
    study = make_study(tmp_path, None, arms, seeds=2, fields=fields, **SMALL).read()
    measures = Measures(study.panels[0])
    found = figures.axis_curves(measures)
    assert len(found) == 1
    for narrow in (False, True):
        axis = visible(check(found[0], narrow))[0]
        assert colours(axis) == {COLOURS["random"].lower()}
