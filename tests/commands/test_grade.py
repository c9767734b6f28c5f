"""`repro grade`: completions of a table, their verdicts and what could not be decided."""

from __future__ import annotations

import csv
import json

import pytest

from repro.cli import main

ROWS = [
    {"completion": "so 36 + 36 = 72.", "answer": 72},
    {"completion": "\\boxed{71}", "answer": "72"},
    {"completion": "no idea", "answer": "72"},
    {"completion": "\\boxed{9^{9^{9^9}}}", "answer": "1"},
    {"completion": "I think it is 72", "answer": "72", "prompt": "How many?<think>\nLet me see: "},
]


def test_completions_are_counted_by_verdict_and_written_with_their_answers(tmp_path, capsys):
    table, out = tmp_path / "table.jsonl", tmp_path / "out.jsonl"
    table.write_text("".join(json.dumps({"prompt": "", **row}) + "\n" for row in ROWS))
    assert main(["grade", str(table), "--prompt", "prompt", "--seconds", "0.3", "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "right            1   20.0%" in said and "undecided        1" in said and "no answer        2" in said
    assert "undecided because the comparison took more CPU time than --seconds: 1" in said
    assert "table.jsonl:4: undecided; read" in said
    verdicts = [json.loads(line) for line in out.read_text().splitlines()]
    assert [row["verdict"] for row in verdicts] == ["right", "wrong", "no answer", "undecided", "no answer"]
    assert verdicts[0]["answer"] == "72"


def test_a_csv_table_is_graded_with_its_own_column_names(tmp_path, capsys):
    table = tmp_path / "table.csv"
    with table.open("w", newline="") as file:
        csv.writer(file).writerows([["text", "gold"], ["#### 1,200", "1200"], ["it is\n7", "8"]])
    assert main(["grade", str(table), "--completion", "text", "--answer", "gold"]) == 0
    assert "right            1   50.0%" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("row", "options", "said"),
    [
        ({"completion": "1", "answer": "1"}, ["--answer", "anser"], "did you mean answer?"),
        ({"completion": 1, "answer": "1"}, [], "column 'completion' holds 1, expected the text of a completion"),
        ({"completion": "1", "answer": None}, [], "column 'answer' is empty, expected a gold answer"),
        ({"completion": "1", "answer": "1"}, ["--out", "x.csv"], "expected a file ending in .jsonl"),
        ({"completion": "1", "answer": "1"}, ["--seconds", "0"], "--seconds"),
    ],
)
def test_a_mistake_is_told_with_its_place(tmp_path, capsys, row, options, said):
    table = tmp_path / "table.jsonl"
    table.write_text(json.dumps(row) + "\n")
    assert main(["grade", str(table), *options]) == 2
    assert said in capsys.readouterr().err


def test_verdicts_replace_earlier_ones_and_nothing_else(tmp_path, capsys):
    table, out, mine = tmp_path / "table.jsonl", tmp_path / "out.jsonl", tmp_path / "mine.jsonl"
    table.write_text(json.dumps(ROWS[0]) + "\n")
    mine.write_text('{"precious": 1}\n')
    assert [main(["grade", str(table), "--out", str(out)]) for _ in range(2)] == [0, 0]
    assert main(["grade", str(table), "--out", str(mine)]) == 2
    assert "mine.jsonl exists and holds no verdicts of `repro grade`, expected another name" in capsys.readouterr().err
    assert mine.read_text() == '{"precious": 1}\n'
    (tmp_path / "folder.jsonl").mkdir()
    assert main(["grade", str(table), "--out", str(tmp_path / "folder.jsonl")]) == 2
    assert "folder.jsonl is a folder, expected a file" in capsys.readouterr().err
