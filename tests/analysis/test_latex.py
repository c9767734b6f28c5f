"""LaTeX of tables: it compiles, fits a column or a page as it says, and loses no character of a name."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from repro.analysis.latex_widths import lines, longest_piece, width
from repro.analysis.markup import as_latex
from repro.analysis.measures import Measures
from repro.analysis.page.answer import answer
from repro.analysis.page.missing import missing_table
from repro.analysis.page.provenance import provenance
from repro.analysis.page.sections import evidence, overall
from repro.analysis.primary import judge, questions
from repro.analysis.tables import Table
from tests.analysis.latex import compiled, complaints, needs_pdflatex, unfit
from tests.analysis.synthetic import Behaviour, Store, learning

INTERVAL = "62.0 [58.1, 65.9]"


def table(name: str, header: list[str], rows: list[list[str]], **more: object) -> Table:
    return Table(name, "A table of numbers", header, rows, pd.DataFrame(), "A note. Another.", **more)  # type: ignore[arg-type]


# ---------------------------------------------------------------- characters


@pytest.mark.parametrize(
    ("text", "latex"),
    [
        (
            "∇π ρ Σ − × ≥ α τ δ ± …",
            r"$\nabla$$\pi$ $\rho$ $\Sigma$ $-$ $\times$ $\geq$ $\alpha$ $\tau$ $\delta$ $\pm$ \dots{}",
        ),
        (
            "50 % a_b & #1 {x} $y ~ ^ \\",
            r"50 \% a\_b \& \#1 \{x\} \$y \textasciitilde{} \textasciicircum{} \textbackslash{}",
        ),
        ("`a_%` and **b&**", r"\texttt{a\_\%} and \textbf{b\&}"),
        ("é Ž ő ç ı ï ß Ł", r"\'{e} \v{Z} \H{o} \c{c} \i{} \"{\i} \ss{} \L{}"),
        ("10² x₁ ½ ﬁ", "10$^2$ x$_1$ 1/2 fi"),
        ("你 😀 \x07", r"U+4F60\allowbreak{} U+1F600\allowbreak{} U+0007\allowbreak{}"),
        ("--smoke a---b –", r"-{}-smoke a-{}-{}-b --"),
        ("à `b`", r"\`{a} \texttt{b}"),
        ("e\u0301", r"\'{e}"),
        ("a\nb\tc", "a b c"),
        ("[x]", "{}[x]"),
        ("half \ud800", r"half \textbackslash{}ud800"),
    ],
)
def test_every_character_is_written_so_that_latex_takes_it(text: str, latex: str):
    assert as_latex(text) == latex


def test_every_character_of_the_first_planes_compiles(tmp_path: Path):
    needs_pdflatex()
    blocks = [
        range(0x20, 0x250),
        range(0x300, 0x530),
        range(0x1E00, 0x2300),
        range(0xFB00, 0xFB07),
        range(0x1F600, 0x1F604),
    ]
    codes = [chr(code) for block in blocks for code in block]
    parts = ["".join(codes[i : i + 40]).replace("`", "").replace("*", "") for i in range(0, len(codes), 40)]
    rows = [[f"{ord(part[0]):X}", f"{part} `{part}` **{part}**"] for part in parts]
    assert unfit([table("all", ["code", "text"], rows, left=2)], tmp_path) == []


# ---------------------------------------------------------------- widths


TEXTS = [
    INTERVAL, "−21.3 [−25.2, −17.4]", "< 1.00× [0.00, 1.60]", "`dots_rr`: DOTS, replay", "**does not hold**", "289 k",
    "groups with a gradient, %", "Qwen2.5-Math-1.5B, DeepScaleR (published)", "constant below 0.5 / above, ρ of |∇|²",
    "The quick brown fox jumps over a lazy dog; MAXIMUM WIDTH", "± 3.3 ≥ α τ δ … ∞ → Σ", "你好 😀", "`v2-ec67688e5532`",
]  # fmt: skip


def test_texts_are_no_wider_than_reckoned_and_hardly_narrower(tmp_path: Path):
    needs_pdflatex()
    said = [rf"\settowidth{{\dimen0}}{{{size} {as_latex(text)}}}\typeout{{=\the\dimen0}}"
            for size in (r"\small", r"\footnotesize") for text in TEXTS]  # fmt: skip
    log = compiled("\n".join([r"\documentclass{article}\begin{document}", *said, r"x\end{document}"]), tmp_path)
    measured = [float(found) for found in re.findall(r"^=([\d.]+)pt", log, re.MULTILINE)]
    reckoned = [width(text, points) for points in (9, 8) for text in TEXTS]
    assert len(measured) == len(reckoned)
    for text, true, own in zip(TEXTS * 2, measured, reckoned, strict=True):
        assert true <= own * 1.01 and own <= true * 1.35, text


def test_a_text_breaks_between_words_and_where_a_name_may_break():
    room = width("aaa bbb", 9)
    assert lines("aaa bbb", room, 9) == 1 and lines("aaa bbb", room - 1, 9) == 2 and lines("", 1, 9) == 1
    assert longest_piece("aa bbbb cc", 9) == pytest.approx(width("bbbb", 9))
    assert longest_piece("aa\u200bbbbb", 9) == pytest.approx(width("bbbb", 9))
    assert lines("aa\u200bbbbb", width("bbbb", 9), 9) == 2


# ---------------------------------------------------------------- layout


def test_few_columns_are_for_a_column_more_for_the_page_and_many_stand_in_blocks():
    few = table("few", ["arm", "accuracy, %", "groups"], [["`full`", INTERVAL, "47.8"]]).latex()
    more = table("more", ["arm", *["accuracy, %"] * 5], [["`full`", *[INTERVAL] * 5]]).latex()
    many = table("many", ["arm", *["accuracy, %"] * 13], [["`full`", *[INTERVAL] * 13]]).latex()
    assert few.startswith("% For \\columnwidth of 3.25 in or more.\n% \\usepackage{booktabs}\n\\begin{table}\n")
    assert more.startswith("% For \\textwidth of 6.75 in or more.") and r"\begin{table*}" in more
    assert more.count(r"\toprule") == 1 and many.count(r"\toprule") == 3 and many.count(r"\texttt{full}") == 3
    assert many.count("62.0") == 13 and many.count(r"\caption") == 1


def test_a_long_table_breaks_over_pages_with_its_header_on_each():
    text = table("long", ["arm", "accuracy, %"], [[f"`arm_{i}`", INTERVAL] for i in range(80)]).latex()
    assert text.startswith(
        "% For \\textwidth of 6.75 in or more, on pages of one column.\n% \\usepackage{booktabs,longtable}"
    )
    assert text.count("arm & accuracy") == 2 and r"\endfirsthead" in text and r"\begin{table" not in text


def test_a_paper_shows_the_columns_that_are_named_and_the_note_stands_below():
    header = ["arm", "a", "vs", "b", "vs"]
    made = table("t", header, [["x", "1", "2", "3", "4"]], paper=("arm", "b", "vs"), note="Mine.", about="here")
    assert "x & 3 & 4 " in made.latex() and "\n\\footnotesize\\raggedright\nMine.\n" in made.latex()
    assert r"\caption{A table of numbers (here).}\label{tab:t}" in made.latex()
    assert "| x | 1 | 2 | 3 | 4 |" in made.markdown() and "A note." in made.markdown()
    with pytest.raises(ValueError, match="table t: no column 'c' in this place"):
        table("t", header, [["x", "1", "2", "3", "4"]], paper=("arm", "c")).latex()


def test_a_place_that_all_rows_share_stands_in_the_caption():
    rows = [["tiny on shuffle", "a", "1"], ["tiny on shuffle", "b", "2"]]
    shared = table("t", ["model, data", "arm", "n"], rows, left=2).latex()
    assert "{A table of numbers (tiny on shuffle).}" in shared and "arm & n " in shared and "model" not in shared
    apart = table("t", ["model, data", "arm", "n"], [*rows, ["large", "a", "3"]], left=2).latex()
    assert "{A table of numbers.}" in apart and "tiny on shuffle & a & 1 " in apart


def test_a_name_that_rows_share_stands_once():
    rows = [["one", "a", "1"], ["one", "b", "2"], ["two", "a", "3"]]
    text = table("t", ["model", "arm", "n"], rows, left=2).latex()
    assert re.findall(r"^(.*) \\\\$", text, re.MULTILINE)[1:] == ["one & a & 1", " & b & 2", "two & a & 3"]


def test_no_cell_is_too_long_to_break(tmp_path: Path):
    needs_pdflatex()
    hard = [
        "*" * 100,
        "a*" * 60,
        "`" * 100,
        "[" * 100,
        "**" + "W" * 100 + "**",
        "`" + "x" * 100 + "`",
        "你" * 40,
        "a_" * 60,
    ]
    rows = [[cell] * 5 for cell in hard]
    assert unfit([table("hard", [*hard[:4], "n" * 90], rows, left=2)], tmp_path) == []


# ---------------------------------------------------------------- the checker


def test_the_checker_names_each_file_and_its_fault(tmp_path: Path):
    needs_pdflatex()
    good = table("good", ["arm", "accuracy, %"], [["`full`", INTERVAL]]).latex()
    wide = r"\rule{240pt}{1pt}"
    tall = r"\rule{1pt}{700pt}"
    texts = {
        "good": good,
        "wide": good.replace("tab:good", "tab:wide").replace(r"\texttt{full}", wide),
        "tall": good.replace("tab:good", "tab:tall").replace(r"\texttt{full}", tall),
        "error": good.replace("tab:good", "tab:error").replace(r"\texttt{full}", "∇"),
        "same": good,  # and so "good" has a label that another file has
        "unmarked": good.replace("tab:good", "tab:unmarked").split("\n", 1)[1],
        "package": good.replace("tab:good", "tab:package").replace("{booktabs}", "{array}"),
        "small": good.replace("tab:good", "tab:small").replace(r"\small", r"\tiny"),
        "caption": good.replace("tab:good", "tab:caption").replace("of numbers.", "of numbers. It is 3."),
    }
    for name, text in texts.items():
        (tmp_path / f"{name}.tex").write_text(text)
    found = complaints(tmp_path.glob("*.tex"), tmp_path)
    by_name: dict[str, str] = {}
    for line in found:
        name, _, text = line.partition(".tex: ")
        by_name[name] = f"{by_name.get(name, '')} {text}"
    assert set(by_name) == set(texts)
    assert "Overfull \\hbox" in by_name["wide"] and "Float too large" in by_name["tall"]
    assert (
        "! LaTeX Error: Unicode character ∇" in by_name["error"]
        and "another file has its label tab:good" in by_name["same"]
    )
    assert "for which width" in by_name["unmarked"] and "uses booktabs" in by_name["package"]
    assert "too small" in by_name["small"] and "not one sentence" in by_name["caption"]


# ---------------------------------------------------------------- reports


def test_every_table_of_a_report_fits_a_paper(report: Path, tmp_path: Path):
    needs_pdflatex()
    files = list((report.parent / "tables").glob("*.tex"))
    assert len(files) > 20 and complaints(files, tmp_path) == []


ODD = "50%_of_& größe α→β 你好 a{b}$ c\\d e~f^g [x] h--i j#k <l>|m"


@pytest.mark.parametrize(("count", "seeds"), [(1, 1), (30, 2)])
def test_a_study_of_ones_own_with_odd_and_long_names_fits_a_paper(
    quick_study: Callable[..., Store], tmp_path: Path, count: int, seeds: int
):
    needs_pdflatex()
    names = ["n" * 100, "o-" * 50, *(f"an_arm_with_a_rather_long_name_{i}" for i in range(30))][:count]
    arms = {
        name: (
            {"selection": {"method": "random", "fraction": round(0.9 - i / 50, 2)}} if i else {},
            Behaviour(learning(0.6 - i / 100, points=2), (-0.02, 0.0, 0.02), status="failed" if i == 5 else "finished"),
        )
        for i, name in enumerate(names)
    }
    model = {"name": ODD, "tiny": {}}
    study = quick_study(arms, seeds=seeds, steps=4, questions=50, fields={"model": model}).read()
    panels = [Measures(panel) for panel in study.panels]
    tables = [item for section in evidence(study, panels[0]).sections for item in section.files()]
    tables += [*overall(study, panels).files(), missing_table(study), provenance(study, [], "sqlite:///x").runs]
    tables.append(answer(panels, judge(questions(study.spec, study.panels), study.panels)).table)
    assert unfit(tables, tmp_path) == []
