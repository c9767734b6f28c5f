"""Tables of scores as files: one row per question with its id, written by `repro score` or by anybody."""

from __future__ import annotations

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
from repro.tasks.table_text import column_values, csv_cells, once, refuse_twice, utf8_text
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
        refuse_twice(path, found)
        for name in names:
            if name not in found:
                raise UserError(f"{path}: {unknown(name, found, 'a column of the table')}")
        table = pyarrow.parquet.read_table(path, columns=list(dict.fromkeys(names)))
    except (pyarrow.ArrowException, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise UserError(f"{path}: cannot be read as parquet: {reason}") from error
    return [
        [(f"{path}, row {i}", value) for i, value in enumerate(column_values(path, name, table.column(name)), start=1)]
        for name in names
    ]


def _csv(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    rows = csv_cells(path)
    _, names = next(rows, (0, []))
    for line, cells in rows:
        if len(cells) != len(names):
            raise UserError(f"{path}:{line}: has another number of cells than the header")
        yield f"{path}:{line}", dict(zip(names, map(original, cells), strict=True))


def _jsonl(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(utf8_text(line, f"{path}:{number}"), object_pairs_hook=once)
            except (ValueError, RecursionError) as error:
                raise UserError(f"{path}:{number}: is not JSON: {error}") from error
            if not isinstance(row, dict):
                raise UserError(f"{path}:{number}: holds {show(row)}, expected an object")
            yield f"{path}:{number}", row


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
