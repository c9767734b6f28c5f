"""Tables of scores written by anybody: what is read, and what is said of a table that cannot be used."""

from __future__ import annotations

import hashlib
import json
import struct
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet as pq
import pytest

from repro.errors import UserError
from repro.scoring.tables import read_scores, table_digest

ROWS: list[dict[str, Any]] = [
    {"id": "b", "s": -2.5, "note": "x"},
    {"id": "a", "s": 7, "note": None},
    {"id": "c, d", "s": 1e300, "note": "y"},
]


def write(folder: Path, suffix: str, rows: list[dict[str, Any]]) -> Path:
    path = folder / f"scores{suffix}"
    if suffix == ".parquet":
        pq.write_table(pyarrow.Table.from_pylist(rows), path)
    elif suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        lines = [",".join(rows[0])]
        lines += [
            ",".join(f'"{v}"' if isinstance(v, str) else "" if v is None else repr(v) for v in r.values()) for r in rows
        ]
        path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".jsonl"])
def test_ids_and_numbers_of_any_range_come_in_the_order_of_the_table(tmp_path: Path, suffix: str) -> None:
    rows = [{**row, "s": float(row["s"])} for row in ROWS]
    ids, values = read_scores(write(tmp_path, suffix, rows), "s")
    assert ids == ("b", "a", "c, d")
    assert values.dtype == np.float64 and values.tolist() == [-2.5, 7.0, 1e300]


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".jsonl"])
def test_numeric_ids_become_text_under_the_column_that_is_named(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path, suffix, [{"index": 3, "hardness": 0.5}, {"index": 10, "hardness": 0.25}])
    assert read_scores(path, "hardness", id_column="index")[0] == ("3", "10")
    assert read_scores(path, "index", id_column="index")[1].tolist() == [3.0, 10.0]


PLACE = {".parquet": ", row 2", ".csv": ":3", ".jsonl": ":2"}


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".jsonl"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": "b"}, "the id 'b' stands at "),
        ({"id": " "}, "column 'id' holds \" \", expected the id of a question"),
        ({"s": float("nan")}, "for 'a', expected a finite number"),
        ({"s": float("-inf")}, "for 'a', expected a finite number"),
        ({"s": None}, "for 'a', expected a finite number"),
    ],
)
def test_a_row_that_cannot_be_used_is_named(tmp_path: Path, suffix: str, change: dict[str, Any], message: str) -> None:
    path = write(tmp_path, suffix, [ROWS[0], {**ROWS[1], **change}, ROWS[2]])
    with pytest.raises(UserError) as caught:
        read_scores(path, "s")
    assert str(caught.value).startswith(f"{path}{PLACE[suffix]}: ")
    assert message in str(caught.value)


def test_text_and_truth_are_no_numbers(tmp_path: Path) -> None:
    for value in ("easy", True, [1], "1_0", "\u0663"):
        path = write(tmp_path, ".jsonl", [{"id": "a", "s": value}])
        with pytest.raises(UserError, match=r"scores.jsonl:1: column 's' holds .* for 'a', expected a finite number"):
            read_scores(path, "s")


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".jsonl"])
def test_a_column_that_is_not_there_is_told_with_the_nearest(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path, suffix, [{"id": "a", "confidence": 0.5}])
    with pytest.raises(UserError, match=r'got "confidance", expected a column of the table.*did you mean confidence\?'):
        read_scores(path, "confidance")
    with pytest.raises(UserError, match=r'got "uid", expected a column of the table.*did you mean id\?'):
        read_scores(path, "confidence", id_column="uid")


