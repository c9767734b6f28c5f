"""How wide text is in LaTeX's own fonts, so that a table can be laid out to fit before LaTeX sees it."""

from __future__ import annotations

import re

from analysis.markup import BREAK, CODE, NBSP, STRONG, written_as_number

CODE_WIDTH = 0.6
"""Of a character of code, in em: Courier, which many templates use. Computer Modern's typewriter takes 0.53."""

BOLD = 1.16
"""Bold letters beside upright ones."""

SIZES = {9: 1.028, 8: 1.063}
"""Points of a font -> how much wider its letters are, for their size, than at 10 points."""

_WIDTHS = {
    0.0: BREAK,
    0.278: "!',.:;[]_`ijl|",
    0.306: "fI",
    0.333: f"- {NBSP}",
    0.392: "()rst",
    0.45: "cez?",
    0.5: '0123456789ago*/"–°',
    0.53: "kqvxySJ",
    0.556: "bdhnpuF",
    0.64: "LZ{}",
    0.7: "BCEPTwτγ",
    0.78: "ADGHKNOQRUVXY<>+=−×±÷≥≤&@^~\\",
    0.84: "#%mμ",
    1.03: "MW→∞…—",
}
_WIDTH = {char: width for width, chars in _WIDTHS.items() for char in chars}
_OTHER = 0.65
_NUMBER = 4.1
"""Of a character that stands as its number, such as U+4F60."""

Glyph = tuple[str, float]
"""A character and its width in em."""


def width(text: str, points: int) -> float:
    """Points that a cell in the light markup of `analysis.markup` takes on one line, in a font of so many points.

    Letters are those of Computer Modern, which is wider than Times; code is reckoned as Courier.
    """
    return _sum(_glyphs(text), points)


def longest_piece(text: str, points: int) -> float:
    """Points of the longest part of a cell that is not broken over lines."""
    return max((_sum(piece, points) for word in _words(_glyphs(text)) for piece in _pieces(word)), default=0.0)


def lines(text: str, room: float, points: int) -> int:
    """Lines that a cell takes in a column of so many points, at least 1."""
    space, used, count = width(" ", points), 0.0, 1
    for word in _words(_glyphs(text)):
        for at, piece in enumerate(_pieces(word)):
            need, gap = _sum(piece, points), space if at == 0 and used else 0.0
            if used and used + gap + need > room:
                count, used = count + 1, need
            else:
                used += gap + need
    return count


def _sum(glyphs: list[Glyph], points: int) -> float:
    return sum(em for _, em in glyphs) * points * SIZES[points]


def _glyphs(text: str) -> list[Glyph]:
    code = [False] * len(text)
    for found in CODE.finditer(text):
        code[found.start() : found.end()] = [True] * len(found.group())
    bold = BOLD if STRONG.search(text) else 1.0
    marks = r"\*\*|`" if any(code) else r"\*\*"
    hidden = {at for found in re.finditer(marks, text) for at in range(*found.span())}
    return [(char, bold * _em(char, code[at])) for at, char in enumerate(text) if at not in hidden]


def _em(char: str, code: bool) -> float:
    if written_as_number(char):
        return _NUMBER
    return CODE_WIDTH if code and char != BREAK else _WIDTH.get(char, _OTHER)


def _words(glyphs: list[Glyph]) -> list[list[Glyph]]:
    """Parts between spaces."""
    out: list[list[Glyph]] = [[]]
    for glyph in glyphs:
        if glyph[0] == " ":
            out.append([])
        else:
            out[-1].append(glyph)
    return [word for word in out if word]


def _pieces(word: list[Glyph]) -> list[list[Glyph]]:
    """Parts of a word between places where it may break."""
    out: list[list[Glyph]] = [[]]
    for char, em in word:
        out[-1].append((char, em))
        if char == BREAK or written_as_number(char):
            out.append([])
    return [piece for piece in out if piece]
