"""The report in a real browser: pictures load, nothing overflows, the console is silent."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from repro.analysis.page.report import write_report
from repro.analysis.style import WIDE
from tests.analysis.behaviour import Behaviour, learning
from tests.analysis.page.browser import Page, browser, find_chromium
from tests.analysis.synthetic import edit, make_study

WIDTHS = (390, 1280)


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    chromium = find_chromium()
    if chromium is None:
        message = "no Chromium on PATH (apt-get install chromium)"
        pytest.fail(message) if os.environ.get("CI") == "true" else pytest.skip(message)
    with browser(chromium) as opened:
        yield opened


PAGES = ("report", "leaderboard", "evidence", "papers", "methods", "provenance")


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", PAGES)
def test_every_page_opens_whole_on_a_phone_and_on_a_desk(page: Page, report: Path, name: str, width: int):
    page.open(report.with_name(f"{name}.html").as_uri(), width)
    assert page.evaluate("innerWidth") == width
    pictures = page.evaluate("[...document.images].map(i => [i.alt.slice(0, 30), i.complete && i.naturalWidth])")
    assert [alt for alt, loaded in pictures if not loaded] == []
    overflowing = """[...document.querySelectorAll('body *')]
        .filter(e => !e.closest('.scroll, pre, svg, nav') && e.getBoundingClientRect().right > innerWidth + 0.5)
        .map(e => e.outerHTML.slice(0, 80))"""
    assert page.evaluate(overflowing) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.complaints() == []
    folder = report.parent.as_uri()
    assert all(address.startswith(folder) for address in page.requests())


def test_question_answer_how_sure_and_figure_are_on_the_first_screen(page: Page, report: Path):
    page.open(report.as_uri(), 1280)
    place = "(e => [e.getBoundingClientRect().top, e.getBoundingClientRect().bottom])(document.querySelector('{}'))"
    ends = [page.evaluate(place.format(one)) for one in ("h1", ".verdict", ".sure", "#figure-answer img")]
    assert [top for top, _ in ends] == sorted(top for top, _ in ends)
    assert max(bottom for _, bottom in ends) <= 900
    assert page.evaluate("document.body.scrollHeight") <= 2 * 900


def test_on_a_phone_the_figure_follows_the_answer_and_begins_on_the_first_screen(
    page: Page, report: Path, warned: Path
):
    place = "(e => [e.getBoundingClientRect().top, e.getBoundingClientRect().bottom])(document.querySelector('{}'))"
    parts = ("h1", ".verdict", "#figure-answer img", ".answer > div + div", "#table-answer")
    for shown, least in ((report, 240), (warned, 1)):
        page.open(shown.as_uri(), 390, 844)
        ends = [page.evaluate(place.format(one)) for one in parts]
        assert all(above[1] <= below[0] for above, below in itertools.pairwise(ends)), ends
        assert ends[2][0] + least <= 844, "the differences of the claims can be seen"


@pytest.fixture(scope="module")
def warned(store_uri: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report with every kind of warning, a long question, and all that stands above a figure."""
    dots = {"selection": {"method": "difficulty", "references": 4, "every": 2}}
    curve, jitter = learning(0.6, points=2), (-0.02, 0.0, 0.02)
    apart = Behaviour(curve, jitter, absent=("seed 0", "seed 1"))
    arms = {
        "full": ({}, Behaviour((0.3, 0.3), jitter, absent=("seed 2",))),
        "dots": (dots, Behaviour(curve, jitter, zero=0.95, predicts=True)),
        "dots_rr": (dots | {"replay": {"fresh": 0.5, "capacity": 8}}, Behaviour(curve, jitter, predicts=True)),
        "random": ({"selection": {"method": "random", "fraction": 0.25}}, Behaviour((0.2, 0.1), jitter, kept=0.25)),
        "known": ({"selection": {"method": "oracle"}}, Behaviour(learning(0.7, points=2), jitter)),
        "slow": ({"train": {"learning_rate": 1e-5}}, Behaviour(curve, jitter, fails=("seed 0", "seed 1", "seed 2"))),
        "apart": ({"train": {"learning_rate": 2e-5}}, apart),
    }
    fields = {
        "question": "Which way of choosing or replaying questions learns more than uniform GRPO from the same number "
        "of generated tokens, on a policy that hardly learns anything, with an arm that failed, one that was stopped "
        "early and one that has a single run?",
        "report": {
            "claims": [{"arm": "dots"}, {"arm": "dots_rr", "against": "dots"}],
            "artefacts": ["leaderboard.practice"],
        },
    }
    folder = tmp_path_factory.mktemp("warned")
    store = make_study(folder, None, arms, name="warned", steps=4, every=2, questions=32, fields=fields)
    run = next(run for run in store.read().runs if run.place.arm == "random")
    edit(store.runs_dir / run.identity / "health.json", '{"stopped": {"kind": "no_signal", "step": 2}}')
    store = make_study(folder, store_uri, arms, name="warned", steps=4, every=2, questions=32, fields=fields)
    return write_report(store.loaded, store.runs_dir, folder / "out", store.uri)


