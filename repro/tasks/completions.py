"""A table of completions and gold answers, read from a file of any common kind."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from repro.errors import UserError
from repro.tasks.files import EXTENSIONS, find_path, read_rows
from repro.tasks.replies import left_open
from repro.tasks.values import is_blank, is_missing, number_text
from repro.words import show, unknown, unwritable

KINDS = (*EXTENSIONS, ".tsv")


@dataclass(frozen=True)
class Completion:
    """`where` it stands in its file, its text after what the prompt opened, and the gold answer."""

    where: str
    text: str
    gold: str


ANSWERS = ("answer", "gold")
"""Columns that hold the gold answers where none is named; the first that is there counts."""


NOT_OF_A_POLICY = ("developer", "function", "human", "system", "tool", "user")
"""Roles of the messages of a chat that are no completions."""


def read_completions(
    path: Path, completion: str, answer: str | None = None, prompt: str | None = None
) -> list[Completion]:
    """The rows of a table of `KINDS`.

    `answer` is the column of the gold answers; None is the first of `ANSWERS` that a row has.

    A number as gold answer is taken as written. A completion may be a list, then each of its texts is one, and a
    message of a chat (`{role, content}`) of the assistant, then its content is.

    Raises UserError naming file, row and column for what is no text, with the columns there are for a name that is
    none of them, and for a table without rows.
    """
    path, found = find_path(str(path), "FILE"), []
    if not path.is_file() or path.suffix.lower() not in KINDS:
        raise UserError(f"FILE: {path} is not a table; expected a file ending in {', '.join(KINDS)}")
    for where, row in read_rows(path) if path.stat().st_size else ():  # an empty file has no rows, whatever it is
        golds = answer or next((name for name in ANSWERS if name in row), ANSWERS[0])
        for name, option in ((completion, "--completion"), (golds, "--answer"), (prompt, "--prompt")):
            if name is not None and name not in row:
                raise UserError(f"{where}: {option}: {unknown(name, list(row), 'a column of the table')}")
        gold = _gold(row[golds], f"{where}: column {golds!r}")
        before = ""
        if prompt is not None:
            before = left_open(_text(row[prompt], f"{where}: column {prompt!r}", "the text of a prompt"))
        place = f"{where}: column {completion!r}"
        texts = row[completion] if isinstance(row[completion], list) else [row[completion]]
        if not texts:
            raise UserError(f"{place} holds no completions, expected at least one; leave the row out")
        for each in texts:
            if isinstance(each, dict) and each.get("role") in NOT_OF_A_POLICY:
                raise UserError(f"{place} holds a message of the {each['role']}, expected those of the assistant alone")
            found.append(Completion(where, before + _text(each, place, "the text of a completion"), gold))
    if not found:
        raise UserError(f"{path}: holds no completions, expected a row for each")
    return found


def _text(value: Any, place: str, expected: str) -> str:
    if isinstance(value, dict) and {"role", "content"} <= set(value):
        value = value["content"]
    if value is None:
        raise UserError(f"{place} is empty, expected {expected}; fill the cell or leave the row out")
    if not isinstance(value, str):
        raise UserError(f"{place} holds {show(value)}, expected {expected}")
    if unwritable(value):
        raise UserError(f"{place} holds {ascii(value)[:60]}, expected text")
    return value


def _gold(value: Any, place: str) -> str:
    if (isinstance(value, str) and is_blank(value)) or is_missing(value):
        raise UserError(f"{place} is empty, expected a gold answer; fill the cell or leave the row out")
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return number_text(value)
    if not isinstance(value, str):
        raise UserError(f"{place} holds {show(value)}, expected a gold answer: text or a number")
    return _text(value, place, "a gold answer")
