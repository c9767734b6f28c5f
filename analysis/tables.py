"""A table that renders itself as Markdown, LaTeX, HTML and CSV; the CSV holds the numbers, the others what is read."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

LONG = 32
"""Characters from which a cell of words may break over lines."""


@dataclass(frozen=True)
class Table:
    """Cells are display text in the light markup of `as_html`; `data` holds the raw numbers, one row per cell row.

    `left` counts the leading columns that hold words (left-aligned); the others hold numbers. `emphasis` names the
    rows (by index) that others are read against, e.g. the baseline.
    """

    name: str
    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    data: pd.DataFrame
    caption: str = ""
    left: int = 1
    emphasis: frozenset[int] = field(default_factory=frozenset)

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.header):
                raise ValueError(
                    f"table {self.name}: a row of {len(row)} cells under {len(self.header)} headers: {row}"
                )

    def markdown(self) -> str:
        """GitHub Markdown with title and caption."""
        marks = [":--" if i < self.left else "--:" for i in range(len(self.header))]
        lines = [_pipe(self.header), _pipe(marks, escape=False), *(_pipe(row) for row in self.rows)]
        caption = f"\n\n{self.caption}" if self.caption else ""
        return f"**{self.title}**\n\n" + "\n".join(lines) + caption + "\n"

    def latex(self) -> str:
        """A `booktabs` table environment; needs `\\usepackage{booktabs}`."""
        columns = "l" * self.left + "r" * (len(self.header) - self.left)
        body = [" & ".join(map(as_latex, row)) + r" \\" for row in self.rows]
        return "\n".join(
            [
                r"\begin{table}",
                r"\centering",
                rf"\caption{{{as_latex(' '.join(part for part in (self.title + '.', self.caption) if part))}}}",
                rf"\label{{tab:{self.name.replace('_', '-').replace('.', '-')}}}",
                rf"\begin{{tabular}}{{{columns}}}",
                r"\toprule",
                " & ".join(map(as_latex, self.header)) + r" \\",
                r"\midrule",
                *body,
                r"\bottomrule",
                r"\end{tabular}",
                r"\end{table}",
                "",
            ]
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
            f"<table><caption>{as_html(self.title)}</caption><thead><tr>{head}</tr></thead>"
            f"<tbody>{''.join(lines)}</tbody></table>"
        )

    def write(self, folder: Path, print_too: bool = False) -> None:
        """`<name>.md` and `<name>.csv` in the folder; `<name>.tex` where asked."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{self.name}.md").write_text(self.markdown(), encoding="utf-8")
        if print_too:
            (folder / f"{self.name}.tex").write_text(self.latex(), encoding="utf-8")
        self.data.to_csv(folder / f"{self.name}.csv", index=False, lineterminator="\n")

    def _align(self, column: int, cell: str = "") -> str:
        if column >= self.left:
            return ' class="number"'
        return f' class="words{" many" if len(cell) > 3 * LONG else ""}"' if len(cell) > LONG else ""


def _pipe(cells: Sequence[str], escape: bool = True) -> str:
    return "| " + " | ".join(cell.replace("|", r"\|") if escape else cell for cell in cells) + " |"


def _cell(text: str) -> str:
    """HTML of a cell: a trailing `[low, high]` becomes a span of its own, unless it is one of several."""
    found = re.fullmatch(r"(.*?)\s*(\[[^\]]*\])", text)
    if not found or len(text) > LONG:
        return as_html(text)
    return f'{as_html(found[1])} <span class="interval">{as_html(found[2])}</span>'


def as_html(text: str) -> str:
    """Escaped text with `code` and **strong**; numbers stay on one line with their unit, intervals in one piece."""
    out = re.sub(r"\[[^\]]*\]", lambda found: found.group().replace(" ", NBSP), text)
    out = re.sub(r"(?<=\d) (?=%|[kMGTP]\b|points\b|steps?\b|seeds?\b)|(?<=[<>]) (?=\d)", NBSP, out)
    out = html.escape(out, quote=False)
    out = re.sub(r"`([^`]+)`", r"<code>\1</code>", out)
    return re.sub(r"\*\*([^*]+)\*\*", r"<strong>\1</strong>", out)


NBSP = "\u00a0"

_LATEX: Mapping[str, str] = {
    "\\": r"\textbackslash{}",
    **{char: "\\" + char for char in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "\u2212": "$-$",
    "×": r"$\times$",
    "±": r"$\pm$",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "∞": r"$\infty$",
    "–": "--",
    "\u00a0": "~",
    "δ": r"$\delta$",
    "μ": r"$\mu$",
    "τ": r"$\tau$",
    "α": r"$\alpha$",
    "→": r"$\rightarrow$",
}


def as_latex(text: str) -> str:
    """LaTeX of a cell: special characters escaped, `code` in typewriter, **strong** in bold."""
    out = "".join(_LATEX.get(char, char) for char in text)
    out = re.sub(r"`([^`]+)`", r"\\texttt{\1}", out)
    return re.sub(r"\*\*([^*]+)\*\*", r"\\textbf{\1}", out)


def numbers(prefix: str, interval: object) -> dict[str, float]:
    """CSV columns of an `Interval` or `Ratio`-like value: prefix, prefix_low, prefix_high."""
    value = getattr(interval, "value", float("nan"))
    low, high = getattr(interval, "low", float("nan")), getattr(interval, "high", float("nan"))
    return {prefix: value, f"{prefix}_low": low, f"{prefix}_high": high}