def test_with_every_warning_the_first_screen_still_holds_the_whole_figure(page: Page, warned: Path):
    page.open(warned.as_uri(), 1280)
    place = "(e => [e.getBoundingClientRect().top, e.getBoundingClientRect().bottom])(document.querySelector('{}'))"
    parts = ("h1", ".alert", ".verdict", "#figure-answer img")
    ends = [page.evaluate(place.format(one)) for one in parts]
    assert all(above[1] <= below[0] for above, below in itertools.pairwise(ends)), ends
    assert ends[1][1] - ends[1][0] <= 40, "the line above the answer is one line"
    width = page.evaluate("document.querySelector('#figure-answer img').clientWidth")
    assert ends[-1][1] <= 900 and ends[-1][0] + 2.96 * width / WIDE <= 900, "nor would the highest figure be cut"
    assert page.evaluate("document.querySelectorAll('.verdict').length") <= 2


def test_the_line_above_the_answer_leads_to_every_warning_below_the_figure(page: Page, warned: Path):
    page.open(warned.as_uri(), 1280)
    line = page.evaluate("document.querySelector('.alert').textContent")
    told = page.evaluate("[...document.querySelectorAll('#warnings li')].map(e => e.textContent)")
    assert line.startswith("Warning: 15 of 21 runs finished, 3 failed; full did not clearly learn")
    assert line.endswith(f"All {len(told)} warnings")
    assert page.evaluate("document.querySelector('.alert a').hash") == "#warnings"
    assert "known is no method" in line, "the answer names it"
    words = ("Failed: slow", "runs are finished", "full did not clearly learn", "a bound, no method", "stopped early",
             "under dots", "One seed only", "shares no seed")  # fmt: skip
    assert [next((text for text in told if word in text), None) for word in words] == told
    below = "document.querySelector('{}').getBoundingClientRect()"
    figure, section = (page.evaluate(f"{below.format(one)}.top") for one in ("#figure-answer", "#warnings"))
    assert section > figure


def test_wide_tables_scroll_inside_their_own_box_on_a_phone(page: Page, report: Path):
    page.open(report.with_name("evidence.html").as_uri(), 390)
    boxes = page.evaluate("[...document.querySelectorAll('.scroll')].map(b => [b.clientWidth, b.scrollWidth])")
    assert any(inner > outer for outer, inner in boxes) and all(outer <= 390 for outer, _ in boxes)
    assert page.evaluate("[...document.querySelectorAll('.table .scroll')].every(b => b.tabIndex === 0)")


def test_a_phone_shows_pictures_drawn_for_a_column_and_a_desk_those_for_a_page(page: Page, report: Path):
    shown = "[...document.images].map(i => [i.currentSrc.endsWith('.narrow.png'), i.clientWidth])"
    for width in WIDTHS:
        page.open(report.with_name("evidence.html").as_uri(), width)
        found = page.evaluate(shown)
        assert {narrow for narrow, _ in found} == {width == 390}
        assert all(330 <= across <= width for _, across in found)


def test_names_of_rows_stay_beside_a_table_that_scrolls_only_in_its_title(page: Page, report: Path):
    page.open(report.with_name("evidence.html").as_uri(), 390)
    titles = """[...document.querySelectorAll('.scroll')].map(box => { box.scrollLeft = 60;
        const title = box.querySelector('caption span');
        return title && [title.getBoundingClientRect().left, box.getBoundingClientRect().left]; }).filter(Boolean)"""
    for title, box in page.evaluate(titles):
        assert abs(title - box) <= 1


def test_the_bar_leads_to_every_section_of_the_page_and_stays_above_what_it_leads_to(page: Page, report: Path):
    page.open(report.with_name("evidence.html").as_uri(), 1280)
    links = page.evaluate("[...document.querySelectorAll('nav + nav a')].map(a => a.hash.slice(1))")
    assert links == page.evaluate("[...document.querySelectorAll('main section')].map(s => s.id)")
    page.evaluate("document.documentElement.style.scrollBehavior = 'auto'")
    for place in (links[2], "figure-cost"):
        page.evaluate(f"location.hash = '{place}'")
        ends = f"""[document.querySelector('.bar').getBoundingClientRect().bottom,
            document.getElementById('{place}').getBoundingClientRect().top]"""
        bar, top = page.evaluate(ends)
        assert 40 < bar <= top < 200, place


