"""Lays out the columns of a table so that it fits one column or the page of a paper."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, product

from repro.analysis.latex_widths import lines, longest_piece, width
from repro.analysis.markup import BREAK, NBSP

COLUMN, TEXT = 3.25, 6.75
"""Inches of one column of two, and of the page, as in ICML's template; most others have more."""

GAP = 4.0
"""Points on either side of a border between columns."""

TALL = 500.0
"""Points that a table may take on a page; a longer one breaks over pages."""

COMPACT = 6
"""With more columns a table is set over the page."""

BROKEN = 110.0
"""Points from which a column of numbers, such as one with a number per seed, may break over lines."""

HEADER_LINES, COLUMN_LINES = 3, 2
"""Lines that the header of numbers may take, and a cell in a table for one column."""

MOST_LINES = 64
"""A cell with more lines than this is broken as narrowly as it can be."""

WIDEST = 8
"""Cells of a column that decide on its room: the others are hardly ever taller."""

WIDE_HEADER = 80.0
"""Points up to which a column grows so that its header keeps to few lines."""

_INCH = 72.27


@dataclass(frozen=True)
class Font:
    """Points of the letters and of a line in a document of 10 points."""

    command: str
    points: int
    line: float


SMALL, SMALLEST = Font(r"\small", 9, 11.0), Font(r"\footnotesize", 8, 9.5)
"""Nothing smaller: it could not be read."""


@dataclass(frozen=True)
class Sheet:
    """What a table says, in the light markup of `repro.analysis.markup`. The first `left` columns hold words."""

    name: str
    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    left: int
    note: str = ""

    def breakable(self) -> Sheet:
        """The same, with places where long names may break and without those inside short brackets."""
        rows = [list(map(_breakable, row)) for row in self.rows]
        header = list(map(_breakable, self.header))
        return Sheet(self.name, _breakable(self.caption), header, rows, self.left, _breakable(self.note))


@dataclass(frozen=True)
class Column:
    """A column with `room` in points; `breaks` where its cells go on in a next line. `at` is its place in the sheet."""

    at: int
    room: float
    breaks: bool


Block = tuple[Column, ...]


@dataclass(frozen=True)
class Layout:
    """`blocks` of columns stand below each other. `height` in points, caption and note in it."""

    inches: float
    font: Font
    blocks: tuple[Block, ...]
    height: float

    @property
    def long(self) -> bool:
        """Whether it takes more than a page."""
        return self.height > TALL


def layout(sheet: Sheet) -> Layout:
    """The narrowest layout that fits, with cells on one line each if it can be, in the larger font if it can be.

    Columns that do not fit side by side stand in blocks below each other, each with the columns of words, or with the
    first alone where these take half of the width.
    """
    every = tuple(range(len(sheet.header)))
    found: list[Layout] = []
    for inches, whole, font in product((COLUMN, TEXT), (True, False), (SMALL, SMALLEST)):
        block = _block(sheet, every, inches, font)
        if block is None or (whole and any(column.breaks for column in block)):
            continue
        if inches == TEXT or _compact(sheet, block, font):
            found.append(_laid(sheet, inches, font, (block,)))
            if not found[-1].long:
                return found[-1]
    over_pages = [one for one in found if one.inches == TEXT]
    return over_pages[0] if over_pages else _laid(sheet, TEXT, SMALLEST, _blocks(sheet, every))


def _compact(sheet: Sheet, block: Block, font: Font) -> bool:
    """Whether a block suits one column: few columns, and no cell of many lines."""
    most = max((_row_lines(sheet, row, block, font) for row in sheet.rows), default=1)
    return len(block) <= COMPACT and most <= COLUMN_LINES


def _blocks(sheet: Sheet, every: tuple[int, ...]) -> tuple[Block, ...]:
    """As few blocks as fit, of about the same number of columns."""
    keys = every[: sheet.left]
    if len(keys) == len(every) or sum(_needs(sheet, at, SMALLEST)[0] for at in keys) > TEXT * _INCH / 2:
        keys = every[:1]
    rest = every[len(keys) :]
    for count in range(2, len(rest) + 1):
        cuts = [round(i * len(rest) / count) for i in range(count + 1)]
        found = [_block(sheet, (*keys, *rest[a:b]), TEXT, SMALLEST) for a, b in pairwise(cuts)]
        if None not in found:
            return tuple(block for block in found if block)
    raise ValueError(f"table {sheet.name}: a column is wider than a page")


