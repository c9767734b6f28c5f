"""Values of every type that files and databases give: read as what they mean, or refused with their place."""

from __future__ import annotations

import datetime
import decimal
import json
import uuid
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from repro.errors import UserError
from repro.tasks.dataset_spec import DatasetSpec
from repro.tasks.datasets import load_dataset
from repro.tasks.rows import BadItem, EmptyItem, problem_of
from repro.tasks.values import is_number, plain

SPEC = DatasetSpec(path="x.jsonl")
D = decimal.Decimal


@pytest.mark.parametrize(
    ("value", "answer"),
    [
        (72, "72"),
        (72.0, "72"),
        (-0.0, "0"),
        (0.0000001, "0.0000001"),
        (1e16, "10000000000000000"),
        pytest.param(10**400, "1" + "0" * 400, id="400 digits"),
        (D("72"), "72"),
        (D("72.50"), "72.5"),
        (D("1E+3"), "1000"),
        (D("0.1234567890123456789"), "0.1234567890123456789"),
        (np.int64(72), "72"),
        (np.float32(0.5), "0.5"),
        (np.str_("seventy"), "seventy"),
        (Fraction(1, 3), "1/3"),
        (Fraction(4, 2), "2"),
        (b"72", "72"),
        (bytearray("\u03c0".encode()), "\u03c0"),
        (memoryview(b"72"), "72"),
        (uuid.UUID(int=0), "00000000-0000-0000-0000-000000000000"),
        ("1,200", "1200"),
    ],
)
def test_an_answer_is_read_as_what_it_means(value, answer):
    assert problem_of(plain({"question": "How many?", "answer": value}), SPEC).answer == answer


@pytest.mark.parametrize("value", [None, float("nan"), D("NaN"), np.float64("nan"), "", " \n", "\u200b\ufeff", "#### "])
def test_what_holds_nothing_is_empty(value):
    with pytest.raises(EmptyItem, match="expected"):
        problem_of(plain({"question": "How many?", "answer": value}), SPEC)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (True, "bool 'True'"),
        (np.bool_(False), "bool 'False'"),
        (float("inf"), "float 'inf'"),
        (D("-Infinity"), "float '-inf'"),
        (datetime.date(2024, 2, 1), "date '2024-02-01'"),
        (datetime.timedelta(seconds=5), "timedelta"),
        (b"\xff\xfe", "bytes"),
        (["72"], r"list .*a dotted path reaches into it: dataset\.answer: answer\.0"),
        ({"value": "72"}, r"dict .*dataset\.answer: answer\.value"),
        ([{"role": "user", "content": "72"}], r"list .*dataset\.answer: answer\.0\.content"),
        (np.array([1, 2]), "list"),
        ("7\x002", ".*expected text without NUL and half characters"),
        ("7\ud83d", ".*expected text without NUL and half characters"),
        (D("1E+100000"), "Decimal"),
    ],
)
def test_what_means_nothing_is_refused_with_its_kind(value, found):
    with pytest.raises(BadItem, match=f"field 'answer' .* holds {found}") as error:
        problem_of(plain({"question": "How many?", "answer": value}), SPEC)
    assert not isinstance(error.value, EmptyItem)


@pytest.mark.parametrize("value", [3, 4.5, True, None, ["How many?"], b"\xff"])
def test_a_question_is_text(value):
    with pytest.raises(BadItem, match=r"field 'question' .* expected text"):
        problem_of(plain({"question": value, "answer": "1"}), SPEC)


def test_numbers_that_no_float_holds_are_no_numbers_of_a_column():
    assert not is_number(10**400) and not is_number(float("nan")) and is_number(D("0.1234567890123456789"))
    row = plain({"question": "q", "answer": 1, "big": 10**400, "d": D("0.1234567890123456789"), "n": np.int8(3)})
    assert problem_of(row, SPEC).metadata == {"answer": 1, "d": 0.12345678901234568, "n": 3}


