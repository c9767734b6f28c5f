"""Fills in the templates of a report: its pages, and the same as Markdown."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import jinja2
from markupsafe import Markup

from analysis.markup import as_html, as_markdown


def rendered(name: str, content: Mapping[str, Any]) -> str:
    """The text of one page or of `report.md`."""
    text = _environment().get_template(f"{name}.j2").render(content)
    return re.sub(r"\n{3,}", "\n\n", text)


def _fenced(lines: Sequence[str]) -> str:
    """A block of code in Markdown, between fences longer than any run of backquotes in it."""
    text = "\n".join(lines)
    fence = "`" * max([3, *(len(run) + 1 for run in re.findall("`+", text))])
    return f"{fence}\n{text}\n{fence}"


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("analysis", "templates"),
        autoescape=lambda name: bool(name) and str(name).endswith(".html.j2"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    numbers = {"table": 0, "figure": 0}

    def counter(kind: str) -> int:
        numbers[kind] += 1
        return numbers[kind]

    def restart() -> str:
        numbers.update(table=0, figure=0)
        return ""

    environment.globals.update(counter=counter, restart=restart)
    environment.filters["markup"] = lambda text: Markup(as_html(text))
    environment.filters["markdown"] = as_markdown
    environment.filters["fenced"] = _fenced
    environment.filters["kind"] = lambda item: type(item).__name__.lower()
    return environment
