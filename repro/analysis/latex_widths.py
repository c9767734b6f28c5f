"""How wide text is in LaTeX's own fonts, so that a table can be laid out to fit before LaTeX sees it."""

from __future__ import annotations

from functools import lru_cache

from repro.analysis.markup import BREAK, CODE, NBSP, STRONG, written_as_number

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


def width(text: str, points: int) -> float:
    """Points that a cell in the light markup of `repro.analysis.markup` takes on one line, in a font of so many points.

    Letters are those of Computer Modern, which is wider than Times; code is reckoned as Courier.
    """
    return _line(text) * points * SIZES[points]


def longest_piece(text: str, points: int) -> float:
    """Points of the longest part of a cell that is not broken over lines."""
    return max((piece for word in _words(text) for piece in word), default=0.0) * points * SIZES[points]


def lines(text: str, room: float, points: int) -> int:
    """Lines that a cell takes in a column of so many points, at least 1."""
    space, room = _WIDTH[" "], room / (points * SIZES[points]) + 1e-6
    used, count = 0.0, 1
    for word in _words(text):
        for at, need in enumerate(word):
            gap = space if at == 0 and used else 0.0
            if used and used + gap + need > room:
                count, used = count + 1, need
            else:
                used += gap + need
    return count


@lru_cache(maxsize=4096)
def _line(text: str) -> float:
    """The width in em of all of it on one line."""
    return sum(em for _, em in _glyphs(text))


@lru_cache(maxsize=4096)
def _words(text: str) -> tuple[tuple[float, ...], ...]:
    """Words, each as the widths in em of the pieces between places where it may break."""
    words: list[list[float]] = []
    inside = False  # whether the next character goes on with the last piece
    for char, em in _glyphs(text):
        if char == " ":
            words.append([])
            inside = False
            continue
        if not words:
            words.append([])
        if inside:
            words[-1][-1] += em
        else:
            words[-1].append(em)
        inside = char != BREAK and not written_as_number(char)
    return tuple(map(tuple, words))


def _glyphs(text: str) -> list[tuple[str, float]]:
    """Each character that is seen, with its width in em."""
    code, hidden = [False] * len(text), set[int]()
    for found in CODE.finditer(text):
        code[found.start() : found.end()] = [True] * len(found.group())
        hidden |= {found.start(), found.end() - 1}
    bold = BOLD if STRONG.search(text) else 1.0
    for found in STRONG.finditer(text):
        hidden |= {found.start(), found.start() + 1, found.end() - 2, found.end() - 1}
    return [(char, bold * _em(char, code[at])) for at, char in enumerate(text) if at not in hidden]


def _em(char: str, code: bool) -> float:
    if written_as_number(char):
        return _NUMBER
    return CODE_WIDTH if code and char != BREAK else _WIDTH.get(char, _OTHER)
