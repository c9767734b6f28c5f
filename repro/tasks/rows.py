"""From a dataset's own fields to a `Problem`: the mapping, the gold answer, and errors that name item and field."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from repro.errors import UserError, on_command_line, setting
from repro.tasks.columns import values_of
from repro.tasks.dataset_spec import DatasetSpec, Filter, Interval
from repro.tasks.files import AnyRow, Unreadable
from repro.tasks.problem import Dropped, Problem, question_digest
from repro.tasks.values import is_blank, is_missing, is_number, number_text
from repro.words import did_you_mean, listed, nearest, unwritable

MARKER = "####"
SHOWN = 5  # problems of a file that one message lists
SHOWN_VALUES = 8  # values of a filtered field that one message lists
# What other datasets call these fields: tried when nothing is spelt alike.
USUAL = {
    "question": ("problem", "prompt", "query", "input", "instruction"),
    "answer": ("final_answer", "gold", "target", "label", "output", "expected_answer"),
    "solution": ("response", "rationale", "reasoning", "answer"),
    "id": ("idx", "index", "uid", "unique_id"),
}
CONTENT = ("content", "value", "text", "answer", "ground_truth")
"""Names of what holds the text of a nested field."""
CALCULATOR = re.compile(r"<<[^<>]*>>")  # GSM8K's `<<48/2=24>>`
THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")


class BadItem(Exception):
    """One item cannot be used; the message says why, without its place."""


class EmptyItem(BadItem):
    """The item has the field, but nothing in it."""


class WholeRow(BadItem):
    """The row cannot be read at all; the message says where it stands."""


class Read(NamedTuple):
    """The problems of rows, and the rows that were left out."""

    problems: list[Problem]
    dropped: list[Dropped]


def problems_of(rows: Iterable[AnyRow], spec: DatasetSpec, source: str, split: str = "train") -> Read:
    """The problems of rows, ids not yet made unique over splits.

    Items without a question or an answer are mistakes, or, where the data are published and so not the user's to mend,
    dropped with a warning that counts them; with `unreadable: drop`, so is any other row that is no question with an
    answer. Raises UserError listing what is wrong with how many items, the same mistake once with its first place.
    """
    theirs = spec.named is not None or spec.hub is not None
    problems: list[Problem] = []
    mistakes: dict[str, list[str]] = {}
    dropped: list[str] = []
    for where, row in rows:
        try:
            if isinstance(row, Unreadable):
                raise WholeRow(row.why)
            problem = problem_of(row, spec)
            of_file = where.startswith(Path(source).name)
            problems.append(replace(problem, place=where if of_file else f"{source}, {where}"))
        except BadItem as error:
            if spec.unreadable == "drop" or (theirs and isinstance(error, EmptyItem)):
                text = str(error) if isinstance(error, WholeRow) else f"{where}: {error}"
                dropped.append(text.splitlines()[0])
            elif isinstance(error, WholeRow):
                raise UserError("\n".join([str(error), *_cure(problems)])) from None
            else:
                mistakes.setdefault(str(error), []).append(where)
    if dropped and problems:
        count = f"{len(dropped)} items without a question or an answer are dropped"
        if spec.unreadable == "drop":
            count = f"rows that cannot be read: {len(dropped)} dropped"
        warnings.warn(f"{source}: {count}; the first is {dropped[0]}", UserWarning, stacklevel=2)
    elif dropped:
        raise UserError(f"{source}: no item has a question with an answer; the first is {dropped[0]}")
    if mistakes:
        lines = [
            f"  {places[0]}{f' (and {len(places) - 1} more)' if len(places) > 1 else ''}: {message}"
            for message, places in mistakes.items()
        ]
        more = [f"  ... and {len(lines) - SHOWN} further mistakes"] if len(lines) > SHOWN else []
        head = f"{source}: items that are no question with an answer"
        raise UserError("\n".join([head, *lines[:SHOWN], *more, *_cure(problems)]))
    return Read(problems, [Dropped(split, "unreadable", len(dropped), dropped[0])] if dropped else [])


def _cure(problems: list[Problem]) -> list[str]:
    """What a message about unreadable rows ends with, where other rows were read and a spec can say so."""
    if not problems or on_command_line():
        return []
    return ["  to leave such rows out: unreadable: drop beside the dataset's name or path"]


def problem_of(row: dict[str, Any], spec: DatasetSpec) -> Problem:
    """One item as a problem. Raises BadItem."""
    question = text_of(row, "question", spec.question)
    if is_blank(question):
        raise EmptyItem(f"field {spec.question!r} ({setting('dataset.question')}) is empty, expected a question")
    worked, marked, answer = text_of(row, "answer", spec.answer).rpartition(MARKER)
    answer = gold_answer(answer)
    if is_blank(answer):
        after = f" after {MARKER}" if marked else ""
        mapped = f"field {spec.answer!r} ({setting('dataset.answer')})"
        raise EmptyItem(f"{mapped} has no answer{after}, expected the gold answer")
    if spec.solution is not None:
        written = text_of(row, "solution", spec.solution, empty_for_null=True)
        # A solution that closes with the marked answer would otherwise show it twice.
        worked = written.rpartition(MARKER)[0] if MARKER in written else written
    identity = question_digest(question)[:16] if spec.id is None else text_of(row, "id", spec.id).strip()
    if not identity:
        raise BadItem(f"field {spec.id!r} ({setting('dataset.id')}) is empty, expected a unique id")
    return Problem(identity, question.strip(), answer, CALCULATOR.sub("", worked).strip(), columns_of(row, spec))


def columns_of(row: dict[str, Any], spec: DatasetSpec) -> dict[str, int | float | str]:
    """What a row holds beside question and answer, by column: numbers, and short texts that no mapped field is."""
    read = (spec.question, spec.answer, spec.solution, spec.id)
    return {name: value for name, value in values_of(row).items() if not (isinstance(value, str) and name in read)}


def gold_answer(text: str) -> str:
    """The answer as it is compared and written: stripped, numbers without thousands commas (lists keep theirs)."""
    text = text.strip()
    return text if re.search(r"[\[\](){}]", text) else THOUSANDS.sub("", text)


def text_of(row: dict[str, Any], role: str, field: str, *, empty_for_null: bool = False) -> str:
    """The text of a mapped field; numbers are written out, without `.0`. Raises BadItem."""
    try:
        value = value_at(row, field)
    except KeyError as error:
        found = list(error.args[0])
        usual = [name for name in USUAL[role] if name in found]
        near = nearest(field.rpartition(".")[2], found) or next(iter(usual), None)
        inside = field.rpartition(".")[0]
        place = f"{inside}." if inside and near not in row else ""
        hint = f"; nearest: {setting(f'dataset.{role}', f'{place}{near}')}" if near else ""
        raise BadItem(
            f"no field {field!r} ({setting(f'dataset.{role}')}); fields found: {listed(found) or 'none'}{hint}"
        ) from None
    if is_missing(value) and empty_for_null:
        return ""
    if isinstance(value, str):
        if unwritable(value):
            mapped = f"field {field!r} ({setting(f'dataset.{role}')})"
            raise BadItem(f"{mapped} holds {ascii(value)[:40]}, expected text without NUL and half characters")
        return value
    whole = isinstance(value, int) and not isinstance(value, bool)  # as many digits as it has
    if role != "question" and (whole or is_number(value)):
        return number_text(value)
    mapped = f"field {field!r} ({setting(f'dataset.{role}')})"
    if is_missing(value):
        gap = "null" if value is None else f"{type(value).__name__} {str(value)!r}"
        raise EmptyItem(f"{mapped} holds nothing ({gap}), expected {_expected(role)}")
    if isinstance(value, Unreadable):
        raise BadItem(f"{mapped} {value.why}, expected {_expected(role)}")
    path = _path_inside(field, value)
    inside = f"; a dotted path reaches into it: {setting(f'dataset.{role}', path)}" if path != field else ""
    kind = f"{type(value).__name__} {str(value)[:40]!r}"
    raise BadItem(f"{mapped} holds {kind}, expected {_expected(role)}{inside}")


def _path_inside(field: str, value: Any) -> str:
    """The path to the text that a nested field most likely holds: `prompt.0.content` of turns."""
    while isinstance(value, dict | list) and value:
        part: Any = 0
        if isinstance(value, dict):
            part = next((name for name in CONTENT if name in value), next(iter(value)))
        field, value = f"{field}.{part}", value[part]
    return field


def _expected(role: str) -> str:
    return "text" if role == "question" else "text or a number"


def value_at(row: dict[str, Any], field: str) -> Any:
    """The value of a field, or of a dotted path into it (`reward_model.ground_truth`, `prompt.0.content`).

    A field whose own name has dots goes before a path. Raises KeyError with the names found where the path ends.
    """
    if field in row:
        return row[field]
    value: Any = row
    for part in field.split("."):
        if isinstance(value, dict) and part in value:
            value = value[part]
        elif isinstance(value, list | tuple) and part.isdecimal() and len(part) < 10 and int(part) < len(value):
            value = value[int(part)]
        else:
            names = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list | tuple) else ()
            raise KeyError([str(name) for name in names])
    return value


def filtered(
    rows: Iterable[AnyRow], filters: dict[str, Filter], source: str, dropping: bool = False
) -> Iterator[AnyRow]:
    """The rows that every filter keeps, in their order, and those that cannot be read.

    Raises UserError for a field that a row does not have (with the nearest one; `dropping` makes the row unreadable in
    place of that), and where no row is kept (with the values that the fields hold).
    """
    seen: dict[str, dict[str, int]] = {field: {} for field in filters}
    kept = 0
    for where, row in rows:
        if isinstance(row, Unreadable):
            yield where, row
            continue
        try:
            keep = _kept(row, filters, seen)
        except BadItem as error:
            field, lacks = error.args
            why = f"dataset.filters.{field}: {source}, {where} {lacks}"
            if not dropping:
                raise UserError(why) from None
            yield where, Unreadable(why)
            continue
        if keep:
            kept += 1
            yield where, row
    if not kept and any(seen.values()):
        lines = [
            f"  dataset.filters.{field}: values found: "
            + ", ".join(f"{value!r} ({count})" for value, count in sorted(counts.items(), key=lambda item: -item[1]))
            for field, counts in seen.items()
        ]
        raise UserError("\n".join([f"{source}: dataset.filters keep none of the rows", *lines]))


def _kept(row: dict[str, Any], filters: dict[str, Filter], seen: dict[str, dict[str, int]]) -> bool:
    """Whether every filter keeps a row, whose values are counted in `seen`. BadItem (field, what it lacks)."""
    keep = True
    for field, wanted in filters.items():
        try:
            value = value_at(row, field)
        except KeyError as error:
            found = error.args[0]
            hint = did_you_mean(field.rpartition(".")[2], found)
            lacks = f"has no such field; fields found: {listed(found) or 'none'}{hint}"
            raise BadItem(field, lacks) from None
        counts, text = seen[field], str(value)[:40]
        if text in counts or len(counts) < SHOWN_VALUES:
            counts[text] = counts.get(text, 0) + 1
        keep = keep and passes(value, wanted)
    return keep


def passes(value: Any, wanted: Filter) -> bool:
    """Whether a filter keeps a value. Numbers count by value, also where they are written as text (`"3"`)."""
    if isinstance(wanted, Interval):
        number = _number(value)
        if number is None:
            return False
        return (wanted.min is None or number >= wanted.min) and (wanted.max is None or number <= wanted.max)
    return any(_equal(value, one) for one in (wanted if isinstance(wanted, list) else [wanted]))


def _equal(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, bool) or isinstance(value, bool) or wanted is None or value is None:
        return type(value) is type(wanted) and bool(value == wanted)
    if isinstance(wanted, str):
        return str(value).strip() == wanted.strip()
    number = _number(value)
    return number is not None and number == wanted


def _number(value: Any) -> float | None:
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    return float(value) if is_number(value) else None
