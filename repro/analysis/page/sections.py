"""The evidence for one model and dataset: sections of tables and figures, each with an id of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from repro.analysis.measures import Measures
from repro.analysis.page import figures, health, result_tables, selected, time_tables
from repro.analysis.page.findings import Findings, findings
from repro.analysis.page.overall_table import overall_table
from repro.analysis.page.question_mix import question_mix
from repro.analysis.pictures import Picture
from repro.analysis.rewards import all_by_accuracy
from repro.analysis.study import Study
from repro.analysis.tables import Table
from repro.words import plural

SAMPLED = "Sampled completions on held-out questions, with greedy accuracy and entropy beside them."

CROWDED = 8
"""With more arms than this a panel shows those that run on every model and dataset; artefacts show all."""


@dataclass(frozen=True)
class Folded:
    """A table that most readers can skip."""

    table: Table


Item = Table | Picture | Folded


@dataclass(frozen=True)
class Section:
    """A heading with a few plain sentences and what is shown under it."""

    title: str
    anchor: str
    text: tuple[str, ...]
    items: tuple[Item, ...]

    def files(self) -> Iterator[Table | Picture]:
        """What is written to a file of its own."""
        for item in self.items:
            yield item.table if isinstance(item, Folded) else item


@dataclass(frozen=True)
class Evidence:
    """One model and dataset. `prefix` begins its file names where a study has several; `left_out` says which arms it
    does not show."""

    title: str
    prefix: str
    said: Findings
    sections: tuple[Section, ...]
    left_out: str = ""


def evidence(study: Study, measures: Measures) -> Evidence:
    """The sections of a panel; of a crowded one with the arms alone that can be compared across panels."""
    panel = measures.panel
    few = panel.only(study.headline_arms)
    if len(panel.series) <= CROWDED or not 0 < len(few.series) < len(panel.series):
        return _evidence(measures, len(study.panels) > 1)
    hidden = plural(len(panel.series) - len(few.series), "more arm")
    where = "in the tables and figures of the papers" if study.spec.report.artefacts else "not shown"
    text = f"Shown are the arms that run on every model and dataset; {hidden} that ran here only are {where}."
    return _evidence(Measures(few, study.spec.report.target), len(study.panels) > 1, text)


def _evidence(measures: Measures, several: bool, left_out: str = "") -> Evidence:
    panel = measures.panel
    slug = "".join(c if c.isalnum() or c in "-." else "_" for c in f"{panel.model}_{panel.dataset}").lower()
    prefix = f"{slug}_" if several else ""
    drawn = {p.name.removeprefix(prefix): p for p in selected.pictures(measures, prefix)}
    kept_arms = result_tables.kept_table(measures, prefix)
    alike = "completions are all right or all wrong" if all_by_accuracy([measures]) else "rewards are too alike"
    comparable = any(panel.baseline_of(series) for series in panel.series)
    sections = [
        Section(
            "Accuracy",
            "accuracy",
            tuple(filter(None, (SAMPLED, question_mix(measures)))),
            (
                result_tables.accuracy_table(measures, prefix),
                figures.accuracy_curves(measures, prefix),
                *figures.axis_curves(measures, prefix),
                result_tables.start_table(measures, prefix),
            ),
        ),
        Section(
            "Time to the target accuracy",
            "time",
            ("Exploratory: an arm can win by one measure alone, so steps, tokens and seconds stand side by side.",),
            (
                time_tables.time_table(measures, prefix),
                *((time_tables.robustness_table(measures, prefix=prefix),) if comparable else ()),
            ),
        ),
        Section(
            "Groups with a gradient",
            "groups",
            (f"A group whose {alike} has no advantage and no gradient: its rollouts taught nothing.",),
            (result_tables.groups_table(measures, prefix), *_drawn(drawn, "zero_variance", "outcomes")),
        ),
        Section(
            "What was selected",
            "selected",
            (),
            (*_drawn(drawn, "difficulty", "rates", "pool"), *((kept_arms,) if kept_arms else ())),
        ),
        Section("Predictions", "predictions", (), _drawn(drawn, "predictor")),
        Section(
            "Cost",
            "cost",
            ("What selection itself costs is inside every number of the other sections.",),
            (
                result_tables.cost_table(measures, prefix),
                figures.cost_bars(measures, prefix),
                Folded(result_tables.phase_table(measures, prefix)),
            ),
        ),
        Section("Health", "health", (), (health.health_table(measures, prefix),)),
    ]
    kept = tuple(_about(section, panel.title) for section in sections if section.items)
    return Evidence(panel.title, prefix, findings(measures), kept, left_out)


def _about(section: Section, title: str) -> Section:
    """The section with tables that name the model and dataset where they stand alone."""
    items: list[Item] = []
    for item in section.items:
        if isinstance(item, Folded):
            items.append(Folded(replace(item.table, about=title)))
        else:
            items.append(replace(item, about=title) if isinstance(item, Table) else item)
    return replace(section, items=tuple(items))


def _drawn(drawn: dict[str, Picture], *names: str) -> tuple[Picture, ...]:
    return tuple(drawn[name] for name in names if name in drawn)


def overall(study: Study, panels: Sequence[Measures]) -> Section:
    """What is said of the runs of all models and datasets together."""
    shown = [Measures(measures.panel.only(study.headline_arms)) for measures in panels]
    shown = [measures for measures in shown if measures.panel.series] or list(panels)
    text = "Runs of all models and datasets pooled, so that no single one decides."
    return Section("Overall", "overall", (text,), (overall_table(shown),))
