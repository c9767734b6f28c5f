"""Local data files: which file holds a split, and its rows with the place of each for error messages."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from repro.errors import UserError
from repro.words import nearest

EXTENSIONS = (".jsonl", ".json", ".parquet")

Row = tuple[str, dict[str, Any]]
"""Where it stands (`train.jsonl:3`) and its fields."""


def find_path(text: str, field: str) -> Path:
    """The existing file or directory that a spec field names. Raises UserError with the nearest name beside it."""
    path = Path(text).expanduser()
    if path.exists():
        return path
    names = sorted(p.name for p in path.parent.iterdir()) if path.parent.is_dir() else []
    near = nearest(path.name, names)
    hint = f"; nearest: {path.parent / near}" if near else ""
    raise UserError(f"{field}: {path} does not exist (looked from {Path.cwd()}){hint}")


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
        names = ", ".join(files[0].name for files in kinds.values())
        raise UserError(f"{field}: {folder} holds {names}; expected one kind of file for the split {stem!r}")
    return next(iter(kinds.values()), ())


def read_rows(path: Path) -> Iterator[Row]:
    """The rows of a .jsonl, .json (a list of objects, or one object per line) or .parquet file.

    Raises UserError naming file and line or item where the text is no such thing, and for a file without rows.
    """
    rows = _parquet(path) if path.suffix == ".parquet" else _json(path)
    empty = True
    for row in rows:
        empty = False
        yield row
    if empty:
        raise UserError(f"{path}: the file holds no rows; expected at least one question")


def _json(path: Path) -> Iterator[Row]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: byte {error.start} is not UTF-8; expected UTF-8 text") from error
    if path.suffix == ".json" and text.lstrip()[:1] != "{":
        yield from _json_list(path, text)
        return
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield _object(_parse(line, path, number), f"{path.name}:{number}", f"{path}:{number}")


def _json_list(path: Path, text: str) -> Iterator[Row]:
    if not text.strip():
        return
    items = _parse(text, path)
    if not isinstance(items, list):
        raise UserError(f"{path}: found {type(items).__name__}, expected a list of objects, one per question")
    for number, item in enumerate(items, 1):
        yield _object(item, f"{path.name}, item {number}", f"{path}, item {number}")


def _parse(text: str, path: Path, line: int | None = None) -> Any:
    """The value of a whole file, or of one line of it. Raises UserError naming the line and column."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        shown = text.splitlines()[error.lineno - 1].strip()[:60] if text.strip() else ""
        raise UserError(
            f"{path}:{line or error.lineno}: not JSON at column {error.colno} ({error.msg}): {shown!r}\n"
            f"  expected: {'one JSON object per line' if line else 'a list of objects, one per question'}"
        ) from error
    except (ValueError, RecursionError) as error:  # numbers of thousands of digits, thousands of nested lists
        raise UserError(f"{path}{f':{line}' if line else ''}: not readable JSON ({error})") from error


def _object(value: Any, where: str, place: str) -> Row:
    if isinstance(value, list) and value and all(isinstance(inner, dict) for inner in value):
        # Columns without names, numbered as the datasets library does.
        value = {str(column): inner for column, inner in enumerate(value)}
    if not isinstance(value, dict):
        raise UserError(f"{place}: found {type(value).__name__}, expected an object with a field for each of its parts")
    return where, value


def _parquet(path: Path) -> Iterator[Row]:
    import pyarrow
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(path)
    except (pyarrow.ArrowException, OSError) as error:
        raise UserError(f"{path}: not a readable parquet file ({str(error).splitlines()[0]})") from error
    for number, row in enumerate(table.to_pylist(), 1):
        yield f"{path.name}, row {number}", row
