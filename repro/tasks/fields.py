"""From a dataset's own fields to a `Problem`: the mapping, the gold answer, and errors that name item and field."""

from __future__ import annotations

import difflib
import hashlib
import math
import re
from collections.abc import Iterable
from typing import Any

from repro.errors import UserError
from repro.spec.datasets import DatasetSpec
from repro.tasks.files import Row
from repro.tasks.problem import Problem

MARKER = "####"
SHOWN = 5  # problems of a file that one message lists
# What other datasets call these fields: tried when nothing is spelt alike.
USUAL = {
    "question": ("problem", "prompt", "query", "input", "instruction"),
    "answer": ("final_answer", "gold", "target", "label", "output", "expected_answer"),
    "solution": ("response", "rationale", "reasoning", "answer"),
    "id": ("idx", "index", "uid", "unique_id"),
}
CALCULATOR = re.compile(r"<<[^<>]*>>")  # GSM8K's `<<48/2=24>>`
THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")


class BadItem(Exception):
    """One item cannot be used; the message says why, without its place."""


def problems_of(rows: Iterable[Row], spec: DatasetSpec, source: str) -> list[Problem]:
    """The problems of rows, ids not yet made unique over splits.

    Raises UserError listing what is wrong with how many items, the same mistake once with its first place.
    """
    problems: list[Problem] = []
    mistakes: dict[str, list[str]] = {}
    for where, row in rows:
        try:
            problems.append(problem_of(row, spec))
        except BadItem as error:
            mistakes.setdefault(str(error), []).append(where)
    if mistakes:
        lines = [
            f"  {places[0]}{f' (and {len(places) - 1} more)' if len(places) > 1 else ''}: {message}"
            for message, places in mistakes.items()
        ]
        more = [f"  ... and {len(lines) - SHOWN} further mistakes"] if len(lines) > SHOWN else []
        raise UserError("\n".join([f"{source}: items that are no question with an answer", *lines[:SHOWN], *more]))
    return problems


def problem_of(row: dict[str, Any], spec: DatasetSpec) -> Problem:
    """One item as a problem. Raises BadItem."""
    question = text_of(row, "question", spec.question)
    if not question.strip():
        raise BadItem(f"field {spec.question!r} (dataset.question) is empty, expected a question")
    worked, marked, answer = text_of(row, "answer", spec.answer).rpartition(MARKER)
    answer = gold_answer(answer)
    if not answer:
        after = f" after {MARKER}" if marked else ""
        raise BadItem(f"field {spec.answer!r} (dataset.answer) has no answer{after}, expected the gold answer")
    if spec.solution is not None:
        written = text_of(row, "solution", spec.solution, empty_for_null=True)
        # A solution that closes with the marked answer would otherwise show it twice.
        worked = written.rpartition(MARKER)[0] if MARKER in written else written
    identity = digest(question)[:16] if spec.id is None else text_of(row, "id", spec.id).strip()
    if not identity:
        raise BadItem(f"field {spec.id!r} (dataset.id) is empty, expected a unique id")
    return Problem(identity, question.strip(), answer, CALCULATOR.sub("", worked).strip())


def gold_answer(text: str) -> str:
    """The answer as it is compared and written: stripped, numbers without thousands commas (lists keep theirs)."""
    text = text.strip()
    return text if re.search(r"[\[\](){}]", text) else THOUSANDS.sub("", text)


def text_of(row: dict[str, Any], role: str, field: str, *, empty_for_null: bool = False) -> str:
    """The text of a mapped field; numbers are written out, without `.0`. Raises BadItem."""
    if field not in row:
        found = [str(name) for name in row]
        usual = [name for name in USUAL[role] if name in found]
        near = difflib.get_close_matches(field, found, 1, 0.6) or usual[:1]
        hint = f"; nearest: dataset.{role}: {near[0]}" if near else ""
        raise BadItem(f"no field {field!r} (dataset.{role}); fields found: {', '.join(found) or 'none'}{hint}")
    value = row[field]
    if value is None and empty_for_null:
        return ""
    if isinstance(value, str):
        return value
    if role != "question" and not isinstance(value, bool):
        if isinstance(value, int):
            return str(value)
        if isinstance(value, float) and math.isfinite(value):
            return str(int(value)) if value.is_integer() else str(value)
    kind = "nothing (null)" if value is None else f"{type(value).__name__} {str(value)[:40]!r}"
    expected = "text" if role == "question" else "text or a number"
    raise BadItem(f"field {field!r} (dataset.{role}) holds {kind}, expected {expected}")


def same_question(question: str) -> str:
    """What two questions share when they are one question: the text with its white space normalised."""
    return " ".join(question.split())


def digest(question: str, purpose: str = "") -> str:
    """SHA-256 of a question in hex, the same on every machine; `purpose` makes independent orders of questions."""
    return hashlib.sha256(f"{purpose}\n{same_question(question)}".encode()).hexdigest()
