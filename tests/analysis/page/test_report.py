"""The report as files: what is in it, that it stands alone, and that the same store gives the same bytes."""

from __future__ import annotations

import csv
import itertools
import json
import math
import re
from collections.abc import Callable
from dataclasses import fields, replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from repro.analysis.measures import Measures
from repro.analysis.page.folder import manifest, write_manifest
from repro.analysis.page.groups import Fresh, fresh_questions
from repro.analysis.page.lit import panel_looks
from repro.analysis.page.report import write_report
from repro.analysis.page.sections import evidence
from repro.analysis.page.selected import pictures, predictor
from repro.analysis.tables import Table
from repro.errors import UserError
from repro.study.load import load_spec
from repro.tracking.series import SELECT_PEARSON
from tests.analysis.conftest import measure
from tests.analysis.synthetic import Behaviour, Store
from tests.analysis.ufo_rl.study import SIX, changed, further_arms, headline_arms

FULL = Behaviour((0.4, 0.5, 0.6, 0.6), (0.0, 0.05, -0.05))
DOTS = {"selection": {"method": "difficulty", "references": 4}}


class Outline(HTMLParser):
    """Headings, images, links, ids and whether tags are balanced."""

    VOID = frozenset({"meta", "link", "img", "source", "br"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.ids: list[str] = []
        self.targets: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.resources: list[str] = []
        self.headings: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        if tag not in self.VOID:
            self.stack.append(tag)
        if known.get("id"):
            self.ids.append(str(known["id"]))
        if tag == "a" and known.get("href"):
            self.targets.append(str(known["href"]))
        if tag == "img":
            self.images.append(known)
        for name in ("src", "srcset") + (("href",) if tag == "link" else ()):
            if known.get(name):
                self.resources.append(str(known[name]))
        assert tag != "script"

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data: str) -> None:
        if self.stack and self.stack[-1] in ("h1", "h2", "h3"):
            self.headings.append(data)


def pages_of(report: Path) -> dict[str, Outline]:
    return {path.name: Outline(path.read_text(encoding="utf-8")) for path in sorted(report.parent.glob("*.html"))}


def check_pages(report: Path) -> dict[str, Outline]:
    """Every page is whole, its pictures and links exist, and no id is there twice."""
    pages = pages_of(report)
    for name, outline in pages.items():
        assert not outline.stack, name
        assert len(outline.ids) == len(set(outline.ids)), name
        for address in outline.resources:
            assert address.startswith("data:") or (report.parent / address).exists(), (name, address)
        for target in outline.targets:
            file, _, place = target.partition("#")
            assert not file or (report.parent / file).exists(), (name, target)
            assert not place or place in pages[file or name].ids, (name, target)
    return pages


def test_every_page_is_whole_light_and_needs_nothing_but_the_files_beside_it(report: Path):
    pages = check_pages(report)
    names = ("report", "leaderboard", "evidence", "papers", "methods", "provenance")
    assert set(pages) == {f"{name}.html" for name in names}
    assert pages["report.html"].headings == ["Does choosing questions save compute?", "Further pages"]
    assert {
        "Accuracy",
        "Time to the target accuracy",
        "Groups with a gradient",
        "What was selected",
        "Predictions",
        "Cost",
    } < set(pages["evidence.html"].headings)
    for path in report.parent.glob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"@import|url\((?!['\"]?data:)|https?://", text)
        assert len(text) < 300_000
    images = [image for outline in pages.values() for image in outline.images]
    assert len(images) > 10 and all(len(image["alt"] or "") > 20 for image in images)
    assert [image["src"] for image in images if image.get("loading") != "lazy"] == ["figures/answer.png"]


def test_tables_and_figures_are_counted_through_all_pages_and_headings_skip_no_level(report: Path):
    names = ("leaderboard", "evidence", "papers", "methods", "provenance")  # in the order of the menu
    pages = [report, *(report.with_name(f"{name}.html") for name in names)]
    text = "".join(path.read_text(encoding="utf-8") for path in pages)
    plain = (report.parent / "report.md").read_text(encoding="utf-8")
    for kind, count in (("Figure", 13), ("Table", 21)):
        found = re.findall(rf"#{kind.lower()}-([^\"]+)\"><b>{kind} (\d+)\.", text)
        assert [int(number) for _, number in found] == [*range(1, len(found) + 1)] and len(found) >= count
        assert re.findall(rf"\*\*{kind} (\d+)\.", plain) == [number for name, number in found if name != "runs"]
    for path in pages:
        levels = [int(level) for level in re.findall(r"<h(\d)", path.read_text(encoding="utf-8"))]
        assert levels[0] == 1 and all(b <= a + 1 for a, b in itertools.pairwise(levels)), path
        assert '<html lang="en">' in path.read_text(encoding="utf-8")


