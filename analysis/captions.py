"""Adds a sentence to the captions of tables and figures that show a certain thing, wherever they stand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any

from analysis.pictures import Picture
from analysis.tables import Table

More = Callable[[Sequence[str], str], str]
"""(what a table or figure says, its caption) -> what its caption says beside; "" for nothing."""


def captioned(item: Any, more: More) -> Any:
    """A table or picture, or what holds some (sections, lists), with `more` at the end of their captions."""
    if isinstance(item, tuple | list):
        return type(item)(captioned(one, more) for one in item)
    if isinstance(item, Table):
        words = [item.title, item.caption, *item.notes, *item.header, *(cell for row in item.rows for cell in row)]
        added = more(words, " ".join([item.caption, *item.notes]))
        note = _joined(item.note, added) if item.note else ""
        if item.notes:
            return replace(item, notes=(*item.notes, *[added] * bool(added)), note=note)
        return replace(item, caption=_joined(item.caption, added), note=note)
    if isinstance(item, Picture):
        words = [item.title, item.caption, item.alt]
        return replace(item, caption=_joined(item.caption, more(words, item.caption)))
    if is_dataclass(item) and not isinstance(item, type):
        changed = {field.name: getattr(item, field.name) for field in fields(item) if field.init}
        return replace(item, **{name: captioned(value, more) for name, value in changed.items()})
    return item


def _joined(*parts: str) -> str:
    return " ".join(filter(None, parts))
