"""Changes captions of tables and figures wherever they stand: adds a sentence, or moves what is long into notes."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any

from analysis.pictures import Picture
from analysis.tables import Table

More = Callable[[Sequence[str], str], str]
"""(what a table or figure says, its caption) -> what its caption says beside; "" for nothing."""


def captioned(item: Any, more: More) -> Any:
    """A table or picture, or what holds some (sections, lists), with `more` at the end of their captions."""

    def table(one: Table) -> Table:
        words = [one.title, one.caption, *one.notes, *one.header, *(cell for row in one.rows for cell in row)]
        added = more(words, " ".join([one.caption, *one.notes]))
        note = _joined(one.note, added) if one.note else ""
        if one.notes:
            return replace(one, notes=(*one.notes, *[added] * bool(added)), note=note)
        return replace(one, caption=_joined(one.caption, added), note=note)

    def picture(one: Picture) -> Picture:
        words = [one.title, one.caption, one.alt]
        return replace(one, caption=_joined(one.caption, more(words, one.caption)))

    return _changed(item, table, picture)


def _changed(item: Any, table: Callable[[Table], Table], picture: Callable[[Picture], Picture] | None = None) -> Any:
    """The item with every table and picture in it changed."""
    if isinstance(item, tuple | list):
        return type(item)(_changed(one, table, picture) for one in item)
    if isinstance(item, Table):
        return table(item)
    if isinstance(item, Picture):
        return picture(item) if picture else item
    if is_dataclass(item) and not isinstance(item, type):
        held = {field.name: getattr(item, field.name) for field in fields(item) if field.init}
        return replace(item, **{name: _changed(value, table, picture) for name, value in held.items()})
    return item


SENTENCE = re.compile(r"(?<!\bal\.)(?<!\be\.g\.)(?<!\bi\.e\.)(?<!\bvs\.)(?<=[.!?])\s+(?=[A-Z0-9'`(*>≤≥])")
"""Where a sentence ends and the next one begins."""

GOES_ON = ("It", "Its", "They", "Their", "Nor", "Such", "This", "These", "That", "Those", "Both", "So", "The data file")
"""How a sentence begins that leans on the one before it."""


def shortened(item: Any) -> Any:
    """A table, or what holds some, with at most two sentences in each caption: the rest stands in the notes."""
    return _changed(item, _short)


def _short(table: Table) -> Table:
    first, *rest = SENTENCE.split(table.caption)
    notes: list[str] = []
    for sentence in rest[1:]:
        if notes and sentence.startswith(tuple(f"{word} " for word in GOES_ON)):
            notes[-1] += f" {sentence}"
        else:
            notes.append(sentence)
    return replace(table, caption=_joined(first, *rest[:1]), notes=(*notes, *table.notes)) if notes else table


def _joined(*parts: str) -> str:
    return " ".join(filter(None, parts))