def test_every_figure_and_table_has_an_id_and_links_to_its_files(report: Path):
    pages = check_pages(report)
    for folder, kind, endings in (
        ("figures", "figure", ("csv", "pdf", "png")),
        ("tables", "table", ("csv", "tex", "md")),
    ):
        names = {path.stem for path in (report.parent / folder).glob("*.csv")}
        assert names
        for name in names:
            holders = [outline for outline in pages.values() if f"{kind}-{name}" in outline.ids]
            assert holders, f"{name} is on no page"
            for outline in holders:
                assert {f"{folder}/{name}.{ending}" for ending in endings} <= set(outline.targets)


def test_tables_and_figures_are_files_for_a_page_for_a_paper_and_with_their_numbers(report: Path):
    tables = {path.name for path in (report.parent / "tables").iterdir()}
    for name in ("answer", "accuracy", "start_policy", "time_to_target", "speedup_by_target", "zero_variance", "cost",
                 "runs", "cost_phases", "health", "dots_rr.table_1", "dots_rr.auc", "dots_rr.cost_model",
                 "dots_rr.table_7", "ufo_rl.table_4", "ufo_rl.table_5", "ufo_rl.table_6"):  # fmt: skip
        assert {f"{name}.md", f"{name}.csv", f"{name}.tex"} <= tables
    figures = {path.name for path in (report.parent / "figures").iterdir()}
    for name in ("answer", "accuracy", "zero_variance", "outcomes", "difficulty", "predictor", "pool", "cost",
                 "dots_rr.figure_4", "ufo_rl.gain", "ufo_rl.scoring_cost"):  # fmt: skip
        assert {f"{name}.png", f"{name}.narrow.png", f"{name}.csv", f"{name}.pdf"} <= figures
    for path in (report.parent / "figures").glob("*.png"):
        assert path.read_bytes().startswith(b"\x89PNG") and path.stat().st_size > 5_000
    assert all(path.read_bytes().startswith(b"%PDF") for path in (report.parent / "figures").glob("*.pdf"))
    for path in report.parent.glob("*/*.csv"):
        assert len(list(csv.reader(path.open()))) > 1, path


def test_markdown_has_the_same_answer_and_its_pictures_exist(report: Path):
    text = (report.parent / "report.md").read_text(encoding="utf-8")
    page = re.sub(r"<[^>]+>", "", report.read_text(encoding="utf-8")).replace("\u00a0", " ")
    verdict = text.split("## Answer")[1].strip().splitlines()[0]
    assert len(verdict) > 40 and re.sub(r"[*`]", "", verdict) in page
    pictures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", text)
    assert len(pictures) == 14 and all((report.parent / path).exists() for path in pictures)
    assert "\n\n\n\n" not in text


