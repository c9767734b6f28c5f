"""Local data files: which file holds a split, and its rows with the place of each for error messages."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from repro.errors import UserError
from repro.tasks.table_text import csv_cells, once, refuse_twice, utf8_text
from repro.tasks.values import plain
from repro.user_paths import absence, user_path
from repro.words import nearest

EXTENSIONS = (".jsonl", ".json", ".parquet", ".csv")
BATCH = 4096
"""Rows of a .parquet file that are read together."""

Row = tuple[str, dict[str, Any]]
"""Where it stands (`train.jsonl:3`) and its fields."""


@dataclass(frozen=True)
class Unreadable:
    """A row, or the value of one field, that cannot be read; of a row `why` is a whole message with its place."""

    why: str


AnyRow = tuple[str, dict[str, Any] | Unreadable]
"""The same, where it may be unreadable."""


def find_path(text: str, field: str) -> Path:
    """The existing file or directory that a spec field names. Raises UserError with the nearest name beside it."""
    path = user_path(text)
    if path.exists():
        return path
    names = sorted(p.name for p in path.parent.iterdir() if p.exists()) if path.parent.is_dir() else []
    near = nearest(path.name, names)
    hint = f"; nearest: {path.parent / near}" if near else ""
    raise UserError(f"{field}: {path} {absence(path)} (looked from {Path.cwd()}){hint}")


def check_extension(path: Path, field: str) -> Path:
    """The same path. Raises UserError unless it is a file of a known kind."""
    if not path.is_file() or path.suffix not in EXTENSIONS:
        raise UserError(f"{field}: {path} is not a data file; expected a file ending in {', '.join(EXTENSIONS)}")
    return path


def split_files(folder: Path, stem: str, field: str) -> tuple[Path, ...]:
    """The files of a split in a directory: `stem.ext`, or the shards `stem-*.ext` in order; empty if there are none.

    Raises UserError where two kinds of file could be meant.
    """
    kinds = {}
    for extension in EXTENSIONS:
        single = folder / f"{stem}{extension}"
        files = (single,) if single.is_file() else tuple(sorted(folder.glob(f"{stem}-*{extension}")))
        if files:
            kinds[extension] = files
    if len(kinds) > 1:
        kinds.pop(".csv", None)  # beside another kind it is that one's copy
    if len(kinds) > 1:
        names = ", ".join(files[0].name for files in kinds.values())
        raise UserError(f"{field}: {folder} holds {names}; expected one kind of file for the split {stem!r}")
    return next(iter(kinds.values()), ())


def read_rows(path: Path) -> Iterator[Row]:
    """The rows of a .jsonl, .json (a list of objects, or one object per line), .csv or .parquet file.

    Their values are those that JSON has, see `repro.tasks.values.plain`. Raises UserError naming file and line or item
    where the text is no such thing, and for a file without rows.
    """
    for where, row in all_rows(path):
        if isinstance(row, Unreadable):
            raise UserError(row.why)
        yield where, row


def all_rows(path: Path) -> Iterator[AnyRow]:
    """The same with the rows that cannot be read in their places. Raises UserError for a file that is unreadable as a
    whole."""
    readers = {".parquet": _parquet, ".csv": _csv, ".tsv": _csv}
    empty = True
    for row in readers.get(path.suffix.lower(), _json)(path):
        empty = False
        yield row
    if empty:
        raise UserError(f"{path}: the file holds no rows; expected at least one question")


def _json(path: Path) -> Iterator[AnyRow]:
    content = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    if path.suffix == ".json" and content.lstrip()[:1] != b"{":
        yield from _json_list(path, content)
        return
    for number, line in enumerate(content.split(b"\n"), 1):
        if line.strip():
            try:
                yield _object(_parse(utf8_text(line, f"{path}:{number}"), path, number), path, f":{number}")
            except UserError as error:
                yield f"{path.name}:{number}", Unreadable(str(error))


def _json_list(path: Path, content: bytes) -> Iterator[AnyRow]:
    if not content.strip():
        return
    items = _parse(utf8_text(content, str(path)), path)
    if not isinstance(items, list):
        raise UserError(f"{path}: found {type(items).__name__}, expected a list of objects, one per question")
    for number, item in enumerate(items, 1):
        try:
            yield _object(item, path, f", item {number}")
        except UserError as error:
            yield f"{path.name}, item {number}", Unreadable(str(error))


def _parse(text: str, path: Path, line: int | None = None) -> Any:
    """The value of a whole file, or of one line of it. Raises UserError naming the line and column."""
    try:
        return json.loads(text, object_pairs_hook=once)
    except json.JSONDecodeError as error:
        shown = text.splitlines()[error.lineno - 1].strip()[:60] if text.strip() else ""
        raise UserError(
            f"{path}:{line or error.lineno}: not JSON at column {error.colno} ({error.msg}): {shown!r}\n"
            f"  expected: {'one JSON object per line' if line else 'a list of objects, one per question'}"
        ) from error
    except (ValueError, RecursionError) as error:  # a key twice, thousands of digits or of nested lists
        reason = str(error).partition("; use sys.")[0]  # what Python says to programmers
        raise UserError(f"{path}{f':{line}' if line else ''}: not readable JSON ({reason})") from error


def _object(value: Any, path: Path, place: str) -> Row:
    if isinstance(value, list) and value and all(isinstance(inner, dict) for inner in value):
        # Columns without names, numbered as the datasets library does.
        value = {str(column): inner for column, inner in enumerate(value)}
    if not isinstance(value, dict):
        found = f"{path}{place}: found {type(value).__name__}"
        raise UserError(f"{found}, expected an object with a field for each of its parts")
    return f"{path.name}{place}", value


def _csv(path: Path) -> Iterator[AnyRow]:
    rows = csv_cells(path)
    _, names = next(rows, (0, []))
    for number, (_, cells) in enumerate(rows, 1):
        where = f"{path.name}, row {number}"
        if len(cells) == len(names):
            yield where, dict(zip(names, cells, strict=True))
        else:
            why = f"{path}, row {number}: {len(cells)} cells, expected {len(names)}, one for each column"
            yield where, Unreadable(why)


def _parquet(path: Path) -> Iterator[AnyRow]:
    import pyarrow
    import pyarrow.parquet

    try:
        refuse_twice(path, pyarrow.parquet.read_schema(path).names)
        table = pyarrow.parquet.read_table(path)
    except (pyarrow.ArrowException, OSError) as error:
        raise UserError(f"{path}: not a readable parquet file ({str(error).splitlines()[0]})") from error
    number = 0
    for batch in table.to_batches(BATCH):
        try:
            rows = batch.to_pylist()
        except (pyarrow.ArrowException, ValueError, OverflowError):  # a date in the year 10,000, text that is no UTF-8
            rows = [{name: _cell(batch, name, index) for name in batch.schema.names} for index in range(len(batch))]
        for row in rows:
            number += 1
            yield f"{path.name}, row {number}", plain(row)


def _cell(batch: Any, name: str, index: int) -> Any:
    try:
        return batch.column(name)[index].as_py()
    except (ValueError, OverflowError) as error:  # pyarrow's own are of these
        return Unreadable(f"holds a {batch.schema.field(name).type} that cannot be read ({error})")
