"""A table that renders itself as Markdown, LaTeX, HTML and CSV; the CSV holds the numbers, the others what is read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from repro.analysis.files import write_csv, write_text
from repro.analysis.latex import latex_table
from repro.analysis.latex_layout import Sheet
from repro.analysis.markup import as_html, as_markdown

PLACE = "model, data"
"""Header of the column that says which policy a row is about, and which questions."""

LONG = 32
"""Characters from which a cell of words may break over lines."""


@dataclass(frozen=True)
class Table:
    """Cells are display text in the light markup of `as_html`; `data` holds the raw numbers, one row per cell row.

    `left` counts the leading columns that hold words (left-aligned); the others hold numbers. `emphasis` names the
    rows (by index) that others are read against, e.g. the baseline. For LaTeX alone: `paper` has the headers of the
    columns that a paper shows, in their order (default: all), `about` the model and dataset, and `note` what stands
    below (default: caption and notes). `notes` are what a reader of the page may look up below the caption.
    """

    name: str
    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    data: pd.DataFrame
    caption: str = ""
    left: int = 1
    emphasis: frozenset[int] = field(default_factory=frozenset)
    paper: Sequence[str] = ()
    about: str = ""
    note: str = ""
    notes: Sequence[str] = ()

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.header):
                raise ValueError(
                    f"table {self.name}: a row of {len(row)} cells under {len(self.header)} headers: {row}"
                )

    def markdown(self) -> str:
        """GitHub Markdown with title and caption."""
        marks = [":--" if i < self.left else "--:" for i in range(len(self.header))]
        rows = [[as_markdown(cell, cell=True) for cell in row] for row in (self.header, *self.rows)]
        lines = [_pipe(rows[0]), _pipe(marks), *map(_pipe, rows[1:])]
        caption = f"\n\n{as_markdown(self.caption)}" if self.caption else ""
        caption += "\n\n" * bool(self.notes) + "\n".join(f"- {as_markdown(note)}" for note in self.notes)
        return f"**{as_markdown(self.title)}**\n\n" + "\n".join(lines) + caption + "\n"

    def latex(self) -> str:
        """A table for a column or a page of a paper (`repro.analysis.latex`): one sentence of caption, notes below."""
        shown, about = self._in_paper(), self.about
        places = {row[shown[0]] for row in self.rows}
        if self.header[shown[0]] == PLACE and len(places) == 1 and len(shown) > 1:
            about, shown = about or places.pop(), shown[1:]  # a column that says the same in every row
        title = self.title.rstrip(".")
        caption = f"{title} ({about})." if about else f"{title}."
        header, *rows = ([row[at] for at in shown] for row in (self.header, *self.rows))
        left = sum(at < self.left for at in shown)
        return latex_table(
            Sheet(self.name, caption, header, rows, left, self.note or " ".join([self.caption, *self.notes]))
        )

    def html(self) -> str:
        """A `<table>` with a caption; intervals are set lighter than their estimate."""
        head = "".join(f'<th scope="col"{self._align(i)}>{as_html(cell)}</th>' for i, cell in enumerate(self.header))
        lines = []
        for index, row in enumerate(self.rows):
            cells = [f'<th scope="row"{self._align(0, row[0])}>{_cell(row[0])}</th>']
            cells += [f"<td{self._align(i, cell)}>{_cell(cell)}</td>" for i, cell in enumerate(row[1:], start=1)]
            mark = ' class="reference"' if index in self.emphasis else ""
            lines.append(f"<tr{mark}>{''.join(cells)}</tr>")
        return (
            f"<table><caption><span>{as_html(self.title)}</span></caption><thead><tr>{head}</tr></thead>"
            f"<tbody>{''.join(lines)}</tbody></table>"
        )

    def _in_paper(self) -> list[int]:
        """Indices of the columns in `paper`; of two with one header, that which follows what stands before it."""
        if not self.paper:
            return list(range(len(self.header)))
        found, wanted = [], list(self.paper)
        for index, name in enumerate(self.header):
            if wanted and name == wanted[0]:
                found.append(index)
                wanted.pop(0)
        if wanted:
            raise ValueError(f"table {self.name}: no column {wanted[0]!r} in this place, there are {self.header}")
        return found

    def write(self, folder: Path) -> None:
        """`<name>.md`, `<name>.csv` and `<name>.tex` in the folder."""
        folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / f"{self.name}.md", self.markdown())
        write_text(folder / f"{self.name}.tex", self.latex())
        write_csv(folder / f"{self.name}.csv", self.data)

    def _align(self, column: int, cell: str = "") -> str:
        if column >= self.left:
            return ' class="number"'
        return f' class="words{" many" if len(cell) > 3 * LONG else ""}"' if len(cell) > LONG else ""


def _pipe(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _cell(text: str) -> str:
    """HTML of a cell: a trailing `[low, high]` becomes a span of its own, unless it is one of several."""
    found = re.fullmatch(r"(.*?)\s*(\[[^\]]*\])", text)
    if not found or len(text) > LONG:
        return as_html(text)
    return f'{as_html(found[1])} <span class="interval">{as_html(found[2])}</span>'


def numbers(prefix: str, interval: object) -> dict[str, float]:
    """CSV columns of an `Interval` or `Ratio`-like value: prefix, prefix_low, prefix_high."""
    value = getattr(interval, "value", float("nan"))
    low, high = getattr(interval, "low", float("nan")), getattr(interval, "high", float("nan"))
    return {prefix: value, f"{prefix}_low": low, f"{prefix}_high": high}
