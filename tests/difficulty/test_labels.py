"""The label file: written and read back, and what is said about files that are wrong."""

from __future__ import annotations

import pickle
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from repro.difficulty.labels import COLUMNS, Labels, read_labels, write_labels
from repro.errors import UserError


def some_labels() -> Labels:
    rates = np.random.default_rng(0).random((2, 3))
    return Labels(("a", "b", "c"), ("1+1", "2*2", "é?"), ("small", "large"), rates, np.array([8, 64], np.int32))


def rows() -> list[dict[str, Any]]:
    """Two policies, two questions."""
    return [
        {"id": key, "question": f"what is {key}?", "policy": policy, "pass_rate": rate, "samples": 8}
        for policy, rates in (("p", (0.0, 0.25)), ("q", (1.0, 0.5)))
        for key, rate in zip("xy", rates, strict=True)
    ]


def written(path: Path, content: list[dict[str, Any]]) -> Path:
    pq.write_table(pa.Table.from_pylist(content), path)
    return path


def test_labels_come_back_as_they_were_written(tmp_path: Path) -> None:
    labels = some_labels()
    write_labels(tmp_path / "deep" / "labels.parquet", labels)
    back = read_labels(tmp_path / "deep" / "labels.parquet")
    assert (back.ids, back.questions, back.policies) == (labels.ids, labels.questions, labels.policies)
    assert (back.pass_rates == labels.pass_rates).all()
    assert back.samples.tolist() == [8, 64]
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["labels.parquet"]
    schema = pq.read_schema(tmp_path / "deep" / "labels.parquet")
    assert schema.names == list(COLUMNS)
    assert [str(kind) for kind in schema.types] == ["string", "string", "string", "double", "int32"]
    assert schema.metadata[b"repro.labels"] == b"1"


def test_rows_may_come_in_any_order_and_without_the_version(tmp_path: Path) -> None:
    mixed = [rows()[i] for i in (3, 0, 1, 2)]
    labels = read_labels(written(tmp_path / "labels.parquet", mixed))
    assert (labels.ids, labels.policies) == (("y", "x"), ("q", "p"))
    assert labels.pass_rates.tolist() == [[0.5, 1.0], [0.25, 0.0]]


@pytest.mark.parametrize(
    ("row", "change", "said"),
    [
        (2, {"pass_rate": 1.5}, ["'pass_rate'", "row 3", "1.5"]),
        (1, {"pass_rate": float("nan")}, ["'pass_rate'", "row 2", "nan"]),
        (0, {"samples": 0}, ["'samples'", "row 1", "at least 1"]),
        (3, {"samples": 16}, ["'samples'", "row 4", "8 as in row 3"]),
        (2, {"question": "other"}, ["'question'", "row 3", "row 1", "what is x?"]),
        (1, {"id": "x", "question": "what is x?"}, ["'id'", "row 2", "'p'", "row 1"]),
        (1, {"id": "z"}, ["'p'", "1 of 3", "'y'"]),
        (2, {"policy": None}, ["'policy'", "row 3", "no value"]),
        (3, {"samples": 2**40}, ["'samples'", "row 4", "1099511627776", "at most 2,147,483,647"]),
        (1, {"id": " "}, ["'id'", "row 2", "' '", "expected text"]),
        (3, {"question": "a\0"}, ["'question'", "row 4", "expected text"]),
    ],
)
def test_a_wrong_row_is_named(tmp_path: Path, row: int, change: dict[str, Any], said: list[str]) -> None:
    content = rows()
    content[row] |= change
    with pytest.raises(UserError) as error:
        read_labels(written(tmp_path / "labels.parquet", content))
    for words in [str(tmp_path / "labels.parquet"), *said]:
        assert words in str(error.value)


def test_text_that_is_no_utf_8_and_columns_of_one_name_are_named(tmp_path: Path) -> None:
    table = pa.Table.from_pylist(rows())
    ids = pa.concat_arrays([table.column("id").combine_chunks().slice(0, 3), pa.array([b"\xff"]).view(pa.string())])
    pq.write_table(table.set_column(0, "id", ids), tmp_path / "bytes.parquet")
    with pytest.raises(UserError, match=r"bytes.parquet, row 4: column 'id' holds a string that cannot be read"):
        read_labels(tmp_path / "bytes.parquet")
    pq.write_table(pa.Table.from_arrays([*table.columns, ids], [*table.column_names, "id"]), tmp_path / "two.parquet")
    with pytest.raises(UserError, match=r"two.parquet: column 'id' is there twice"):
        read_labels(tmp_path / "two.parquet")


def test_a_missing_file_column_or_type_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        read_labels(tmp_path / "none.parquet")
    (tmp_path / "text.parquet").write_text("id,question")
    with pytest.raises(UserError, match="not a readable parquet file"):
        read_labels(tmp_path / "text.parquet")
    with pytest.raises(UserError, match="no column 'policy'"):
        read_labels(written(tmp_path / "a.parquet", [{k: v for k, v in r.items() if k != "policy"} for r in rows()]))
    with pytest.raises(UserError, match="column 'id' has type int64, expected strings"):
        read_labels(written(tmp_path / "b.parquet", [r | {"id": i} for i, r in enumerate(rows())]))
    table = pa.Table.from_pylist(rows())
    pq.write_table(table.replace_schema_metadata({"repro.labels": "2"}), tmp_path / "c.parquet")
    with pytest.raises(UserError, match="version 2, expected 1"):
        read_labels(tmp_path / "c.parquet")
    pq.write_table(table.slice(0, 0), tmp_path / "d.parquet")
    with pytest.raises(UserError, match="no rows"):
        read_labels(tmp_path / "d.parquet")


def test_labels_whose_parts_do_not_fit_are_refused() -> None:
    good = some_labels()
    with pytest.raises(ValueError, match=r"expected \(P, N\) rates"):
        Labels(good.ids, good.questions, good.policies, good.pass_rates.T, good.samples)
    with pytest.raises(ValueError, match="2 of them distinct"):
        Labels(("a", "b", "a"), good.questions, good.policies, good.pass_rates, good.samples)
    with pytest.raises(ValueError, match=r"in \[0, 1\]"):
        Labels(good.ids, good.questions, good.policies, good.pass_rates + 1, good.samples)


def test_the_script_of_the_documents_makes_labels_of_the_authors_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (Path(__file__).parents[2] / "docs/methods.md").read_text(encoding="utf-8")
    (script,) = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    theirs = {
        "one": {"questions": ["a", "b", "c"], "rewards": [0.25, 1.0, 0.0]},
        "two": {"questions": ["c", "d", "a"], "rewards": [0.5, 0.125, 0.75]},
    }
    (tmp_path / "ref.pkl").write_bytes(pickle.dumps(theirs))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["convert.py", "ref.pkl"])
    exec(script, {})
    labels = read_labels(tmp_path / "labels.parquet")
    assert (labels.policies, labels.questions) == (("one", "two"), ("a", "c"))
    assert labels.pass_rates.tolist() == [[0.25, 0.0], [0.75, 0.5]]
