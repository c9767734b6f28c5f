"""The report in a real browser: pictures load, nothing overflows, the console is silent."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.analysis.page.browser import Page, browser, find_chromium

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


def test_wide_tables_scroll_inside_their_own_box_on_a_phone(page: Page, report: Path):
    page.open(report.with_name("evidence.html").as_uri(), 390)
    boxes = page.evaluate("[...document.querySelectorAll('.scroll')].map(b => [b.clientWidth, b.scrollWidth])")
    assert any(inner > outer for outer, inner in boxes) and all(outer <= 390 for outer, _ in boxes)
    assert page.evaluate("[...document.querySelectorAll('.scroll')].every(b => b.tabIndex === 0)")


def test_pictures_keep_their_size_on_a_phone_and_scroll_inside_their_own_box(page: Page, report: Path):
    page.open(report.as_uri(), 390)
    assert min(page.evaluate("[...document.images].map(i => i.clientWidth)")) >= 600
    assert page.evaluate("[...document.images].every(i => i.closest('.scroll').clientWidth <= 390)")


def test_text_is_large_and_dark_enough_to_read(page: Page, report: Path):
    page.open(report.as_uri(), 390)
    sizes = """[...document.querySelectorAll('p, td, th, figcaption, dd, summary')]
        .filter(e => e.textContent.trim()).map(e => parseFloat(getComputedStyle(e).fontSize))"""
    assert min(page.evaluate(sizes)) >= 12
    contrast = """(() => {
        const light = c => { const [r, g, b] = c.match(/[\\d.]+/g).map(Number).map(v => v / 255)
            .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
            return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
        return Math.min(...[...document.querySelectorAll('p, td, th, a, dd, dt, span, summary, code')]
            .map(e => 1.05 / (light(getComputedStyle(e).color) + 0.05)));
    })()"""
    assert page.evaluate(contrast) >= 4.5  # WCAG AA, on white


@pytest.mark.parametrize("name", PAGES)
def test_dark_pages_are_dark_with_light_text_and_pictures_on_white(page: Page, report: Path, name: str):
    with emulated(page, features=[{"name": "prefers-color-scheme", "value": "dark"}]):
        page.open(report.with_name(f"{name}.html").as_uri(), 1280)
        ratios = """(() => {
            const parts = c => c.match(/[\\d.]+/g).map(Number);
            const light = ([r, g, b]) => { const [x, y, z] = [r, g, b].map(v => v / 255)
                .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
                return 0.2126 * x + 0.7152 * y + 0.0722 * z; };
            const behind = e => { for (; e; e = e.parentElement) { const c = parts(getComputedStyle(e).backgroundColor);
                if (c.length === 3 || c[3] > 0) return light(c); } return 1; };
            return [light(parts(getComputedStyle(document.body).backgroundColor)),
                Math.min(...[...document.querySelectorAll('h1, h2, p, td, th, a, dd, dt, summary, code, pre')].map(e =>
                (Math.max(light(parts(getComputedStyle(e).color)), behind(e)) + 0.05) /
                (Math.min(light(parts(getComputedStyle(e).color)), behind(e)) + 0.05)))];
        })()"""
        dark, least = page.evaluate(ratios)
        assert dark < 0.05 and least >= 4.5
        white = "[...document.images].every(i => getComputedStyle(i).backgroundColor === 'rgb(255, 255, 255)')"
        assert page.evaluate(white)


@pytest.mark.parametrize("name", PAGES)
def test_no_column_is_clipped_in_print(page: Page, report: Path, name: str):
    with emulated(page, media="print"):
        page.open(report.with_name(f"{name}.html").as_uri(), 690)  # the text width of A4
        clipped = """[...document.querySelectorAll('body *')]
            .filter(e => e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML.slice(0, 80))"""
        assert page.evaluate(clipped) == []
        assert page.evaluate("getComputedStyle(document.querySelector('nav')).display") == "none"


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
