"""Writes the page of a diagnosis: report.html and report.md, tables, figures, and everything as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from repro.analysis.diagnose import tables
from repro.analysis.diagnose.advice import headline
from repro.analysis.diagnose.figures import pictures
from repro.analysis.diagnose.findings import Findings
from repro.analysis.diagnose.screen import basis
from repro.analysis.files import write_text
from repro.analysis.page.folder import replaced
from repro.analysis.page.sections import Section
from repro.analysis.page.templates import numbered, rendered
from repro.analysis.pictures import Picture
from repro.analysis.tables import Table
from repro.files import dump_json

FRONT = "report.html"


def write_page(found: Findings, rows: Sequence[Mapping[str, Any]], out: Path, command: str) -> Path:
    """Write the folder in one move and return the path of report.html.

    `rows`: what is known of each question, written to questions.jsonl. UserError for a folder that holds what no
    report wrote.
    """
    made = found.measured
    sections = _sections(found)
    write_folder(
        out,
        {
            "name": found.name,
            "title": f"Is choosing or replaying questions worth it for {made.said['model']} on {made.said['dataset']}?",
            "sentences": headline(found),
            "sure": f"{basis(found)}. Before any training; at the start policy.",
            "sections": sections,
            "command": command,
        },
        sections,
        {
            "diagnosis.json": dump_json(found.record()).decode(),
            "questions.jsonl": "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows),
        },
    )
    return out / FRONT


def write_folder(out: Path, content: Mapping[str, Any], sections: Sequence[Section], files: Mapping[str, str]) -> None:
    """A page of that content with its tables and figures, and further files."""
    menu = [("report", "Answer")]
    items = [item for section in sections for item in section.files()]
    numbers = numbered(items)
    with replaced(out) as folder:
        for item in items:
            item.write(folder / ("figures" if isinstance(item, Picture) else "tables"))
        for name in (FRONT, "report.md"):
            template = f"diagnose{Path(name).suffix}"
            write_text(folder / name, rendered(template, {"menu": menu, "files": sorted(files), **content}, numbers))
        for name, text in files.items():
            write_text(folder / name, text)


def _sections(found: Findings) -> tuple[Section, ...]:
    rates, confidence, chosen = pictures(found)

    def part(title: str, anchor: str, *items: Picture | Table) -> Section:
        return Section(title, anchor, (), items)

    return (
        part("", "arms", tables.arms(found)),
        part("How many groups have no signal", "signal", rates, tables.signal(found)),
        part("Does confidence track the pass rate", "confidence", confidence, tables.tracking(found)),
        part("What each method would choose", "methods", chosen, tables.methods(found)),
        part("The most that could be saved", "limits", tables.limits(found)),
    )
