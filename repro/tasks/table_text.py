"""What tables of every use have in common: text, the cells of a .csv file, columns and keys that come once."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from repro.errors import UserError

DELIMITERS = ",;\t|"
"""What separates the cells of a .csv file: the one that its first line has most of. Spreadsheets of many countries
write `;`."""
LARGEST_CELL = 1 << 30
"""Characters of a cell of a .csv file at most."""
OTHER_KINDS = {
    b"\xff\xfe": "is UTF-16",
    b"\xfe\xff": "is UTF-16",
    b"\x1f\x8b": "is compressed by gzip",
    b"BZ": "is compressed by bzip2",
    b"\xfd7": "is compressed by xz",
    b"\x28\xb5": "is compressed by zstd",
    b"PK": "is a zip archive, as .xlsx files are",
}
"""First bytes of a file that is no UTF-8 -> what it is."""

_NAMED = re.compile(r"\ufeff?[\r\n]*sep=(.)[\r\n]+", re.IGNORECASE)
"""A first line with which spreadsheets name the separator."""


def utf8_text(content: bytes, place: str) -> str:
    """The text of bytes without a mark at its beginning. UserError where it is something else, which is named."""
    content = content.removeprefix(b"\xef\xbb\xbf")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        what = OTHER_KINDS.get(content[:2], f"byte {error.start} is not UTF-8")
        raise UserError(f"{place}: {what}; expected UTF-8 text") from error


def csv_cells(path: Path) -> Iterator[tuple[int, list[str]]]:
    """(line that it ends on, cells) of every row that has cells; the first is the header.

    Raises UserError where the text is no CSV, and where two columns have one name.
    """
    csv.field_size_limit(LARGEST_CELL)
    text = utf8_text(path.read_bytes(), str(path))
    named = _NAMED.match(text)
    body = text[named.end() :] if named else text
    skipped = text[: len(text) - len(body)].count("\n")
    reader = csv.reader(io.StringIO(body, newline=""), delimiter=named[1] if named else _delimiter(body), strict=True)
    header = True
    try:
        for cells in reader:
            if cells:
                if header:
                    refuse_twice(path, cells)
                header = False
                yield skipped + reader.line_num, cells
    except csv.Error as error:
        raise UserError(f"{path}: not a readable CSV file (line {skipped + reader.line_num}: {error})") from error


def _delimiter(text: str) -> str:
    """What the first line separates its cells by; what stands in quotes does not count."""
    first = re.split(r"[\r\n]", text.lstrip("\r\n"), maxsplit=1)[0]
    return max(DELIMITERS, key=re.sub(r'"[^"]*"', "", first).count)


def refuse_twice(path: Path, names: Sequence[str]) -> None:
    """UserError where two columns have one name: nobody knows which is meant."""
    if len(set(names)) < len(names):
        raise UserError(f"{path}: column {_twice(names)!r} is there twice, expected every column once")


def column_values(path: Path, name: str, column: Any) -> list[Any]:
    """The values of a column of a parquet file. UserError naming the row where one cannot be read, such as text that is
    no UTF-8."""
    try:
        return list(column.to_pylist())
    except (ValueError, OverflowError):  # pyarrow's own are of these
        for number, cell in enumerate(column, 1):
            try:
                cell.as_py()
            except (ValueError, OverflowError) as error:
                what = f"column {name!r} holds a {column.type} that cannot be read ({error})"
                raise UserError(f"{path}, row {number}: {what}") from error
        raise


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The JSON object of these pairs, as `json.loads` takes it. ValueError where a key comes twice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError(f"key {_twice([key for key, _ in pairs])!r} twice in one object")
    return found


def _twice(names: Sequence[str]) -> str:
    """The first name that has come before."""
    return next(name for place, name in enumerate(names) if name in names[:place])
