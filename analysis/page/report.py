"""Writes the report of a study: a page, the same as Markdown, tables and figures as files beside them."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from analysis.artefacts import HEADLINE, answer_of, make_artefacts
from analysis.files import write_text
from analysis.main_series import main_series, with_main_series
from analysis.measures import Measures
from analysis.page import figures, result_tables, selected, time_tables
from analysis.page.findings import Findings, derived_question, findings
from analysis.page.folder import check, replaced
from analysis.page.methods import methods
from analysis.page.missing import left_out, missing_table
from analysis.page.provenance import Provenance, provenance
from analysis.page.summary import summary
from analysis.page.templates import rendered
from analysis.pictures import Picture
from analysis.rewards import all_by_accuracy, reworded
from analysis.run import DamagedRun
from analysis.study import Study, load_study
from analysis.sweep.confirmation import confirmations
from analysis.sweep.pictures import pictures
from analysis.tables import Table
from analysis.text import plural
from analysis.updates import with_updates
from repro.masking import mask
from repro.study.load import LoadedSpec, resolved_yaml
from repro.tracking.address import public_address, resolve_store

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Folded:
    """A table that most readers can skip."""

    table: Table


Item = Table | Picture | Folded

CROWDED = 8
"""With more arms than this a panel shows those that run on every model and dataset; artefacts show all."""

SEVERAL = 2
"""With more panels than this their own sections are folded away, below what is said of all of them."""


@dataclass(frozen=True)
class Section:
    """A heading with a few plain sentences and what is shown under it."""

    title: str
    anchor: str
    text: tuple[str, ...]
    items: tuple[Item, ...]


@dataclass(frozen=True)
class Part:
    """One model and dataset. `prefix` begins its file names and anchors where a study has several; `left_out` says
    which arms it does not show."""

    title: str
    prefix: str
    said: Findings
    summary: Picture
    sections: tuple[Section, ...]
    left_out: str = ""


def write_report(
    loaded: LoadedSpec,
    runs_dir: Path | str,
    out: Path | str,
    store_uri: str | None = None,
    all_formats: bool = False,
) -> Path:
    """Read the study from the MLflow store and write its report.

    Args:
        loaded: the spec; its `report` section says what is compared.
        runs_dir: where files of a tracking server are cached (`<runs_dir>/cache/artifacts`); runs are not read there.
        out: the report's own folder, by custom `reports/<name>`. Gets report.html, report.md, spec.yaml, manifest.json,
            tables/ and figures/, all in one move (`analysis.page.folder`).
        store_uri: default MLFLOW_TRACKING_URI, else ./mlflow.db.
        all_formats: every table as LaTeX and every figure as PDF too, not only those of the headline artefacts.

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
            return _write(loaded, study, out, public_address(resolve_store(store_uri)), all_formats)
        except DamagedRun as damaged:
            study = study.without(damaged)


def _write(loaded: LoadedSpec, study: Study, out: Path, store: str, all_formats: bool) -> Path:
    """Make the report of a study. Raises DamagedRun where a run turns out not to be readable: nothing is written."""
    spec = loaded.spec
    panels = [Measures(panel, spec.report.target) for panel in study.panels]
    parts = [_shown(study, measures) for measures in panels]
    made = make_artefacts(spec.report.artefacts, panels)
    ending = _closing(study, panels, made)
    headline = {item.name for name, items in made.items() if name in HEADLINE for item in items}
    origin = provenance(study, _commands(loaded), store)
    lead, explained = answer_of(spec.report.artefacts, panels), methods(study, panels)
    main = main_series(spec)
    parts = [with_updates(part, [one]) for part, one in zip(parts, panels, strict=True)]
    parts, ending = with_main_series(parts, main), with_main_series(with_updates(ending, panels), main)
    lead = (*lead, main.said) if lead and main.said else lead
    if not all_by_accuracy(panels):
        parts, ending, lead, explained = map(reworded, (parts, ending, lead, explained))
    content: dict[str, Any] = {
        "name": spec.name,
        "question": derived_question(study),
        "lead": lead,
        "parts": parts,
        "folded": len(parts) > SEVERAL,
        "ending": ending,
        "methods": explained,
        "origin": origin,
        "spec_yaml": resolved_yaml(spec),
        "seeds": plural(len(spec.seeds), "seed"),
        "arms": plural(len(spec.arms), "arm"),
        "planned": study.planned,
        "finished": sum(run.finished for run in study.runs),
        "missing": missing_table(study) if study.missing else None,
        "left_out": left_out(study),
    }
    with replaced(out) as folder:
        for item in _items(parts, ending, content["missing"], origin):
            item.write(
                folder / ("figures" if isinstance(item, Picture) else "tables"), all_formats or item.name in headline
            )
        write_text(folder / "spec.yaml", resolved_yaml(spec))
        for name in ("report.html", "report.md"):
            write_text(folder / name, rendered(name, content))
    for text in content["left_out"]:
        log.warning(text.replace("`", ""))
    return out / "report.html"


