"""Compiles the LaTeX of a report as a paper would, and says which file does not compile or does not fit."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from repro.analysis.tables import Table

PREAMBLE = r"""\documentclass[10pt,onecolumn]{article}
\usepackage[paperwidth=8.5in,paperheight=11in,textwidth=6.75in,textheight=9in,columnsep=0.25in]{geometry}
\usepackage{%s}
\begin{document}
"""
FOR = re.compile(r"% For \\(columnwidth|textwidth) of [\d.]+ in or more(, on pages of one column)?\.\n")
PACKAGES = re.compile(r"% \\usepackage\{([a-z,]+)\}\n")
CAPTION = re.compile(r"\\caption\{(.*)\}\\label\{")
LABEL = re.compile(r"\\label\{(.*?)\}")
COMPLAINT = re.compile(r"^(?:! .*|Overfull .*\([1-9]\d*\..*|LaTeX Warning: Float too large.*)", re.MULTILINE)
USES = {"booktabs": r"\toprule", "array": r"\arraybackslash", "longtable": r"\begin{longtable}"}
"""Package -> a command of it that tables use."""


def needs_pdflatex() -> None:
    """Skips the test where there is no pdflatex; in CI, which installs it, that is a failure."""
    if shutil.which("pdflatex") is None:
        message = "no pdflatex here: apt-get install texlive-latex-base texlive-latex-recommended"
        pytest.fail(message) if os.environ.get("CI") == "true" else pytest.skip(message)


def compiled(text: str, folder: Path, runs: int = 1) -> str:
    """Runs pdflatex on a document in a folder that is made, and returns what it says."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "paper.tex").write_text(text, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-no-shell-escape", "paper.tex"]
    said = ""
    for _ in range(runs):
        done = subprocess.run(
            command,
            cwd=folder,
            env=os.environ | {"max_print_line": "10000"},
            capture_output=True,
            timeout=120,
            check=False,
        )
        said = done.stdout.decode("utf-8", "replace")
    return said


def unfit(tables: Iterable[Any], folder: Path) -> list[str]:
    """The same of tables that no report has written, and of pictures nothing."""
    for table in tables:
        if isinstance(table, Table):
            table.write(folder / "tables")
    return complaints((folder / "tables").glob("*.tex"), folder)


def complaints(files: Iterable[Path], folder: Path) -> list[str]:
    """One document of all files: what is against each, as `name: text`; empty where all is well.

    Files for `\\textwidth` stand on pages of one column, the others in one column of two. Against a file are: an error,
    a box that stands out by more than 1 pt, a float longer than a page, a label that another file has, a caption that
    is not one sentence, a package that it uses and does not name, letters below 8 points, and a first line that does
    not say for which width it is.
    """
    texts = {path: path.read_text(encoding="utf-8") for path in sorted(files)}
    said = [f"{path.name}: {fault}" for path, text in texts.items() for fault in _faults(text)]
    labels = [(path.name, label) for path, text in texts.items() for label in LABEL.findall(text)]
    seen = Counter(label for _, label in labels)
    said += [f"{name}: another file has its label {label}" for name, label in labels if seen[label] > 1]
    packages = {name for text in texts.values() for found in PACKAGES.finditer(text) for name in found[1].split(",")}
    measures = {path: found[1] for path, text in texts.items() if (found := FOR.match(text))}
    body = [_shown(path) for path, measure in measures.items() if measure == "textwidth"]
    body += [r"\twocolumn", *(_shown(path) for path, measure in measures.items() if measure == "columnwidth")]
    document = PREAMBLE % ",".join(sorted(packages)) + "\n".join([*body, r"\end{document}", ""])
    # A long table knows its widths from the run before.
    log = compiled(document, folder / "paper", 2 if "longtable" in packages else 1)
    before, *parts = log.split("<<<")
    for part in [f"paper.tex>>>{before}", *parts]:
        name, _, rest = part.partition(">>>")
        said += [f"{name}: {found}" for found in COMPLAINT.findall(rest)]
    if not (folder / "paper" / "paper.pdf").exists():
        said.append(f"paper.tex: no document was made: {log[-300:]}")
    return said


def _shown(path: Path) -> str:
    return rf"\typeout{{<<<{path.name}>>>}}\input{{\detokenize{{{path}}}}}\clearpage"


def _faults(text: str) -> list[str]:
    """What can be seen without LaTeX."""
    found, caption = PACKAGES.search(text), CAPTION.search(text)
    named = found[1].split(",") if found else []
    faults = [f"uses {name} and does not say so" for name, word in USES.items() if word in text and name not in named]
    if not FOR.match(text):
        faults.append("does not say for which width it is")
    if caption is None or not re.fullmatch(r"(?:[^.]|\.(?=\S))*\.", caption[1]):
        faults.append("its caption is not one sentence")
    if re.search(r"\\(tiny|scriptsize)\b", text):
        faults.append("has letters that are too small to read")
    return faults