def _block(sheet: Sheet, which: tuple[int, ...], inches: float, font: Font) -> Block | None:
    """The columns side by side, or None where they do not fit. A hundredth is left free."""
    free = 0.99 * inches * _INCH - 2 * GAP * (len(which) - 1)
    needs = {at: _needs(sheet, at, font) for at in which}
    if sum(least for least, _ in needs.values()) > free:
        return None
    rooms = _shared(sheet, needs, free, font)
    return tuple(Column(at, rooms[at], rooms[at] < needs[at][1]) for at in which)


def _needs(sheet: Sheet, at: int, font: Font) -> tuple[float, float]:
    """(least, natural) width of a column; the same where its cells do not break."""
    cells = [row[at] for row in sheet.rows]
    natural = max((width(cell, font.points) for cell in cells), default=0.0)
    header = max(natural, longest_piece(sheet.header[at], font.points))
    while header < WIDE_HEADER and lines(sheet.header[at], header, font.points) > HEADER_LINES:
        header += 2
    if at >= sheet.left and natural <= BROKEN:
        return header, header
    least = max(longest_piece(text, font.points) for text in [*cells, sheet.header[at]])
    return least, header


def _shared(sheet: Sheet, needs: dict[int, tuple[float, float]], free: float, font: Font) -> dict[int, float]:
    """Room for each column, so that the tallest cell of the table has as few lines as can be.

    What is then left over goes to the columns that still break, in proportion to their room.
    """

    def rooms(count: int) -> dict[int, float]:
        return {at: _room(sheet, at, need, count, font) for at, need in needs.items()}

    counts = range(1, MOST_LINES)
    first = bisect_left(counts, True, key=lambda count: sum(rooms(count).values()) <= free)
    found = rooms(counts[first]) if first < len(counts) else {at: least for at, (least, _) in needs.items()}
    breaking = sum(room for at, room in found.items() if room < needs[at][1])
    more = 1 + (free - sum(found.values())) / breaking if breaking else 1.0
    return {at: min(room * more, needs[at][1]) for at, room in found.items()}


def _room(sheet: Sheet, at: int, need: tuple[float, float], count: int, font: Font) -> float:
    """The least room, to 2 points, in which none of a column's widest cells takes more than `count` lines."""
    low, high = need
    if count == 1 or low == high:
        return high
    texts = sorted([sheet.header[at], *(row[at] for row in sheet.rows)], key=lambda text: width(text, 9))[-WIDEST:]

    def fits(room: float) -> bool:
        return all(lines(text, room, font.points) <= count for text in texts)

    if fits(low):
        return low
    while high - low > 2:
        middle = (low + high) / 2
        low, high = (low, middle) if fits(middle) else (middle, high)
    return high


def _laid(sheet: Sheet, inches: float, font: Font, blocks: tuple[Block, ...]) -> Layout:
    """The layout with its height. Where cells break, rows stand apart by 2 points."""
    room, height = inches * _INCH, 10 + 12.0 * lines(sheet.caption, 0.9 * inches * _INCH, 9)
    for block in blocks:
        rows = [sheet.header, *sheet.rows]
        apart = 2.5 if any(column.breaks for column in block) else 0.5
        height += sum(_row_lines(sheet, row, block, font) * font.line + apart for row in rows) + 16
    height += 9.5 * lines(sheet.note, 0.97 * room, 8) + 4 if sheet.note else 0
    return Layout(inches, font, blocks, height)


def _row_lines(sheet: Sheet, row: Sequence[str], block: Block, font: Font) -> int:
    """Lines of the row; those of the header too, which may break where cells do not."""
    breaking = [column for column in block if column.breaks or row is sheet.header]
    return max((lines(row[column.at], column.room, font.points) for column in breaking), default=1)


def _breakable(text: str) -> str:
    """Places to break in words of more than 14 characters; none at the spaces of a short bracket."""
    text = re.sub(r"\[[^\]]{1,24}\]", lambda found: found.group().replace(" ", NBSP), text)
    return re.sub(r"\S{15,}", lambda found: _broken(found.group()), text)


def _broken(word: str) -> str:
    """The word with a place to break behind each sign and ten characters after the last, but not inside a `**`."""
    word = re.sub(r"([_\-./=:,])(?=\w)", rf"\1{BREAK}", word)
    inside = {found.start() + 1 for found in re.finditer(r"(?<!\*)\*\*(?!\*)", word)}
    out, since = "", 0
    for place, char in enumerate(word):
        if since >= 10 and char != BREAK and place not in inside:
            out, since = out + BREAK, 0
        out, since = out + char, 0 if char == BREAK else since + 1
    return out
