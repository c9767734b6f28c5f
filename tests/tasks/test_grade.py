"""`repro grade` in the hands of somebody who knows nothing of it: tables of every kind, and mistakes in them."""

from __future__ import annotations

import csv
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from repro.cli import main
from repro.errors import UserError
from repro.tasks.completions import read_completions

ROWS = [
    {"completion": "So she has 72, in total.", "answer": "72"},
    {"completion": "#### 71", "answer": "72"},
    {"completion": "I do not know", "answer": "72"},
    {"completion": "\\boxed{\\frac{1}{2}}", "answer": "0.5"},
]
COUNTS = {"right": 2, "wrong": 1, "no answer": 1, "undecided": 0}


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    if path.suffix.lower() in (".csv", ".tsv"):
        with path.open("w", newline="", encoding="utf-8-sig") as file:
            writer = csv.DictWriter(file, list(rows[0]), delimiter="\t" if path.suffix == ".tsv" else ",")
            writer.writeheader()
            writer.writerows(rows)
    elif path.suffix == ".parquet":
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    elif path.suffix == ".json":
        path.write_text(json.dumps(rows))
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def counts(text: str) -> dict[str, int]:
    """The numbers of the printed table."""
    lines = [line.rsplit(None, 2) for line in text.splitlines() if line.startswith("  ") and line.endswith("%")]
    return {kind.strip(): int(count) for kind, count, _ in lines}


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv", "a.CSV", "a.tsv", "a.parquet"])
def test_a_table_of_any_kind_is_graded_and_the_exit_code_says_that_it_was(tmp_path, capsys, name):
    assert main(["grade", str(write(tmp_path / name, ROWS))]) == 0
    out = capsys.readouterr().out
    assert counts(out) == COUNTS
    assert "row 3: no answer; read '', gold '72'" in out.replace(f"{name}:3", "row 3").replace("item 3", "row 3")


def test_columns_of_other_names_prompts_lists_and_messages_are_read(tmp_path, capsys):
    rows = [
        {"question": "Q<think>\n", "out": ["It may be 3", "3</think>4", "</think>\\boxed{3}"], "gold": 3},
        {"question": "Q", "out": [{"role": "assistant", "content": "#### 3"}], "gold": 3.0},
    ]
    table = write(tmp_path / "t.jsonl", rows)
    words = ["--completion", "out", "--answer", "gold", "--prompt", "question", "--out", str(tmp_path / "v.jsonl")]
    assert main(["grade", str(table), *words]) == 0
    assert counts(capsys.readouterr().out) == {"right": 2, "wrong": 1, "no answer": 1, "undecided": 0}
    lines = [json.loads(line) for line in (tmp_path / "v.jsonl").read_text().splitlines()]
    assert [line["verdict"] for line in lines] == ["no answer", "wrong", "right", "right"]
    assert lines[1] == {"where": "t.jsonl:1", "gold": "3", "answer": "4", "verdict": "wrong", "why": ""}


def test_the_gold_answers_are_in_answer_or_else_in_gold_where_no_column_is_named(tmp_path):
    gold = write(tmp_path / "a.jsonl", [{"completion": "a", "gold": "1"}])
    both = write(tmp_path / "b.jsonl", [{"completion": "a", "gold": "1", "answer": "2"}])
    assert [one.gold for path in (gold, both) for one in read_completions(path, "completion")] == ["1", "2"]


def test_what_is_undecided_is_counted_with_its_reason(tmp_path, capsys):
    table = write(tmp_path / "t.jsonl", [{"completion": "\\boxed{9^{9^{9^9}}}", "answer": "x+1"}, ROWS[0]])
    assert main(["grade", str(table), "--seconds", "0.2"]) == 0
    out = capsys.readouterr().out
    assert counts(out) == {"right": 1, "wrong": 0, "no answer": 0, "undecided": 1}
    assert "undecided because the comparison" in out and "t.jsonl:1: undecided; read '9^{9^{9^9}}'" in out


