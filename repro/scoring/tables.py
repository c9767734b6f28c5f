"""Tables of scores as files: one row per question with its id, written by `repro score` or by anybody."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from repro.digests import file_digest
from repro.errors import UserError
from repro.spreadsheets import original
from repro.tasks.files import utf8_text
from repro.user_paths import absence, user_path
from repro.words import nearest, show, unknown

KINDS = (".parquet", ".csv", ".jsonl")
Cell = tuple[str, Any]
"""Where a row stands, as a message names it, and the value of a column there."""


def read_scores(path: Path | str, column: str, *, id_column: str = "id") -> tuple[tuple[str, ...], np.ndarray]:
    """(ids, values (N,) float64) of a .parquet, .csv (with a header) or .jsonl table, in its order.

    Values may be any finite numbers; the other columns may hold anything. Numeric ids become text without `.0`.
    UserError for a file that is not there or not a table, a column that it lacks, a missing or repeated id, and a
    value that is no finite number; the message names file, row, column and value.
    """
    path = _checked(path)
    ids: dict[str, str] = {}
    values = []
    for (where, name), (_, value) in zip(*_columns(path, [id_column, column]), strict=True):
        key = _id(name)
        if not key:
            raise UserError(f"{where}: column {id_column!r} holds {show(name)}, expected the id of a question")
        if key in ids:
            raise UserError(f"{where}: the id {key!r} stands at {ids[key]} too, expected every question once")
        ids[key] = where
        number = _number(value)
        if number is None or not math.isfinite(number):
            raise UserError(f"{where}: column {column!r} holds {show(value)} for {key!r}, expected a finite number")
        values.append(number)
    if not ids:
        raise UserError(f"{path}: has no rows, expected one for each question")
    return tuple(ids), np.array(values, dtype=np.float64)


def table_digest(path: Path | str) -> str:
    """SHA-256 of a table's bytes: what enters the identity of a run. UserError where there is no such file."""
    return file_digest(_checked(path))


def _checked(path: Path | str) -> Path:
    path = user_path(path)
    if path.is_file() and path.suffix in KINDS:
        return path
    if path.exists():
        raise UserError(f"{path}: is no table of scores, expected a file ending in {', '.join(KINDS)}")
    beside = [one.name for one in path.parent.iterdir() if one.exists()] if path.parent.is_dir() else []
    near = nearest(path.name, beside)
    hint = f", did you mean {path.parent / near}?" if near else ""
    raise UserError(f"{path}: {absence(path)} (looked from {Path.cwd()}), expected a table of scores{hint}")


def _columns(path: Path, names: Sequence[str]) -> list[list[Cell]]:
    """The cells of these columns, for each as many."""
    if path.suffix == ".parquet":
        return _of_parquet(path, names)
    columns: list[list[Cell]] = [[] for _ in names]
    for where, row in _csv(path) if path.suffix == ".csv" else _jsonl(path):
        for name, cells in zip(names, columns, strict=True):
            if name not in row:
                raise UserError(f"{where}: {unknown(name, [str(key) for key in row], 'a column of the table')}")
            cells.append((where, row[name]))
    return columns


def _of_parquet(path: Path, names: Sequence[str]) -> list[list[Cell]]:
    import pyarrow
    import pyarrow.parquet

    try:
        found = pyarrow.parquet.read_schema(path).names
        _refuse_twice(path, found)
        for name in names:
            if name not in found:
                raise UserError(f"{path}: {unknown(name, found, 'a column of the table')}")
        table = pyarrow.parquet.read_table(path, columns=list(dict.fromkeys(names)))
    except (pyarrow.ArrowException, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise UserError(f"{path}: cannot be read as parquet: {reason}") from error
    return [
        [(f"{path}, row {i}", value) for i, value in enumerate(table.column(name).to_pylist(), start=1)]
        for name in names
    ]


def _csv(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        reader = csv.DictReader(io.StringIO(utf8_text(path.read_bytes(), str(path)), newline=""), strict=True)
        _refuse_twice(path, reader.fieldnames or ())
        for row in reader:
            where = f"{path}:{reader.line_num}"
            if None in row or None in row.values():
                raise UserError(f"{where}: has another number of cells than the header")
            yield where, {name: original(cell) for name, cell in row.items()}
    except csv.Error as error:
        raise UserError(f"{path}: cannot be read as CSV: {error}") from error


def _jsonl(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(utf8_text(line, f"{path}:{number}"), object_pairs_hook=_once)
            except (ValueError, RecursionError) as error:
                raise UserError(f"{path}:{number}: is not JSON: {error}") from error
            if not isinstance(row, dict):
                raise UserError(f"{path}:{number}: holds {show(row)}, expected an object")
            yield f"{path}:{number}", row


def _refuse_twice(path: Path, names: Sequence[str]) -> None:
    """UserError where two columns have one name: nobody knows which is meant."""
    if len(set(names)) < len(names):
        raise UserError(f"{path}: column {_twice(names)!r} is there twice, expected every column once")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object of these pairs. ValueError where a key comes twice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError(f"key {_twice([key for key, _ in pairs])!r} twice in one object")
    return found


def _twice(names: Sequence[str]) -> str:
    """The first name that has come before."""
    return next(name for place, name in enumerate(names) if name in names[:place])


def _id(value: Any) -> str:
    """An id as text, as datasets write theirs; empty for what is none."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    plain = isinstance(value, str | int) and not isinstance(value, bool)
    return str(value).strip() if plain else ""


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return None
    if isinstance(value, str) and ("_" in value or not value.isascii()):  # `float` takes 1_0 and digits of any script
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None
