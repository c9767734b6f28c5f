"""Numbers as text, and tables in their four forms."""

from __future__ import annotations

import csv
import math
import re
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.figure import Figure

from repro.analysis.equal_cost import Saving, reasons, too_few, untold
from repro.analysis.markup import as_html, as_latex
from repro.analysis.pictures import as_png
from repro.analysis.statistics import Interval
from repro.analysis.style import canvas
from repro.analysis.tables import Table
from repro.analysis.text import (
    amount,
    digits_beside,
    joined,
    names,
    number,
    percent,
    points,
    ratio,
    seconds,
    sentence,
    time_or_more,
    withheld,
)

NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    ("value", "text"),
    [
        *[(0, "0"), (7, "7"), (999.4, "999"), (999.6, "1.00 k"), (12_345, "12.3 k"), (1_230_000, "1.23 M")],
        *[
            (2e9, "2.00 G"),
            (3.5e12, "3.50 T"),
            (4e15, "4.00 P"),
            (0.304, "0.30"),
            (20.25, "20.2"),
            (NAN, "–"),
            (INF, "∞"),
        ],
    ],
)
def test_amounts_have_three_digits_and_a_unit(value: float, text: str):
    assert amount(value) == text


def test_numbers_have_a_real_minus_and_no_negative_zero():
    assert number(-1.25) == "−1.2" and number(-0.01) == "0.0" and number(0.5, sign=True) == "+0.5"
    assert number(NAN) == "–"
    assert seconds(6827) == "6,827" and seconds(0.3) == "0.30"


def test_intervals_say_when_there_is_none():
    assert percent(Interval(0.62, 0.581, 0.659, 3)) == "62.0 % [58.1, 65.9]"
    assert percent(Interval(0.62, NAN, NAN, 1)) == "62.0 % [no interval: n = 1]"
    assert points(Interval(-0.01, -0.05, 0.03, 3)) == "−1.0 [−5.0, +3.0]"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Saving(2.0, 1.5, 4.0, 6), "2.00× [1.50, 4.00]"),
        (Saving(1.5, 1.2, INF, 6), "1.50× [1.20, ∞]"),
        (Saving(NAN, 0.0, 0.9, 6), "not reached, < 0.90×"),
        (Saving(NAN, NAN, NAN, 3, "one seed"), "–"),
    ],
)
def test_factors_show_what_the_runs_leave_open(value: Saving, text: str):
    assert ratio(value) == text


def test_times_show_censoring_and_captions_why_something_is_not_told():
    assert time_or_more(NAN, 40) == "> 40" and time_or_more(20, 40) == "20"
    single = untold(3, "one seed")
    assert withheld([single, None, single, Saving(2.0, 1.5, 4.0, 6)]) == " Not told, where a dash stands: one seed."
    assert withheld([None]) == ""
    few = [too_few(3, count) for count in (6, 1, 3, 6)]
    assert withheld([*few, single]) == (
        " Not told, where a dash stands: one seed and 1 to 6 evaluations a run, at least 8 are needed."
    )
    assert withheld([too_few(3, 1)]) == " Not told, where a dash stands: 1 evaluation a run, at least 8 are needed."


def test_reasons_of_other_kinds_are_told_as_they_are_whatever_they_begin_or_end_with():
    other = "no evaluation of a run, at least 8 are needed"
    found = [untold(3, other), too_few(3, 2), too_few(3, 4)]
    assert reasons(found) == [other, "2 to 4 evaluations a run, at least 8 are needed"]


def test_no_bound_that_lies_off_the_bar_reads_as_the_bar():
    assert points(Interval(0.02, 0.0004, 0.04, 3)) == "+2.00 [+0.04, +4.00]"
    assert points(Interval(0.02, 0.0, 0.04, 3)) == "+2.0 [0.0, +4.0]"
    assert digits_beside(Interval(1.2, 1.0001, 1.5, 3), (1.0,), 1, 2) == 4
    assert digits_beside(Interval(-0.01, -0.01996, 0.0, 3), (-0.02, INF), 100, 1) == 3


def test_lists_and_sentences():
    assert names(["a", "b", "c"]) == "`a`, `b` and `c`" and names([]) == ""
    assert joined(["x"]) == "x" and joined(["x", "y"]) == "x and y"
    assert sentence("done") == "Done."