def test_the_first_key_leads_to_the_text_and_focus_can_be_seen(page: Page, report: Path):
    def press(key: str, code: int, text: str = "") -> None:
        for kind in ("keyDown", "keyUp"):
            page.call("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code, text=text)

    page.open(report.with_name("evidence.html").as_uri(), 1280)
    press("Tab", 9)
    focus = """(e => [e.className, e.getBoundingClientRect().left, getComputedStyle(e).outlineStyle,
        parseFloat(getComputedStyle(e).outlineWidth)])(document.activeElement)"""
    name, left, style, width = page.evaluate(focus)
    assert name == "skip" and left >= 0 and style == "solid" and width >= 2
    press("Enter", 13, "\r")
    assert page.evaluate("document.activeElement.id") == "main"
    places = []
    for _ in range(6):
        press("Tab", 9)
        assert page.evaluate(focus)[2:] == ["solid", 2]
        places.append(page.evaluate("document.activeElement.getBoundingClientRect().top + scrollY"))
    assert places == sorted(places)
    assert page.evaluate("[...document.querySelectorAll('[tabindex]')].every(e => e.tabIndex <= 0)")


@pytest.mark.parametrize("scheme", ("light", "dark"))
@pytest.mark.parametrize("name", PAGES)
def test_text_is_large_and_stands_out_enough_to_read(page: Page, report: Path, name: str, scheme: str):
    with emulated(page, features=[{"name": "prefers-color-scheme", "value": scheme}]):
        page.open(report.with_name(f"{name}.html").as_uri(), 390)
        background, least, smallest = page.evaluate(CONTRAST)
        assert background < 0.05 if scheme == "dark" else background > 0.95
        assert least >= 4.5 and smallest >= 12  # WCAG AA
        white = "[...document.images].every(i => getComputedStyle(i).backgroundColor === 'rgb(255, 255, 255)')"
        assert scheme == "light" or page.evaluate(white)


CONTRAST = """(() => {
    const parts = c => { const all = c.match(/[\\d.]+/g).map(Number); return all.length < 4 ? [...all, 1] : all; };
    const light = c => { const [x, y, z] = c.map(v => v / 255)
        .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        return 0.2126 * x + 0.7152 * y + 0.0722 * z; };
    const over = (above, below) => [0, 1, 2].map(i => above[3] * above[i] + (1 - above[3]) * below[i]);
    const behind = e => e ? over(parts(getComputedStyle(e).backgroundColor), behind(e.parentElement)) : [255, 255, 255];
    const ratio = e => { const a = light(parts(getComputedStyle(e).color)), b = light(behind(e));
        return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05); };
    const written = [...document.querySelectorAll('body *')].filter(e => e.checkVisibility() &&
        [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()));
    return [light(behind(document.body)), Math.min(...written.map(ratio)),
        Math.min(...written.map(e => parseFloat(getComputedStyle(e).fontSize)))];
})()"""
"""Luminance of the page, the least contrast of any text with what is behind it, and the smallest letters."""


@pytest.mark.parametrize("name", PAGES)
def test_no_column_is_clipped_in_print(page: Page, report: Path, name: str):
    with emulated(page, media="print"):
        page.open(report.with_name(f"{name}.html").as_uri(), 690)  # the text width of A4
        clipped = """[...document.querySelectorAll('body *')]
            .filter(e => e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML.slice(0, 80))"""
        assert page.evaluate(clipped) == []
        assert page.evaluate("getComputedStyle(document.querySelector('nav')).display") == "none"


def test_in_print_names_of_arms_are_not_broken_inside_a_word(page: Page, report: Path):
    with emulated(page, media="print"):
        page.open(report.with_name("leaderboard.html").as_uri(), 690)
        broken = """[...document.querySelectorAll('.wide tbody code')]
            .filter(e => e.textContent.length <= 13 && e.getClientRects().length > 1).map(e => e.textContent)"""
        assert page.evaluate("document.querySelectorAll('.wide tbody code').length") > 0
        assert page.evaluate(broken) == []


@contextmanager
def emulated(page: Page, **media: Any) -> Iterator[None]:
    """A colour scheme or a medium, for the pages opened inside."""
    page.call("Emulation.setEmulatedMedia", **media)
    try:
        yield
    finally:
        page.call("Emulation.setEmulatedMedia", media="", features=[])


def test_the_checks_notice_a_page_that_is_broken(page: Page, tmp_path: Path):
    bad = tmp_path / "bad.html"
    bad.write_text(
        '<html><body><div style="width:2000px">wide</div><img alt="missing" src="none.png">'
        "<script>console.log('hello'); throw new Error('oops')</script></body></html>"
    )
    page.open(bad.as_uri(), 390)
    assert page.evaluate("document.documentElement.scrollWidth") > 390
    assert page.evaluate("document.images[0].naturalWidth") == 0
    said = " ".join(page.complaints())
    assert "hello" in said and "oops" in said
    assert len(page.requests()) == 2