def test_a_file_that_is_no_table_is_told(tmp_path: Path) -> None:
    write(tmp_path, ".csv", ROWS)
    with pytest.raises(UserError, match=r"score\.csv: does not exist .* did you mean .*scores\.csv\?"):
        read_scores(tmp_path / "score.csv", "s")
    (tmp_path / "scores.txt").touch()
    with pytest.raises(UserError, match=r"scores\.txt: is no table of scores, expected a file ending in \.parquet"):
        table_digest(tmp_path / "scores.txt")
    for suffix, text, message in (
        (".parquet", "PAR1 no", "cannot be read as parquet"),
        (".jsonl", '{"id": "a", "s": 1}\n{"id"', r":2: is not JSON"),
        (".jsonl", "[1]\n", r":1: holds \[1\], expected an object"),
        (".jsonl", "", "has no rows"),
        (".csv", "id,s\n", "has no rows"),
        (".csv", "id,s\na,1,2\n", ":2: has another number of cells than the header"),
        (".csv", "id,s\na\n", ":2: has another number of cells than the header"),
        (".csv", "id,s,s\na,1,2\n", "column 's' is there twice, expected every column once"),
        (".jsonl", '{"id": "a", "s": 1, "s": 2}\n', r":1: is not JSON: key 's' twice in one object"),
    ):
        path = tmp_path / f"broken{suffix}"
        path.write_text(text)
        with pytest.raises(UserError, match=message):
            read_scores(path, "s")


def test_decimals_of_a_database_are_numbers_and_columns_of_one_name_are_not_guessed_at(tmp_path: Path) -> None:
    ids, numbers = pyarrow.array(["a", "b"]), pyarrow.array([Decimal("1.25"), Decimal("2.00")])
    pq.write_table(pyarrow.table({"id": ids, "s": numbers}), tmp_path / "decimal.parquet")
    assert read_scores(tmp_path / "decimal.parquet", "s")[1].tolist() == [1.25, 2.0]
    twice = pyarrow.Table.from_arrays([ids, numbers, numbers], names=["id", "s", "s"])
    pq.write_table(twice, tmp_path / "twice.parquet")
    with pytest.raises(UserError, match="column 's' is there twice"):
        read_scores(tmp_path / "twice.parquet", "s")


@pytest.mark.parametrize("text", ["id;s\na,b;0.5\n", "sep=|\nid|s\na,b|0.5\n", "\n\nid\ts\r\na,b\t0.5\r\n"])
def test_a_csv_file_of_another_separator_is_read_as_datasets_are(tmp_path: Path, text: str) -> None:
    (tmp_path / "t.csv").write_text(text, newline="")
    ids, values = read_scores(tmp_path / "t.csv", "s")
    assert ids == ("a,b",) and values.tolist() == [0.5]


def test_a_place_in_a_csv_file_counts_the_lines_before_its_header(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("sep=;\nid;s\na;1\nb;x\n")
    with pytest.raises(UserError, match=r"t\.csv:4: column 's' holds \"x\" for 'b'"):
        read_scores(tmp_path / "t.csv", "s")


def test_text_of_a_parquet_file_that_is_no_utf_8_is_named_by_its_row(tmp_path: Path) -> None:
    pq.write_table(pyarrow.table({"id": no_utf_8(), "s": [1.0, 2.0]}), tmp_path / "t.parquet")
    with pytest.raises(UserError, match=r"t\.parquet, row 2: column 'id' holds a string that cannot be read"):
        read_scores(tmp_path / "t.parquet", "s")


def no_utf_8() -> pyarrow.Array:
    """Two texts, of which the second is a byte that UTF-8 does not have."""
    return pyarrow.Array.from_buffers(
        pyarrow.string(), 2, [None, pyarrow.py_buffer(struct.pack("<iii", 0, 1, 2)), pyarrow.py_buffer(b"a\xff")]
    )


def test_a_table_is_known_by_its_content(tmp_path: Path) -> None:
    path = write(tmp_path, ".csv", ROWS)
    first = table_digest(path)
    assert first == hashlib.sha256(path.read_bytes()).hexdigest()
    path.write_text(path.read_text().replace("7", "71"))
    assert table_digest(path) != first
