"""The light markup of reports as HTML, Markdown and LaTeX: `code`, **strong**, and nothing that a name could add."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import cache

from repro.analysis.files import shown

NBSP = "\u00a0"
BREAK = "\u200b"
"""A place of no width where a long name may go on in the next line."""
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


# ---------------------------------------------------------------- LaTeX

_MATHS = """
α alpha β beta γ gamma δ delta ε epsilon ζ zeta η eta θ theta ι iota κ kappa λ lambda μ mu ν nu ξ xi π pi ρ rho
ς varsigma σ sigma τ tau υ upsilon φ phi χ chi ψ psi ω omega Γ Gamma Δ Delta Θ Theta Λ Lambda Ξ Xi Π Pi Σ Sigma
Υ Upsilon Φ Phi Ψ Psi Ω Omega × times ± pm ≥ geq ≤ leq ∞ infty → rightarrow ← leftarrow ↑ uparrow ↓ downarrow
↔ leftrightarrow ⇒ Rightarrow ≈ approx ≠ neq ≡ equiv ∼ sim ∝ propto ∇ nabla ∂ partial ∈ in ∑ sum ∏ prod ∫ int √ surd
÷ div · cdot ⋅ cdot ∘ circ • bullet ≪ ll ≫ gg ℓ ell ⊂ subset ∪ cup ∩ cap ∧ wedge ∨ vee ¬ neg ∀ forall ∃ exists
"""
"""Characters, each with its command in mathematics behind it."""
_LATEX: Mapping[str, str] = {
    **{char: rf"$\{command}$" for char, command in zip(_MATHS.split()[::2], _MATHS.split()[1::2], strict=True)},
    **{char: f"$^{digit}$" for digit, char in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")},
    **{char: f"$_{digit}$" for digit, char in enumerate("₀₁₂₃₄₅₆₇₈₉")},
    **{char: "\\" + char for char in "&%$#_{}"},
    **dict.fromkeys("\n\r\t", " "),
    BREAK: r"\allowbreak{}",
    NBSP: "~",
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "\u2212": "$-$",
    "µ": r"$\mu$",
    "ο": "o",
    "°": r"$^\circ$",
    "–": "--",
    "—": "---",
    "\u2044": "/",
    "…": r"\dots{}",
    "‘": "`",
    "’": "'",
    "“": "``",
    "”": "''",
    "§": r"\S{}",
    "©": r"\copyright{}",
    "£": r"\pounds{}",
    "¿": "?`",
    "¡": "!`",
    "ß": r"\ss{}",
    "æ": r"\ae{}",
    "Æ": r"\AE{}",
    "œ": r"\oe{}",
    "Œ": r"\OE{}",
    "ø": r"\o{}",
    "Ø": r"\O{}",
    "ł": r"\l{}",
    "Ł": r"\L{}",
    "ı": r"\i{}",
}
_MARKS = "\u0300\u0301\u0302\u0303\u0308\u0304\u0306\u0307\u030a\u030c\u030b\u0327\u0323"
_ACCENTS = dict(zip(_MARKS, "`'^~\"=u.rvHcd", strict=True))
"""Combining mark -> the command that sets it over or under a letter."""


def as_latex(text: str) -> str:
    """LaTeX that plain pdflatex compiles: special characters as commands, `code` in typewriter, **strong** in bold.

    A character that its fonts do not have, such as a Chinese one, stands as its number: U+4F60.
    """
    out, end, text = "", 0, unicodedata.normalize("NFC", shown(text))
    for found in CODE.finditer(text):
        out += f"{_escaped(text[end : found.start()])}\\texttt{{{_escaped(found[1])}}}"
        end = found.end()
    out = STRONG.sub(r"\\textbf{\1}", out + _escaped(text[end:]))
    return f"{{}}{out}" if out.startswith(("[", "*")) else out  # else the end of the row above takes it for its option


def _escaped(text: str) -> str:
    """Two hyphens in a name stay two hyphens, where LaTeX would draw a dash."""
    pairs = zip(f" {text}", text, strict=False)
    return "".join(("{}" if before == char == "-" else "") + _latex(char) for before, char in pairs)


def _latex(char: str) -> str:
    found = _written(char)
    return rf"U+{ord(char):04X}\allowbreak{{}}" if found is None else found


def written_as_number(char: str) -> bool:
    """Whether `as_latex` has no other way to write the character than its number."""
    return _written(char) is None


@cache
def _written(char: str) -> str | None:
    if char in _LATEX:
        return _LATEX[char]
    if char.isascii():
        return char if char.isprintable() else None
    parts = unicodedata.normalize("NFD", char)
    base, marks = parts[0], parts[1:]
    if marks and base.isascii() and base.isalpha() and all(mark in _ACCENTS for mark in marks):
        letter = {"i": r"\i", "j": r"\j"}.get(base, base) if marks[0] not in "\u0327\u0323" else base
        for mark in marks:
            letter = rf"\{_ACCENTS[mark]}{{{letter}}}"
        return letter
    plain = unicodedata.normalize("NFKC", char)
    return None if plain == char else _together([_written(part) for part in plain])


def _together(parts: Sequence[str | None]) -> str | None:
    return None if None in parts else "".join(filter(None, parts))
