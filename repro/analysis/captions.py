"""Changes captions of tables and figures wherever they stand: adds a sentence, or moves what is long into notes."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any

from repro.analysis.pictures import Picture
from repro.analysis.tables import Table

More = Callable[[Sequence[str], str], str]
"""(what a table or figure says, its caption) -> what its caption says beside; "" for nothing."""


def captioned(item: Any, more: More) -> Any:
    """A table or picture, or what holds some (sections, lists), with `more` at the end of their captions."""

    def said(one: Table | Picture, words: Sequence[str]) -> str:
        return more([one.title, one.caption, *one.notes, *words], " ".join([one.caption, *one.notes]))

    def below(one: Table | Picture, added: str) -> dict[str, Any]:
        """The caption, or the notes where there are some."""
        if one.notes:
            return {"notes": (*one.notes, *[added] * bool(added))}
        return {"caption": _joined(one.caption, added)}

    def table(one: Table) -> Table:
        added = said(one, [*one.header, *(cell for row in one.rows for cell in row)])
        return replace(one, **below(one, added), note=_joined(one.note, added) if one.note else "")

    def picture(one: Picture) -> Picture:
        return replace(one, **below(one, said(one, [one.alt])))

    return _changed(item, table, picture)


def _changed(item: Any, table: Callable[[Table], Table], picture: Callable[[Picture], Picture]) -> Any:
    """The item with every table and picture in it changed."""
    if isinstance(item, tuple | list):
        return type(item)(_changed(one, table, picture) for one in item)
    if isinstance(item, Table):
        return table(item)
    if isinstance(item, Picture):
        return picture(item)
    if is_dataclass(item) and not isinstance(item, type):
        held = {field.name: getattr(item, field.name) for field in fields(item) if field.init}
        return replace(item, **{name: _changed(value, table, picture) for name, value in held.items()})
    return item


SENTENCE = re.compile(r"(?<!\bal\.)(?<!\be\.g\.)(?<!\bi\.e\.)(?<!\bvs\.)(?<=[.!?])\s+(?=[A-Z0-9'`(*>≤≥])")
"""Where a sentence ends and the next one begins."""

GOES_ON = ("It", "Its", "They", "Their", "Nor", "Such", "This", "These", "That", "Those", "Both", "So", "The data file")
"""How a sentence begins that leans on the one before it."""


def shortened(item: Any) -> Any:
    """A table or figure, or what holds some, with a short caption: two sentences, of a figure one beside its title.

    The rest stands in the notes.
    """
    return _changed(item, lambda table: _short(table, 2), lambda picture: _short(picture, 1))


def _short(item: Any, most: int) -> Any:
    """A table or picture with at most so many sentences in its caption."""
    sentences = SENTENCE.split(item.caption)
    notes: list[str] = []
    for sentence in sentences[most:]:
        if notes and sentence.startswith(tuple(f"{word} " for word in GOES_ON)):
            notes[-1] += f" {sentence}"
        else:
            notes.append(sentence)
    return replace(item, caption=_joined(*sentences[:most]), notes=(*notes, *item.notes)) if notes else item


def _joined(*parts: str) -> str:
    return " ".join(filter(None, parts))