def test_columns_of_every_type_of_parquet_are_read_and_only_the_mapped_ones_matter(tmp_path):
    table = pa.table(
        {
            "question": pa.array([b"2+2?", b"3+3?", b"4+4?"], pa.binary()),
            "answer": pa.array([D("4.00"), D("6.00"), D("8.00")], pa.decimal128(10, 2)),
            "level": pa.array([D("1.5"), D("2.5"), D("2.5")], pa.decimal128(4, 1)),
            "when": pa.array([2**60] * 3, pa.timestamp("us")),  # in a year that Python does not know
            "kind": pa.array(["a", "b", "a"]).dictionary_encode(),
            "pairs": pa.array([[("k", 1)]] * 3, pa.map_(pa.string(), pa.int64())),
        }
    )
    pq.write_table(table, tmp_path / "d.parquet")
    spec = DatasetSpec(path=str(tmp_path / "d.parquet"), test_split=None, validation_fraction=0, filters={"level": 2.5})
    data = load_dataset(spec)
    found = {p.question: (p.answer, p.metadata["level"], p.place) for p in (*data.train, *data.test)}
    assert found == {"3+3?": ("6", 2.5, "d.parquet, row 2"), "4+4?": ("8", 2.5, "d.parquet, row 3")}
    with pytest.raises(UserError, match=r"d\.parquet, row 1.*: field 'when' .* holds a timestamp\[us\] that cannot be"):
        load_dataset(spec.model_copy(update={"answer": "when", "filters": {}}))


def test_a_csv_file_is_read_with_quotes_line_breaks_and_a_byte_order_mark(tmp_path):
    text = '\ufeffquestion,answer\n"How\nmany, ""if any""?",1\nTwo\u2028lines?,"1,200"\n\n'
    (tmp_path / "d.csv").write_text(text, encoding="utf-8")
    data = load_dataset(DatasetSpec(path=str(tmp_path / "d.csv"), test_split=None, validation_fraction=0))
    assert {p.question: p.answer for p in (*data.train, *data.test)} == {
        'How\nmany, "if any"?': "1",
        "Two\u2028lines?": "1200",
    }


BAD = {
    b'{"question": "2+2?", "answer": ': "not JSON",
    b"[1, 2]": "found list, expected an object",
    b'{"question": "caf\xe9?", "answer": 1}': "byte 17 is not UTF-8",
    b'{"question": "\\ud83d?", "answer": 1}': "half characters",
    b'{"question": "2+2?"}': "no field 'answer'",
    b'{"question": "2+2?", "answer": [1]}': "holds list",
    b'{"question": "2+2?", "answer": ' + b"9" * 5000 + b"}": "not readable JSON",
}


@pytest.mark.parametrize("bad", BAD)
def test_one_bad_line_among_many_is_refused_with_its_place_or_dropped_with_a_count(tmp_path, bad):
    lines = [json.dumps({"question": f"{i}+{i}?", "answer": 2 * i}).encode() for i in range(20)]
    (tmp_path / "d.jsonl").write_bytes(b"\n".join([*lines[:5], bad, *lines[5:]]) + b"\n")
    spec = DatasetSpec(path=str(tmp_path / "d.jsonl"), test_split=None, validation_fraction=0)
    with pytest.raises(UserError, match=rf"d\.jsonl:6\b[\s\S]*{BAD[bad]}"):
        load_dataset(spec)
    dropping = spec.model_copy(update={"unreadable": "drop"})
    with pytest.warns(UserWarning, match=r"rows that cannot be read: 1 dropped; the first is .*d\.jsonl:6"):
        data = load_dataset(dropping)
    assert len(data.train) + len(data.test) == 20
    (dropped,) = data.dropped
    assert (dropped.set, dropped.reason, dropped.count) == ("train", "unreadable", 1)
    assert BAD[bad] in dropped.what


def test_a_row_without_a_filtered_field_is_dropped_like_any_other(tmp_path):
    rows = [{"question": f"{i}+{i}?", "answer": 2 * i, "level": i % 2} for i in range(20)]
    del rows[4]["level"]
    (tmp_path / "d.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    fields = {"path": str(tmp_path / "d.jsonl"), "test_split": None, "validation_fraction": 0, "filters": {"level": 0}}
    with pytest.raises(UserError, match=r"dataset\.filters\.level: .*d\.jsonl:5 has no such field"):
        load_dataset(DatasetSpec(**fields))
    data = load_dataset(DatasetSpec(**fields, unreadable="drop"))
    assert len(data.train) + len(data.test) == 9 and data.dropped[0].count == 1


def test_where_every_row_is_unreadable_nothing_is_dropped_in_silence(tmp_path):
    (tmp_path / "d.jsonl").write_text('{"question": "2+2?", "gold": 4}\n' * 3)
    spec = DatasetSpec(path=str(tmp_path / "d.jsonl"), test_split=None, unreadable="drop")
    with pytest.raises(UserError, match=r"no item has a question with an answer; the first is d\.jsonl:1: no field"):
        load_dataset(spec)
