"""Writes the report of a study: a first page with the answer, pages of evidence, tables and figures as files."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from repro.analysis.artefacts import LEADERBOARD, make_artefacts
from repro.analysis.captions import shortened
from repro.analysis.files import write_text
from repro.analysis.leaderboard.board import Board, board_of
from repro.analysis.leaderboard.practice import lead, paragraph
from repro.analysis.main_series import main_series, with_main_series
from repro.analysis.measures import Measures
from repro.analysis.page.alert import alert
from repro.analysis.page.answer import Answer, answer
from repro.analysis.page.equal_cost_table import equal_cost
from repro.analysis.page.figures import accuracy_curves
from repro.analysis.page.findings import derived_question
from repro.analysis.page.folder import check, replaced
from repro.analysis.page.forest import ALONE, forest
from repro.analysis.page.methods import methods
from repro.analysis.page.missing import failed, left_out, missing_table, unfinished
from repro.analysis.page.provenance import Provenance, provenance
from repro.analysis.page.sections import Evidence, Item, Section, evidence, overall
from repro.analysis.page.single import single_file
from repro.analysis.page.templates import numbered, rendered
from repro.analysis.page.warnings import warnings
from repro.analysis.pictures import Picture
from repro.analysis.primary import Judged, exploratory, judge, questions
from repro.analysis.rewards import all_by_accuracy, reworded
from repro.analysis.run import DamagedRun
from repro.analysis.study import Study, load_study
from repro.analysis.sweep.best import best_of_each
from repro.analysis.sweep.confirmation import confirmations
from repro.analysis.sweep.pictures import pictures
from repro.analysis.tables import Table
from repro.masking import mask
from repro.spec.artefacts import ARTEFACTS
from repro.study.load import LoadedSpec, resolved_yaml
from repro.tracking.address import public_address, resolve_store
from repro.words import listed, plural

log = logging.getLogger(__name__)

FRONT = "report.html"
PAPERS = {"dots_rr": "DOTS + RR", "ufo_rl": "UFO-RL"}
"""What headings call the papers."""


BESIDE = 6
"""Of more exploratory comparisons the first page names none, and draws so many of those that are clearly ahead."""

AHEAD = "of {} arms compared with {}, those clearly ahead that no claim names, after Holm's correction over all {}"


@dataclass(frozen=True)
class Page:
    """A page of sections beside the first. `name`: its file without ending; `lead`: what the first page says of it."""

    name: str
    title: str
    evidence: Evidence | None
    sections: tuple[Section, ...]
    lead: str = ""


def write_report(
    loaded: LoadedSpec, runs_dir: Path | str, out: Path | str, store_uri: str | None = None, single: bool = False
) -> Path:
    """Read the study from the MLflow store and write its report.

    Args:
        loaded: the spec; its `report` section says what is compared.
        runs_dir: where files of a tracking server are cached (`<runs_dir>/cache/artifacts`); runs are not read there.
        out: the report's own folder, by custom `reports/<name>`. Gets report.html and further pages, report.md,
            spec.yaml, manifest.json, tables/ and figures/, all in one move (`repro.analysis.page.folder`).
        store_uri: default MLFLOW_TRACKING_URI, else ./mlflow.db.
        single: one file more, single.html, that holds every page and its pictures: to send by mail.

    A finished run whose files or metrics cannot be used is left out: the page says so, and why.

    Returns:
        The path of report.html.

    Raises:
        UserError: no store, nothing finished to report, a user's figure that returns something else, or a folder that
            holds what no report wrote. A folder that was there stays as it was.
    """
    out = Path(out)
    check(out)
    study = load_study(loaded.spec, store_uri, Path(runs_dir) / "cache" / "artifacts")
    while True:
        try:
            return _write(loaded, study, out, public_address(resolve_store(store_uri)), single)
        except DamagedRun as damaged:
            study = study.without(damaged)


def _write(loaded: LoadedSpec, study: Study, out: Path, store: str, single: bool) -> Path:
    """Make the report of a study. Raises DamagedRun where a run turns out not to be readable: nothing is written."""
    spec = loaded.spec
    panels = [Measures(panel, spec.report.target) for panel in study.panels]
    judged = judge(questions(spec, study.panels), study.panels)
    beside = exploratory(spec, study.panels)
    few = beside if len(beside) <= BESIDE else ()
    found = answer(panels, judged, few)
    compared = any(one.pairs for one in judged)
    board = board_of(panels, study)
    lit, said = (few, ALONE) if few or not beside else ahead(board, beside)
    figure = forest(panels, judged, lit, said) if compared else accuracy_curves(panels[0])
    artefacts = make_artefacts(spec.report.artefacts, board)
    nothing = [name for name, items in artefacts.items() if not items]
    pages = _pages(study, panels, board, artefacts, equal_cost(panels, judged, beside, found.how_sure))
    explained = methods(study, panels)
    told = " ".join([*found.sentences, *(page.lead for page in pages)])
    asked = {series.label for panel in study.panels for series in panel.series if f"`{series.label}`" in told}
    main, warned = main_series(spec), warnings(panels, asked)
    found, figure, pages = (with_main_series(one, main) for one in (found, figure, pages))
    if not all_by_accuracy(panels):
        found, figure, pages, explained, warned = map(reworded, (found, figure, pages, explained, warned))
    pages = shortened(pages)
    origin = provenance(study, _commands(loaded), store, nothing)
    missing = missing_table(study) if study.missing else None
    content: dict[str, Any] = {
        "name": spec.name,
        "question": derived_question(study),
        "answer": found,
        "figure": figure,
        "said": main.said,
        "alert": alert(study, warned),
        "warnings": tuple(one.text for one in warned),
        "failed": failed(study),
        "unfinished": unfinished(study),
        "pages": pages,
        "menu": _menu(pages),
        "methods": explained,
        "origin": origin,
        "spec_yaml": resolved_yaml(spec),
        "seeds": plural(len(spec.seeds), "seed"),
        "arms": plural(len(spec.arms), "arm"),
        "planned": f"{study.planned:,}",
        "finished": f"{sum(run.finished for run in study.runs):,}",
        "missing": missing,
        "left_out": left_out(study),
    }
    items = _items(found, figure, pages, missing, origin)
    numbers = numbered(items)
    with replaced(out) as folder:
        for item in items:
            item.write(folder / ("figures" if isinstance(item, Picture) else "tables"))
        write_text(folder / "spec.yaml", resolved_yaml(spec))
        texts = {name: rendered(name, content, numbers) for name in (FRONT, "report.md")}
        texts |= {f"{page.name}.html": rendered("page.html", {**content, "page": page}, numbers) for page in pages}
        texts |= {f"{name}.html": rendered(f"{name}.html", content, numbers) for name in ("methods", "provenance")}
        if single:
            texts["single.html"] = single_file(texts, folder)
        for name, text in texts.items():
            write_text(folder / name, text)
    for text in content["left_out"]:
        log.warning(text.replace("`", ""))
    if nothing:
        log.warning("report.artefacts: the finished runs have nothing for %s", listed(nothing))
    return out / FRONT


def ahead(board: Board, beside: Sequence[Judged]) -> tuple[list[Judged], str]:
    """Of many exploratory comparisons those that the leaderboard calls clearly ahead, and what they are."""
    found = board.judged(beside[0].question.by)
    clear = {one.question for one in found.values() if one.verdict == "higher"}
    count = sum(bool(one.pairs) for one in found.values())
    shown = sorted((one for one in beside if one.question in clear), key=lambda one: -one.difference.value)
    return shown[:BESIDE], AHEAD.format(count, board.baseline_said.replace("`", ""), count)


def _pages(
    study: Study,
    panels: Sequence[Measures],
    board: Board,
    artefacts: Mapping[str, Sequence[Item]],
    first: tuple[Section, ...],
) -> tuple[Page, ...]:
    """The evidence, one page for each model and dataset, and the papers' artefacts. `first` stands first of all."""
    parts = [evidence(study, measures) for measures in panels]
    pages = []
    if len(parts) == 1:
        pages.append(Page("evidence", "Evidence", parts[0], (*first, *parts[0].sections)))
    else:
        pages.append(Page("evidence", "Evidence", None, (*first, overall(study, panels))))
        pages += [Page(f"pair-{part.prefix.rstrip('_')}", part.title, part, part.sections) for part in parts]
    if study.searches:
        text = "What the sweep tried: on validation questions, with seeds that no other page uses."
        items: tuple[Item, ...] = (
            *best_of_each(study.searches),
            *confirmations(study.searches),
            *pictures(study.searches),
        )
        pages.append(Page("sweep", "Sweep", None, (Section("Trials", "trials", (text,), items),)))
    sections = {name: Section(_heading(name), name, (), tuple(items)) for name, items in artefacts.items() if items}
    ranked = tuple(section for name, section in sections.items() if name in LEADERBOARD)
    if ranked:
        top = Section("", "top", paragraph(board), ())
        pages.insert(0, Page("leaderboard", "Leaderboard", None, (top, *ranked), lead(board)))
    others = tuple(section for name, section in sections.items() if name not in LEADERBOARD)
    if others:
        text = "The papers' tables and figures from these runs. Published numbers come from other policies and data."
        pages.append(Page("papers", "Beside the papers", None, (Section("", "top", (text,), ()), *others)))
    return tuple(pages)


