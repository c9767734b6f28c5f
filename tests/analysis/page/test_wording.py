"""Words of the evidence that a reader could misread: bounds, counts, units and captions."""

from __future__ import annotations

import math

import pandas as pd
from matplotlib.figure import Figure

from repro.analysis.captions import captioned, shortened
from repro.analysis.equal_cost import Saving
from repro.analysis.page.question_mix import _said
from repro.analysis.page.templates import numbered
from repro.analysis.pictures import Picture
from repro.analysis.tables import Table
from repro.analysis.text import ratio


def test_a_bound_beside_one_keeps_the_decimals_that_tell_it_from_one():
    assert ratio(Saving(math.nan, 0.0, 1.003, 6)) == "not reached, < 1.003×"
    assert ratio(Saving(math.nan, 0.0, math.nextafter(1.0, 0), 6)) == "not reached, < 1.00×"
    assert ratio(Saving(math.nan, 0.0, math.inf, 6)) == "not reached"


def test_a_long_caption_keeps_two_sentences_and_the_rest_goes_into_notes():
    caption = "One, by Agarwal et al. 2021. Two, 0.5 of it. Three. Its value is 4. Five."
    (short,) = shortened((Table("a", "A", ["x"], [["1"]], pd.DataFrame(), caption, notes=("Last.",)),))
    assert short.caption == "One, by Agarwal et al. 2021. Two, 0.5 of it."
    assert short.notes == ("Three. Its value is 4.", "Five.", "Last.")


def test_a_figure_keeps_one_sentence_and_what_is_added_later_goes_where_the_rest_went():
    def picture(caption: str) -> Picture:
        return Picture("a", "A", caption, "", pd.DataFrame(), lambda narrow: Figure())

    long, short = shortened([picture("One, e.g. this. Two. It goes on."), picture("One.")])
    assert (long.caption, long.notes, short.notes) == ("One, e.g. this.", ("Two. It goes on.",), ())
    added = captioned((long, short), lambda words, caption: f"{caption} And three.")
    assert [one.caption for one in added] == ["One, e.g. this.", "One. One. And three."]
    assert added[0].notes == ("Two. It goes on.", "One, e.g. this. Two. It goes on. And three.")


def test_what_stands_on_two_pages_has_the_number_of_the_first():
    first, second = (Picture(name, "", "", "", pd.DataFrame(), lambda narrow: Figure()) for name in "ab")
    found = numbered([first, Table("a", "A", ["x"], [["1"]], pd.DataFrame()), second, first])
    assert found == {"Picture a": "Figure 1", "Table a": "Table 1", "Picture b": "Figure 2"}


def test_the_pool_is_said_to_be_longer_only_where_it_is():
    assert _said(6, [1, 2, 7, 10]).endswith("those of the pool 1 to 10: 50 % of the pool takes 7 to 10.")
    assert _said(6, [1, 2, 3]) == "Held-out questions take 1 to 6 steps to solve, those of the pool 1 to 3."
