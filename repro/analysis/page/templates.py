"""Fills in the templates of a report: its pages, and the same as Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import jinja2
from markupsafe import Markup

from repro.analysis.markup import as_html, as_markdown
from repro.analysis.pictures import Picture
from repro.analysis.tables import Table


def numbered(items: Iterable[Table | Picture]) -> dict[str, str]:
    """Kind and name of each table and figure -> `Table 3` or `Figure 2`, counted in this order, kind by kind.

    What stands on two pages has the number of the first.
    """
    counts, out = {"Table": 0, "Figure": 0}, dict[str, str]()
    for item in items:
        if _key(item) in out:
            continue
        kind = "Table" if isinstance(item, Table) else "Figure"
        counts[kind] += 1
        out[_key(item)] = f"{kind} {counts[kind]}"
    return out


def _key(item: Table | Picture) -> str:
    return f"{type(item).__name__} {item.name}"


def rendered(name: str, content: Mapping[str, Any], numbers: Mapping[str, str]) -> str:
    """The text of one page or of `report.md`; `numbers` (from `numbered`) hold for all pages of a report."""
    environment = _environment()
    environment.filters["numbered"] = lambda item: numbers[_key(item)]
    text = environment.get_template(f"{name}.j2").render(content)
    return re.sub(r"\n{3,}", "\n\n", text)


def _fenced(lines: Sequence[str]) -> str:
    """A block of code in Markdown, between fences longer than any run of backquotes in it."""
    text = "\n".join(lines)
    fence = "`" * max([3, *(len(run) + 1 for run in re.findall("`+", text))])
    return f"{fence}\n{text}\n{fence}"


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("repro.analysis", "templates"),
        autoescape=lambda name: bool(name) and str(name).endswith(".html.j2"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["markup"] = lambda text: Markup(as_html(text))
    environment.filters["markdown"] = as_markdown
    environment.filters["fenced"] = _fenced
    environment.filters["kind"] = lambda item: type(item).__name__.lower()
    return environment