@pytest.fixture
def table() -> Table:
    rows = [["`dots_rr`", "62.0 [58.1, 65.9]", "> 40"], ["50 % & more | less", "–", "−1.0"]]
    data = pd.DataFrame({"arm": ["dots_rr", "b"], "accuracy": [0.62, NAN]})
    return Table("t.1", "A_title", ["arm", "accuracy, %", "steps"], rows, data, "Caption with 95 %.", 1, frozenset({0}))


def test_markdown_has_a_row_per_row_and_escapes_pipes(table: Table):
    lines = table.markdown().splitlines()
    assert lines[0] == "**A_title**"
    assert lines[2:4] == ["| arm | accuracy, % | steps |", "| :-- | --: | --: |"]
    assert r"50 % & more \| less" in lines[5] and lines[-1] == "Caption with 95 %."


def test_latex_escapes_what_would_break_it(table: Table):
    text = table.latex()
    assert r"\texttt{dots\_rr}" in text and r"50 \% \& more \textbar{} less" in text and r"\textgreater{} 40" in text
    assert "$-$1.0" in text and r"\begin{tabular}{@{}lrr@{}}" in text
    body = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert all(len(re.findall(r"(?<!\\)&", line)) == 2 for line in body) and len(body) == 3


def test_html_escapes_and_keeps_intervals_in_one_piece(table: Table):
    text = table.html()
    assert "<code>dots_rr</code>" in text and "50\u00a0% &amp; more" in text
    assert '<span class="interval">[58.1,\u00a065.9]</span>' in text
    assert text.count("<tr") == 3 and 'class="reference"' in text
    assert as_html("<b> **x** `y`") == "&lt;b&gt; <strong>x</strong> <code>y</code>"
    assert as_latex("a_b ** c") == r"a\_b ** c"


def test_csv_holds_the_raw_numbers(table: Table, tmp_path):
    table.write(tmp_path)
    rows = list(csv.DictReader((tmp_path / "t.1.csv").open()))
    assert rows[0] == {"arm": "dots_rr", "accuracy": "0.62"} and rows[1]["accuracy"] == ""
    assert {path.suffix for path in tmp_path.iterdir()} == {".md", ".csv", ".tex"}
    table.write(tmp_path)
    assert {path.suffix for path in tmp_path.iterdir()} == {".md", ".csv", ".tex"}


def test_a_row_that_does_not_fit_its_header_is_refused():
    with pytest.raises(ValueError, match="a row of 1 cells under 2 headers"):
        Table("t", "T", ["a", "b"], [["x"]], pd.DataFrame())


def test_no_cell_opens_a_cell_a_row_a_tag_or_a_command_and_half_a_surrogate_pair_is_written(tmp_path: Path):
    evil = ["[x]", "a|b\\", "`a|b`\\|", "<img src=x>", "``<i>`", "&%#\\input{x}", "a\nb", "](x)", "* y", "\ud800"]
    rows = [[cell, "1"] for cell in evil]
    table = Table("evil", evil[4], ["=name", "n"], rows, pd.DataFrame({"=name": evil[:-1], "n": -0.5}), evil[3])
    lines = table.markdown().splitlines()
    assert len(lines) == 2 + 2 + len(evil) + 2
    assert [len(re.split(r"(?<!\\)(?:\\\\)*\|", line)) for line in lines[2:-2]] == [4] * (2 + len(evil))
    assert "<i" not in re.sub("`[^`]+`", "", table.markdown().replace(r"\`", "")) and "<img" not in table.markdown()
    body = table.latex().split("midrule")[1].split(r"\bottomrule")[0].strip().splitlines()
    assert len(body) == len(evil) and not [row for row in body if row.startswith(("[", "*"))]
    assert "<img" not in table.html() and "<i>" not in table.html()
    table.write(tmp_path)
    written = list(csv.reader((tmp_path / "evil.csv").open(newline="", encoding="utf-8")))
    assert "\\ud800" in (tmp_path / "evil.md").read_text(encoding="utf-8")
    assert written[0] == ["'=name", "n"] and written[-1] == ["* y", "-0.5"]


def test_a_figure_shows_dollars_and_half_a_surrogate_pair_as_they_are():
    def draw(narrow: bool) -> Figure:
        figure, (axis,) = canvas(1, narrow)
        axis.set_title("$\\frac$ \ud800")
        return figure

    assert as_png(draw).startswith(b"\x89PNG")