def _shown(study: Study, measures: Measures) -> Part:
    """The part of a panel; of a crowded one with the arms alone that can be compared across panels."""
    panel = measures.panel
    few = panel.only(study.headline_arms)
    if len(panel.series) <= CROWDED or not 0 < len(few.series) < len(panel.series):
        return _part(measures, len(study.panels) > 1)
    part = _part(Measures(few, study.spec.report.target), len(study.panels) > 1)
    hidden = plural(len(panel.series) - len(few.series), "more arm")
    where = "in the tables and figures beside the papers" if study.spec.report.artefacts else "not shown"
    text = f"Shown are the arms that run on every model and dataset; {hidden} that ran here only are {where}."
    return replace(part, left_out=text)


def _part(measures: Measures, several: bool) -> Part:
    panel = measures.panel
    slug = "".join(c if c.isalnum() or c in "-." else "_" for c in f"{panel.model}_{panel.dataset}").lower()
    prefix = f"{slug}_" if several else ""
    drawn = {p.name.removeprefix(prefix): p for p in selected.pictures(measures, prefix)}
    shown = {name: (drawn[name],) if name in drawn else () for name in ("zero_variance", "outcomes", "difficulty")}
    kept_arms = result_tables.kept_table(measures, prefix)
    alike = "completions are all right or all wrong" if all_by_accuracy([measures]) else "rewards are too alike"
    comparable = any(panel.baseline_of(series) for series in panel.series)
    sections = [
        Section(
            "Accuracy",
            f"{prefix}accuracy",
            (
                "Accuracy of sampled completions on held-out questions, with the greedy accuracy and the entropy "
                "beside it.",
            ),
            (
                result_tables.accuracy_table(measures, prefix),
                figures.accuracy_curves(measures, prefix),
                *figures.axis_curves(measures, prefix),
                result_tables.start_table(measures, prefix),
            ),
        ),
        Section(
            "Time to target",
            f"{prefix}time",
            ("An arm can win by one measure alone, so all three stand side by side.",),
            (
                time_tables.time_table(measures, prefix),
                *((time_tables.robustness_table(measures, prefix=prefix),) if comparable else ()),
            ),
        ),
        Section(
            "Groups that train",
            f"{prefix}groups",
            (
                f"A group whose {alike} has no advantage and no gradient: its rollouts were paid for and taught "
                "nothing.",
            ),
            (result_tables.groups_table(measures, prefix), *shown["zero_variance"], *shown["outcomes"]),
        ),
        Section(
            "What was selected",
            f"{prefix}selected",
            (),
            (*shown["difficulty"], *_only(drawn, "pool"), *((kept_arms,) if kept_arms else ())),
        ),
        Section("Predictions", f"{prefix}predictions", (), _only(drawn, "predictor")),
        Section(
            "Cost",
            f"{prefix}cost",
            ("What selection itself costs is inside every number above.",),
            (
                result_tables.cost_table(measures, prefix),
                figures.cost_bars(measures, prefix),
                Folded(result_tables.phase_table(measures, prefix)),
            ),
        ),
    ]
    kept = tuple(section for section in sections if section.items)
    return Part(panel.title, prefix, findings(measures), summary(measures, prefix), kept)


def _only(drawn: dict[str, Picture], name: str) -> tuple[Picture, ...]:
    return (drawn[name],) if name in drawn else ()


def _closing(
    study: Study, panels: Sequence[Measures], made: Mapping[str, Sequence[Table | Picture]]
) -> tuple[Section, ...]:
    """What is said of all panels together: aggregates over several, and the papers' own tables and figures."""
    sections = []
    if len(panels) > 1:
        text = "Runs of all models and datasets pooled, so that no single one decides."
        shown = [Measures(measures.panel.only(study.headline_arms)) for measures in panels]
        shown = [measures for measures in shown if measures.panel.series] or list(panels)
        sections.append(Section("Overall", "overall", (text,), (result_tables.overall_table(shown),)))
    if made:
        text = (
            "The papers' own tables and figures from these runs. Published numbers come from other policies and data."
        )
        items = tuple(item for items in made.values() for item in items)
        sections.append(Section("Beside the papers", "papers", (text,), items))
    if study.searches:
        text = "What the sweep tried: on validation questions, with seeds that no other section uses."
        sections.append(Section("Sweep", "sweep", (text,), (*confirmations(study.searches), *pictures(study.searches))))
    # Above folded panels the papers' artefacts come first: they carry the answer.
    return tuple(reversed(sections) if len(panels) > SEVERAL else sections)


def _items(parts: Sequence[Part], ending: Sequence[Section], missing: Any, origin: Provenance) -> list[Table | Picture]:
    """Everything that is written to a file of its own."""
    sections = [section for part in parts for section in part.sections] + list(ending)
    found = [item.table if isinstance(item, Folded) else item for section in sections for item in section.items]
    return [*(part.summary for part in parts), *found, *([missing] if missing else []), origin.runs]


def _commands(loaded: LoadedSpec) -> tuple[str, str]:
    """The commands that train and report this study."""
    options = [option for text in loaded.overrides for option in ("-S", text)]
    options += ["--smoke"] if loaded.smoke else []
    tail = mask(shlex.join([str(loaded.path), *options]))
    return f"python -m repro run {tail}", f"python -m repro report {tail}"