@pytest.fixture(scope="module")
def again(quickstart: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a report written a second time, over an earlier one, and with all of it in a single file."""
    out = tmp_path_factory.mktemp("again") / "out"
    (out / "figures").mkdir(parents=True)
    (out / "figures/earlier.png").write_bytes(b"")
    write_manifest(out)
    (out / "figures/notes.txt").write_text("kept")
    assert write_report(quickstart.loaded, quickstart.runs_dir, out, quickstart.uri, single=True) == out / "report.html"
    return out


def test_a_single_file_holds_every_page_and_its_pictures(again: Path):
    text = (again / "single.html").read_text(encoding="utf-8")
    outline = Outline(text)
    assert not outline.stack and len(outline.ids) == len(set(outline.ids))
    assert all(address.startswith("data:") for address in outline.resources)
    assert all(target[:1] == "#" and target[1:] in outline.ids for target in outline.targets)
    assert {"report", "leaderboard", "evidence", "papers", "methods", "provenance"} <= set(outline.ids)
    assert len(text) < 3_000_000


def test_the_resolved_spec_beside_the_report_loads_to_the_same_spec(report: Path, quickstart: Store):
    assert load_spec(report.parent / "spec.yaml").spec == quickstart.loaded.spec


def test_provenance_names_the_commands_the_versions_and_every_run(report: Path, quickstart: Store):
    text = report.with_name("provenance.html").read_text(encoding="utf-8")
    assert f"python -m repro run {quickstart.loaded.path}" in text
    assert "trl 1." in text and "commit" in text and "15 of 15 planned runs finished" in text
    for run in quickstart.read().runs:
        assert run.identity in text
    assert quickstart.uri is not None and quickstart.uri.removeprefix("sqlite:///") not in text


def test_the_same_store_gives_the_same_bytes_and_old_files_go(report: Path, again: Path):
    assert not (again / "figures/earlier.png").exists() and (again / "figures/notes.txt").read_text() == "kept"
    first, second = (
        {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        for folder in (report.parent, again)
    )
    assert set(second) - set(first) == {"figures/notes.txt", "single.html"} and set(first) <= set(second)
    listed, listed_again = manifest(report.parent), manifest(again)
    assert (
        listed
        and listed_again
        and listed.items() == listed_again.items() - {("single.html", listed_again["single.html"])}
    )
    assert [path for path in first if first[path] != second[path]] == ["manifest.json"]


def test_names_and_questions_cannot_break_out_of_the_page(study: Callable[..., Store], tmp_path: Path):
    evil = "=a|b`c\\<img src=x onerror=1>&$\\frac$ %\n# d](javascript:1)"
    fields = {"question": evil, "model": {"tiny": {}, "name": evil}, "report": {"artefacts": ["dots_rr.table_1"]}}
    store = study({"full": ({}, FULL), "dots": (DOTS, FULL)}, seeds=2, fields=fields)
    page = write_report(store.loaded, store.runs_dir, tmp_path / "out", store.uri)
    for outline in check_pages(page).values():
        assert all(image["src"] != "x" for image in outline.images)
    for path in [page.parent / "report.md", *page.parent.glob("tables/*.md")]:
        text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.S)
        assert "<img" not in text and "](javascript" not in text and not re.search("^# d", text, re.M), path
    for path in page.parent.glob("tables/*.tex"):
        assert "\\frac" not in path.read_text(encoding="utf-8"), path
    for path in page.parent.glob("*/*.csv"):
        rows = list(csv.DictReader(path.open(newline="")))
        cells = [cell for row in rows for cell in row.values() if cell and cell[0] in "=@+-"]
        assert not [cell for cell in cells if not re.fullmatch(r"-[\d.]+(e-\d+)?|-inf", cell)], path
    assert {row["model"] for row in rows_of(page, "runs")} == {f"'{evil}"}


def rows_of(page: Path, table: str) -> list[dict[str, str]]:
    return list(csv.DictReader((page.parent / "tables" / f"{table}.csv").open(newline="")))


def test_several_models_an_axis_and_missing_cells_have_their_places(study: Callable[..., Store], tmp_path: Path):
    random = {"selection": {"method": "random", "fraction": 0.25}}
    arms = {"full": ({}, FULL), "random": (random, FULL), "dots": (DOTS, Behaviour(FULL.curve, status="failed"))}
    fields = {"model": [{"tiny": {}}, {"tiny": {"width": 48}}], "axes": {"selection.fraction": [0.25, 0.5]}}
    store = study(arms, seeds=1, fields=fields)
    path = write_report(store.loaded, store.runs_dir, tmp_path / "out", store.uri)
    pages = check_pages(path)
    assert {"pair-tiny-96x2_arithmetic.html", "pair-tiny-48x2_arithmetic.html"} <= set(pages)
    assert "Overall" in pages["evidence.html"].headings
    assert "Cells without a finished run" in pages["provenance.html"].headings
    text = path.read_text(encoding="utf-8")
    assert (
        "6 of 8 runs are finished; <code>dots</code> has none. No number uses" in text
        and "Failed: <code>dots</code> (2 of 2 runs: out of memory)" in text
    )
    rows = list(csv.DictReader((path.parent / "tables" / "missing_cells.csv").open()))
    assert [(row["arm"], row["status"]) for row in rows] == [("dots", "failed")] * 2
    assert (path.parent / "figures" / "tiny-96x2_arithmetic_axis_selection.fraction.png").exists()


def test_a_study_of_many_panels_stopped_half_way_answers_from_what_there_is(
    study: Callable[..., Store], tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    arms = {name: arm for name, arm in headline_arms().items() if name in ("full", "ufo")}
    arms = changed(arms, "full", absent=("seed 1",))
    fields = {"model": SIX["model"], "report": {"artefacts": ["ufo_rl.claims", "leaderboard.tuning"]}}
    store = study(arms, seeds=2, questions=100, fields=fields)
    with caplog.at_level("WARNING"):
        path = write_report(store.loaded, store.runs_dir, tmp_path / "out", store.uri)
    pages = check_pages(path)
    assert "report.artefacts: the finished runs have nothing for leaderboard.tuning" in caplog.text
    assert "asked for, with nothing to show" in (path.parent / "provenance.html").read_text(encoding="utf-8")
    assert "`ufo` has one seed" in (path.parent / "report.md").read_text(encoding="utf-8")
    assert (
        len([name for name in pages if name.startswith("pair-")]) == 3 and "ufo_rl.claims" in pages["papers.html"].ids
    )
    rows = (path.parent / "tables" / "missing_cells.md").read_text(encoding="utf-8")
    assert "| `full` | 3 not run | 3 pairs of model and data | 3 of 6 |" in rows
    assert len(list(csv.DictReader((path.parent / "tables" / "missing_cells.csv").open()))) == 3


def test_a_crowded_panel_shows_the_arms_of_all_panels_in_colours_that_stay(quick_study: Callable[..., Store]):
    arms = changed(headline_arms() | further_arms(), "random", absent=("shuffle",))
    found = quick_study(arms, seeds=1, questions=100, fields=SIX).read()
    panels = [Measures(panel) for panel in found.panels]
    crowded, other = panels[0], panels[1]
    assert len(crowded.panel.series) == 15 and len(other.panel.series) == 6
    part = evidence(found, crowded)
    shown = next(item for item in part.sections[0].items if isinstance(item, Table))
    assert [row[0] for row in shown.rows[1:]] == [f"`{arm}`" for arm in headline_arms()]
    assert "8 more arms" in part.left_out and not evidence(found, other).left_out
    looks, others = panel_looks(crowded), panel_looks(other)
    assert "random" not in others and all(looks[label] == look for label, look in others.items())
    assert len({look.color for label, look in looks.items() if label in headline_arms()}) == 7


def test_a_task_without_known_difficulty_and_arms_without_predictor_leave_those_pictures_out(
    quick_study: Callable[..., Store], quickstart: Store
):
    plain = measure(quick_study({"full": ({}, replace(FULL, truth=False))}))
    assert [picture.name for picture in pictures(plain)] == ["zero_variance", "outcomes", "rates", "pool"]
    known = [picture.name for picture in pictures(measure(quickstart))]
    assert known == ["zero_variance", "outcomes", "difficulty", "rates", "predictor", "pool"]


def test_a_run_with_few_predictions_has_a_picture_without_bins(quickstart: Store):
    measures = measure(quickstart)
    series = next(series for series in measures.panel.series if series.label == "dots")
    fresh = fresh_questions(series)
    few = Fresh(*(getattr(fresh, field.name)[:6] for field in fields(Fresh)))
    picture = predictor(measures, {"dots": few})
    assert picture is not None and picture.data["predicted"].isna().all()
    picture.draw(False)


def test_the_data_of_the_predictions_has_both_panels(quickstart: Store):
    measures = measure(quickstart)
    dots = measures.panel.get("dots")
    picture = predictor(measures, {"dots": fresh_questions(dots)})
    assert picture is not None and picture.data["predicted"].notna().any()
    told = picture.data.dropna(subset=["correlation"]).set_index("step")["correlation"]
    each = measures.step_metric(dots, SELECT_PEARSON)
    assert not each.empty and told.to_dict() == pytest.approx(each.mean(axis=1).dropna().to_dict())


def test_fresh_questions_are_read_as_their_json_says_them(quick_study: Callable[..., Store]):
    store = quick_study({"full": ({}, FULL), "dots": (DOTS, replace(FULL, predicts=True))}, seeds=1)
    series = store.read().panels[0].get("dots")
    path = series.runs[0].record.path("steps.jsonl")
    assert path is not None
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    rows[0] |= {"chosen": rows[0]["chosen"][::-1]}
    rows[1]["chosen"][0] = rows[1]["fresh"][0] = rows[1]["chosen"][1]
    rows[2] |= {"predicted": None, "steps_true": None}
    rows[3] |= {"trains": [True] * len(rows[3]["fresh"])}
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    fresh = fresh_questions(series)
    expected = []
    for row in rows:
        by_id = dict(zip(row["chosen"], row["predicted"], strict=True)) if row["predicted"] else {}
        trains = row.get("trains") or [0 < rate < 1 for rate in row["pass_rate"]]
        for index, (question, rate) in enumerate(zip(row["fresh"], row["pass_rate"], strict=True)):
            true = row["steps_true"][index] if row["steps_true"] else math.nan
            expected.append((row["step"], 0, rate, by_id.get(question, math.nan), true, trains[index]))
    found = np.array([getattr(fresh, field.name) for field in fields(Fresh)]).T
    assert np.array_equal(found, np.array(expected, float), equal_nan=True)


def test_no_store_is_an_error_and_writes_nothing(quickstart: Store, tmp_path: Path):
    with pytest.raises(UserError, match="no MLflow store"):
        write_report(quickstart.loaded, quickstart.runs_dir, tmp_path / "out", f"sqlite:///{tmp_path}/none.db")
    assert not (tmp_path / "out").exists()


def test_headings_of_papers_name_the_paper_and_what_of_it(report: Path):
    papers = (report.parent / "papers.html").read_text()
    assert '<section id="dots_rr.table_1"' in papers or 'id="dots_rr.table_1"' in papers
    assert "DOTS + RR: table 1</h2>" in papers