def test_a_file_of_a_spreadsheet_with_semicolons_and_cells_of_several_lines_is_read(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text('completion;answer\r\n"48 + 24\r\n= 72; as asked";72\r\n', encoding="utf-8")
    (one,) = read_completions(path, "completion", "answer")
    assert (one.text, one.gold, one.where) == ("48 + 24\r\n= 72; as asked", "72", "t.csv, row 1")


def test_numbers_of_every_type_that_parquet_holds_are_gold_answers(tmp_path):
    table = pyarrow.table({"completion": ["a"] * 2, "answer": pyarrow.array([Decimal("1.50"), Decimal("2")])})
    pyarrow.parquet.write_table(table, tmp_path / "t.parquet")
    assert [one.gold for one in read_completions(tmp_path / "t.parquet", "completion", "answer")] == ["1.5", "2"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.jsonl", "", "t.jsonl: holds no completions, expected a row for each"),
        ("t.csv", "", "holds no completions"),
        ("t.csv", "completion,answer\n", "the file holds no rows"),
        ("t.json", "[]", "t.json: the file holds no rows"),
        ("t.parquet", "", "holds no completions"),
        ("t.parquet", "PAR1", "not a readable parquet file"),
        ("t.txt", "72", "t.txt is not a table; expected a file ending in .jsonl, .json, .parquet, .csv, .tsv"),
        ("t.csv", "completions,answer\na,1\n", 't.csv, row 1: --completion: got "completion", expected'),
        ("t.csv", "completion,golden\na,1\n", 't.csv, row 1: --answer: got "answer", expected'),
        ("t.csv", "completion,answer\na,b,c\n", "row 1: 3 cells, expected 2, one for each column"),
        (
            "t.csv",
            "completion,answer\nonly\n",
            "row 1: 1 cells, expected 2",
        ),
        ("t.csv", "completion,answer\na,\n", "row 1: column 'answer' is empty"),
        ("t.csv", "completion,completion,answer\na,b,1\n", "column 'completion' is there twice"),
        ("t.csv", b"completion,answer\n\xff\xfe,1\n", "t.csv: byte 18 is not UTF-8"),
        ("t.jsonl", '{"completion": null, "answer": 1}', "t.jsonl:1: column 'completion' is empty"),
        ("t.jsonl", '{"completion": 7, "answer": 1}', "column 'completion' holds 7, expected the text of a completion"),
        ("t.jsonl", '{"completion": ["a", {"b": 1}], "answer": 1}', 'holds {"b": 1}, expected the text'),
        ("t.jsonl", '{"completion": [], "answer": 1}', "holds no completions"),
        (
            "t.jsonl",
            '{"completion": "b", "answer": 1}\n{"completion": [], "answer": 1}',
            ":2: column 'completion' holds no",
        ),
        ("t.jsonl", '{"completion": "1", "completion": "2", "answer": 1}', "key 'completion' twice in one object"),
        (
            "t.jsonl",
            '{"completion": [{"role": "user", "content": "1?"}, {"role": "assistant", "content": "1"}], "answer": 1}',
            "t.jsonl:1: column 'completion' holds a message of the user, expected those of the assistant alone",
        ),
        ("t.jsonl", '{"completion": "a", "answer": " \\n"}', "column 'answer' is empty"),
        ("t.jsonl", '{"completion": "a", "answer": true}', "column 'answer' holds true, expected a gold answer"),
        ("t.jsonl", '{"completion": "a", "answer": NaN}', "column 'answer' is empty"),
        ("t.jsonl", '{"completion": "a", "answer": Infinity}', "column 'answer' holds Infinity"),
        ("t.jsonl", '{"completion": "a", "answer": ["1", "2"]}', 'column \'answer\' holds ["1", "2"]'),
        ("t.jsonl", '{"completion": "a\\u0000", "answer": 1}', "column 'completion' holds 'a\\x00', expected text"),
        ("t.jsonl", '{"completion": "a", "answer": "\\ud800"}', "column 'answer' holds '\\ud800', expected text"),
        ("t.jsonl", "not json", "t.jsonl:1: not JSON at column 1"),
    ],
)
def test_a_mistake_in_a_table_is_told_with_its_place(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError) as error:
        read_completions(path, "completion", "answer")
    assert message in str(error.value)


def test_mistakes_on_the_command_line_end_with_2_and_harm_nothing(tmp_path, capsys):
    table = write(tmp_path / "t.jsonl", ROWS)
    before = table.read_bytes()
    for words, message in [
        ([str(tmp_path / "u.jsonl")], "u.jsonl does not exist"),
        ([str(tmp_path)], "is not a table"),
        ([str(table), "--out", str(tmp_path / "v.csv")], "expected a file ending in .jsonl"),
        ([str(table), "--out", str(tmp_path / "no/v.jsonl")], "is no folder; make it first"),
        ([str(table), "--out", str(table)], "is the table itself, expected another file"),
        ([str(table), "--prompt", "nothing"], '--prompt: got "nothing", expected'),
    ]:
        assert main(["grade", *words]) == 2
        assert message in capsys.readouterr().err
    assert table.read_bytes() == before and list(tmp_path.iterdir()) == [table]
    assert main(["grade", str(table), "--seconds", "0"]) == 2
