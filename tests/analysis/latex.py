"""Compiles the LaTeX of a report as a paper would, and says which file does not compile or does not fit."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

PREAMBLE = r"""
\documentclass[10pt,onecolumn]{article}
\usepackage[paperwidth=8.5in,paperheight=11in,textwidth=6.75in,textheight=9in,columnsep=0.25in]{geometry}
\usepackage{%s}
\hfuzz=1pt \vfuzz=1pt
\begin{document}
"""
FOR = re.compile(r"% For \\(columnwidth|textwidth) of [\d.]+ in or more(, on pages of one column)?\.")
PACKAGES = re.compile(r"% \\usepackage\{([a-z,]+)\}")
COMPLAINT = re.compile(r"^(! .*|Overfull .*|LaTeX Warning: Float too large.*)", re.MULTILINE)


def needs_pdflatex() -> None:
    """Skips the test where there is no pdflatex; in CI, where it is installed, that is a failure."""
    if shutil.which("pdflatex") is None:
        message = "no pdflatex here: apt-get install texlive-latex-base texlive-latex-recommended"
        pytest.fail(message) if os.environ.get("CI") == "true" else pytest.skip(message)


def complaints(files: Iterable[Path], scratch: Path) -> list[str]:
    """One run of pdflatex over all files: what it says against each, as `name: text`; empty where all is well.

    Files for `\\textwidth` stand on pages of one column, the others in one column of two. Against a file are: an error,
    a box that stands out by more than 1 pt, a float longer than a page, a package that it uses and does not name, and
    a first line that does not say for which width it is.
    """
    texts = {path: path.read_text(encoding="utf-8") for path in sorted(files)}
    marks = {path: FOR.match(text) for path, text in texts.items()}
    said = [f"{path.name}: does not say for which width it is" for path, mark in marks.items() if mark is None]
    packages = {name for text in texts.values() for found in PACKAGES.finditer(text) for name in found[1].split(",")}
    wide = [path for path, mark in marks.items() if mark and mark[1] == "textwidth"]
    narrow = [path for path, mark in marks.items() if mark and mark[1] == "columnwidth"]
    body = [*map(_shown, wide), r"\twocolumn", *map(_shown, narrow), r"\end{document}"]
    (scratch / "tables.tex").write_text(PREAMBLE % ",".join(sorted(packages)) + "\n".join(body), encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-no-shell-escape", "tables.tex"]
    wrapped = os.environ | {"max_print_line": "10000"}
    for _ in range(2 if "longtable" in packages else 1):  # a long table knows its widths from the run before
        done = subprocess.run(command, cwd=scratch, env=wrapped, capture_output=True, timeout=120, check=False)
    log = done.stdout.decode("utf-8", "replace")
    before, *parts = log.split("<<<")
    said += [f"document: {found}" for found in COMPLAINT.findall(before)]
    for part in parts:
        name, _, rest = part.partition(">>>")
        said += [f"{name}: {found}" for found in COMPLAINT.findall(rest)]
    if not (scratch / "tables.pdf").exists():
        said.append(f"no document was made: {log[-300:]}")
    said += [f"{path.name}: {text}" for path, found in texts.items() for text in _unnamed(found)]
    return said


def _shown(path: Path) -> str:
    return rf"\typeout{{<<<{path.name}>>>}}\input{{\detokenize{{{path}}}}}\clearpage"


def _unnamed(text: str) -> list[str]:
    """Packages whose commands the file uses without naming them."""
    found = PACKAGES.search(text)
    named = found[1].split(",") if found else []
    uses = {"booktabs": r"\toprule", "array": r"\arraybackslash", "longtable": r"\begin{longtable}"}
    return [
        f"uses {package} and does not say so" for package, word in uses.items() if word in text and package not in named
    ]
