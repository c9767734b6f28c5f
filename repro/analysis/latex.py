"""Writes a table as LaTeX that goes into a paper unchanged."""

from __future__ import annotations

import unicodedata

from repro.analysis.latex_layout import GAP, TEXT, Block, Column, Layout, Sheet, layout
from repro.analysis.latex_widths import SIZES, width
from repro.analysis.markup import BREAK, as_latex

STRETCH = r"\setlength{\emergencystretch}{3em}"
"""Lets a caption with long names have wide spaces rather than stand out."""


def latex_table(sheet: Sheet) -> str:
    """A table that fits a column or the page, as its first line says, with letters of 8 points or more.

    Its second line names the packages it needs. What is longer than a page is a `longtable`, which LaTeX takes on pages
    of one column.
    """
    sheet = sheet.breakable()
    found = layout(sheet)
    packages = ["booktabs"]
    packages += ["array"] * any(column.breaks for block in found.blocks for column in block)
    packages += ["longtable"] * found.long
    measure = "textwidth" if found.inches == TEXT else "columnwidth"
    where = ", on pages of one column" if found.long else ""
    head = f"% For \\{measure} of {found.inches} in or more{where}.\n% \\usepackage{{{','.join(packages)}}}"
    body = _long(sheet, found) if found.long else _float(sheet, found)
    return "\n".join([head, *body, ""])


def _float(sheet: Sheet, found: Layout) -> list[str]:
    kind = "table*" if found.inches == TEXT else "table"
    out = [rf"\begin{{{kind}}}", r"\centering", STRETCH, _caption(sheet), *_settings(found)]
    for position, block in enumerate(found.blocks):
        out += [r"\par\medskip"] * (position > 0)
        out += [rf"\begin{{tabular}}{{{_columns(sheet, found, block)}}}", r"\toprule"]
        out += [_header(sheet, found, block), r"\midrule", *_rows(sheet, found, block), r"\bottomrule"]
        out.append(r"\end{tabular}")
    if sheet.note:
        out += [r"\par\smallskip", r"\begin{minipage}{\linewidth}", r"\footnotesize\raggedright"]
        out += [as_latex(sheet.note), r"\end{minipage}"]
    return [*out, rf"\end{{{kind}}}"]


def _long(sheet: Sheet, found: Layout) -> list[str]:
    out = [r"\begingroup", STRETCH, *_settings(found), r"\setlength{\LTcapwidth}{\linewidth}"]
    for position, block in enumerate(found.blocks):
        header = [r"\toprule", _header(sheet, found, block), r"\midrule"]
        out += [r"\addtocounter{table}{-1}"] * (position > 0)  # a block is no table of its own
        out.append(rf"\begin{{longtable}}{{{_columns(sheet, found, block)}}}")
        out += [rf"{_caption(sheet)} \\", *header, r"\endfirsthead"] if position == 0 else []
        out += [*header, r"\endhead", r"\bottomrule", r"\endfoot", *_rows(sheet, found, block), r"\end{longtable}"]
    if sheet.note:
        out += [r"\noindent\footnotesize\raggedright", as_latex(sheet.note), r"\par"]
    return [*out, r"\endgroup"]


def _settings(found: Layout) -> list[str]:
    return [found.font.command, rf"\setlength{{\tabcolsep}}{{{GAP:g}pt}}"]


def _caption(sheet: Sheet) -> str:
    return rf"\caption{{{as_latex(sheet.caption)}}}\label{{tab:{_label(sheet.name)}}}"


def _label(name: str) -> str:
    """The name with what a label may hold: letters of ASCII, digits and hyphens."""
    plain = unicodedata.normalize("NFKD", name.replace("_", "-").replace(".", "-"))
    return "".join(c if c.isascii() else f"u{ord(c):x}" for c in plain if not unicodedata.combining(c))


def _columns(sheet: Sheet, found: Layout, block: Block) -> str:
    """The argument of `tabular`; widths of what breaks are shares of the line, for templates with another one."""
    out: list[str] = []
    for column in block:
        words = column.at < sheet.left
        if column.breaks:
            side = "right" if words else "left"
            share = column.room / (72.27 * found.inches)
            out.append(rf">{{\ragged{side}\arraybackslash}}p{{{share:.3f}\linewidth}}")
        else:
            out.append("l" if words else "r")
    return f"@{{}}{''.join(out)}@{{}}"


def _header(sheet: Sheet, found: Layout, block: Block) -> str:
    return " & ".join(_title(sheet, found, column) for column in block) + r" \\"


def _title(sheet: Sheet, found: Layout, column: Column) -> str:
    """A header, in several lines where it is wider than its column."""
    text, points = sheet.header[column.at], found.font.points
    if width(text, points) <= column.room:
        return as_latex(text.replace(BREAK, ""))
    room = r"\linewidth" if column.breaks else f"{column.room / points / SIZES[points]:.2f}em"
    side = "right" if column.at < sheet.left else "left"
    return rf"\parbox[b]{{{room}}}{{\ragged{side} {as_latex(text)}}}"


def _rows(sheet: Sheet, found: Layout, block: Block) -> list[str]:
    """The rows. A name that several rows begin with stands once, unless the table may break between them."""
    out: list[str] = []
    first, before = block[0].at, ""
    repeats = sheet.left > 1 and not found.long
    apart = any(column.breaks for column in block)
    for row in sheet.rows:
        cells = [as_latex(row[c.at] if c.breaks else row[c.at].replace(BREAK, "")) for c in block]
        again = repeats and out and row[first] == before
        if out and (apart or (repeats and not again and len({row[first] for row in sheet.rows}) < len(sheet.rows))):
            out.append(r"\addlinespace[2pt]" if apart else r"\addlinespace")
        out.append(" & ".join(["" if again else cells[0], *cells[1:]]) + r" \\")
        before = row[first]
    return out