def _heading(artefact: str) -> str:
    """`DOTS + RR: table 1` for `dots_rr.table_1`, `Ranking` for `leaderboard.ranking`; one's own as it is."""
    room, _, name = artefact.partition(".")
    if artefact in LEADERBOARD:
        return name.capitalize()
    return f"{PAPERS[room]}: {name.replace('_', ' ')}" if artefact in ARTEFACTS else artefact


def _menu(pages: Sequence[Page]) -> list[tuple[str, str]]:
    """(file, title) of what the top of each page links to; pairs of model and task are linked from the first page."""
    own = [(page.name, page.title) for page in pages if not page.name.startswith("pair-")]
    return [("report", "Answer"), *own, ("methods", "Methods"), ("provenance", "Provenance")]


def _items(
    found: Answer, figure: Picture, pages: Sequence[Page], missing: Table | None, origin: Provenance
) -> list[Table | Picture]:
    """Everything that is written to a file of its own, in the order of the pages."""
    items = [item for page in pages for section in page.sections for item in section.files()]
    return [figure, found.table, *items, *([missing] if missing else []), origin.runs]


def _commands(loaded: LoadedSpec) -> tuple[str, str]:
    """The commands that train and report this study."""
    options = [option for text in loaded.overrides for option in ("-S", text)]
    options += ["--smoke"] if loaded.smoke else []
    tail = mask(shlex.join([str(loaded.path), *options]))
    return f"python -m repro run {tail}", f"python -m repro report {tail}"
