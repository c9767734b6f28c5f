"""The light markup of reports as HTML, Markdown and LaTeX: `code`, **strong**, and nothing that a name could add."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping

NBSP = "\u00a0"
CODE = re.compile(r"`([^`]+)`")
STRONG = re.compile(r"\*\*([^*]+)\*\*")


def as_html(text: str) -> str:
    """Escaped text with `code` and **strong**; numbers stay on one line with their unit, intervals in one piece."""
    out = re.sub(r"\[[^\]]*\]", lambda found: found.group().replace(" ", NBSP), text)
    out = re.sub(r"(?<=\d) (?=%|[kMGTP]\b|points\b|steps?\b|seeds?\b)|(?<=[<>]) (?=\d)", NBSP, out)
    out = html.escape(out, quote=False)
    out = CODE.sub(r"<code>\1</code>", out)
    return STRONG.sub(r"<strong>\1</strong>", out)


def as_markdown(text: str, cell: bool = False) -> str:
    """One line of GitHub Markdown: a name in it opens no tag, no link and no line, and in a `cell` no further cell."""
    text = text.replace("\n", " ").replace("\r", " ")
    parts, end = [], 0
    for found in CODE.finditer(text):
        parts += [_words(text[end : found.start()], cell), _code(found, cell)]
        end = found.end()
    return "".join([*parts, _words(text[end:], cell)])


def _words(text: str, cell: bool) -> str:
    text = text.replace("\\", "\\\\").replace("`", "\\`").replace("](", r"]\(")
    text = re.sub(r"<(?=[A-Za-z/!?])", "&lt;", text)
    return text.replace("|", r"\|") if cell else text


def _code(found: re.Match[str], cell: bool) -> str:
    """A span of code. In a cell a backslash before a bar cannot be written as code."""
    if cell and "\\" in found[1] and "|" in found[1]:
        return _words(found[1], cell)
    return found[0].replace("|", r"\|") if cell else found[0]


_LATEX: Mapping[str, str] = {
    "\\": r"\textbackslash{}",
    **{char: "\\" + char for char in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "\n": " ",
    "\r": " ",
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
    out = CODE.sub(r"\\texttt{\1}", out)
    out = STRONG.sub(r"\\textbf{\1}", out)
    return f"{{}}{out}" if out.startswith(("[", "*")) else out  # else the end of the row above takes it for its option
