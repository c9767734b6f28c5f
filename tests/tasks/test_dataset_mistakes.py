"""What a user is told of a dataset that cannot be read."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from repro.errors import UserError
from repro.tasks.datasets import dataset_digest, load_dataset
from tests.tasks.rows import rows, spec, write


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"question": "q"', r"bad.jsonl:3: not JSON at column 17"),
        ("[1, 2]", r"bad.jsonl:3: found list, expected an object"),
        ('{"prompt": "q", "answer": "1"}', r"bad.jsonl:3: no field 'question' .*prompt, answer; nearest: .*: prompt"),
        ('{"question": "q", "answr": "1"}', r"bad.jsonl:3: no field 'answer' .*nearest: dataset.answer: answr"),
        ('{"question": "q", "answer": ""}', r"bad.jsonl:3: field 'answer' .*has no answer"),
        ('{"question": "q", "answer": "work\\n####  "}', r"bad.jsonl:3: field 'answer' .*no answer after ####"),
        ('{"question": "q", "answer": null}', r"bad.jsonl:3: field 'answer' .*null.*expected text or a number"),
        ('{"question": "q", "answer": [1]}', r"bad.jsonl:3: field 'answer' .*list.*expected text or a number"),
        ('{"question": "q", "answer": NaN}', r"bad.jsonl:3: field 'answer' .*float 'nan'"),
        ('{"question": "q", "answer": true}', r"bad.jsonl:3: field 'answer' .*bool 'True'"),
        ('{"question": " ", "answer": "1"}', r"bad.jsonl:3: field 'question' .*is empty"),
        ('{"question": "q", "answer": "1", "answer": "2"}', r"bad.jsonl:3: not readable JSON \(key 'answer' twice"),
        ('{"question": 7, "answer": "1"}', r"bad.jsonl:3: field 'question' .*int '7', expected text"),
    ],
)
def test_a_bad_line_is_named_with_its_field(tmp_path, line, said):
    path = tmp_path / "bad.jsonl"
    path.write_text("\n".join([*map(json.dumps, rows(2)), line, *map(json.dumps, rows(1, 9))]))
    with pytest.raises(UserError, match=said) as error:
        load_dataset(spec(path=str(path)))
    assert str(path) in str(error.value)


def test_a_mistake_in_every_row_is_told_once_with_its_count(tmp_path):
    path = write(tmp_path / "d.parquet", [{"problem": f"q{i}", "answer": "1"} for i in range(30)])
    with pytest.raises(UserError) as error:
        load_dataset(spec(path=path))
    assert "d.parquet, row 1 (and 29 more): no field 'question'" in str(error.value)
    assert len(str(error.value).splitlines()) == 2


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("d.jsonl", b"", "holds no rows"),
        ("d.jsonl", b"\n \n", "holds no rows"),
        ("d.json", b"[]", "holds no rows"),
        ("d.json", b"", "holds no rows"),
        ("d.json", b'"text"', "found str, expected a list"),
        ("d.json", b'[{"question": "q", "answer": "1"},\n {"question"]', r"d.json:2: not JSON"),
        ("d.json", b"[3]", "item 1: found int, expected an object"),
        ("d.tsv", b"question\tanswer\n", r"d.tsv is not a data file; .*\.jsonl, \.json, \.parquet"),
        ("d.parquet", b"not parquet", "not a readable parquet file"),
        ("d.jsonl", b"\xff\xfe\x00", "is UTF-16; expected UTF-8 text"),
        ("d.jsonl", gzip.compress(b"x", mtime=0), "d.jsonl:1: is compressed by gzip"),
        ("d.jsonl", bz2.compress(b"x"), "d.jsonl:1: is compressed by bzip2"),
        ("d.csv", lzma.compress(b"x"), "d.csv: is compressed by xz"),
        ("d.csv", b"PK\x03\x04\xff", "d.csv: is a zip archive, as .xlsx files are"),
        ("d.json", b'[{"question": "q", "answer": "1", "question": "r"}]', "key 'question' twice in one object"),
    ],
)
def test_a_bad_file_is_named(tmp_path, name, content, said):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=said):
        load_dataset(spec(path=str(tmp_path / name)))


@pytest.mark.parametrize(
    ("first", "separator", "end"),
    [
        ("", ",", "\n"),
        ("", ";", "\r"),
        ("\n\n", "\t", "\n"),
        ("sep=;\r\n", ";", "\r\n"),
        ("SEP=|\n", "|", "\n"),
    ],
)
def test_a_csv_file_is_read_by_the_separator_of_its_header_and_not_by_that_of_its_text(tmp_path, first, separator, end):
    header = separator.join(["question", "answer", '"note, with, commas; and | others"'])
    lines = [header, *(separator.join([f'"{i}, 1, 2, 3; 4 | 5\t?"', str(i), ""]) for i in range(9))]
    (tmp_path / "d.csv").write_text(first + end.join(lines) + end, newline="")
    loaded = load_dataset(spec(path=str(tmp_path / "d.csv")))
    found = {problem.question: problem.answer for problem in (*loaded.train, *loaded.validation, *loaded.test)}
    assert found == {f"{i}, 1, 2, 3; 4 | 5\t?": str(i) for i in range(9)}


def test_a_parquet_file_with_two_columns_of_one_name_is_refused(tmp_path):
    texts = pa.array(["1", "2"])
    pq.write_table(
        pa.Table.from_arrays([texts, texts, texts], names=["question", "answer", "answer"]), tmp_path / "d.parquet"
    )
    with pytest.raises(UserError, match=r"d\.parquet: column 'answer' is there twice, expected every column once"):
        load_dataset(spec(path=str(tmp_path / "d.parquet")))


def test_a_path_that_does_not_exist_is_named_with_its_nearest_neighbour(tmp_path):
    write(tmp_path / "train.jsonl", rows(2))
    for call in (load_dataset, dataset_digest):
        with pytest.raises(UserError, match=r"dataset.path: .*trian.jsonl does not exist.*nearest: .*train.jsonl"):
            call(spec(path=str(tmp_path / "trian.jsonl")))
    with pytest.raises(UserError, match=r"dataset.test_path: .*missing.jsonl does not exist"):
        load_dataset(spec(path=str(tmp_path / "train.jsonl"), test_path=str(tmp_path / "missing.jsonl")))


def test_two_kinds_of_file_for_one_split_are_refused(tmp_path):
    write(tmp_path / "train.jsonl", rows(2))
    write(tmp_path / "train.json", rows(2))
    with pytest.raises(UserError, match=r"train\.jsonl, train\.json; expected one kind of file for the split 'train'"):
        load_dataset(spec(path=str(tmp_path)))


def test_an_id_that_two_questions_share_is_refused(tmp_path):
    path = write(tmp_path / "d.jsonl", [{**row, "id": "same"} for row in rows(4)])
    with pytest.raises(UserError, match=r"the id 'same' \(dataset.id\) belongs to two questions"):
        load_dataset(spec(path=path, id="id"))


def test_a_dataset_too_small_to_leave_a_training_question_is_refused(tmp_path):
    with pytest.raises(UserError, match="no training question is left"):
        load_dataset(spec(path=write(tmp_path / "d.jsonl", rows(2))))
