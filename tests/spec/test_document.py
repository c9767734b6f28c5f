"""YAML is read as YAML 1.2's core types, and every field knows its line."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import yaml

from repro.errors import UserError
from repro.spec.document import parse_scalar, read_document


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4),
        ("2E+3", 2000.0),
        (".5", 0.5),
        ("1.", 1.0),
        ("-1.5e3", -1500.0),
        ("2_000_000", 2_000_000),
        ("1_0.5", 10.5),
        ("-7", -7),
        ("010", 10),
        ("0x1F", 31),
        ("0o17", 15),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
    ],
)
def test_core_scalars_have_the_types_of_yaml_1_2(text: str, value: object) -> None:
    parsed = parse_scalar(text)
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(
    "text", ["on", "off", "yes", "no", "Y", "2024-01-02", "12:30:00", "1__0", "_1", "1e", "e3", "."]
)
def test_what_yaml_1_1_would_guess_stays_a_word(text: str) -> None:
    assert parse_scalar(text) == text


def test_quotes_make_text_of_anything() -> None:
    assert parse_scalar("'1e-4'") == "1e-4"
    assert parse_scalar('"true"') == "true"


def test_infinity_and_not_a_number_are_read_and_left_to_the_schema() -> None:
    assert parse_scalar("-.inf") == -math.inf
    assert math.isnan(parse_scalar(".nan"))


def test_every_field_knows_its_line_and_an_unwritten_one_its_section(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("a:\n  b: 1\n  c:\n  - x\n  - {d: 2}\n")
    document = read_document(path)
    assert document.data == {"a": {"b": 1, "c": ["x", {"d": 2}]}}
    lines = {place: document.origin(place).where for place in [("a",), ("a", "b"), ("a", "c", 1, "d"), ("a", "z")]}
    assert lines == {
        ("a",): f"{path}:1",
        ("a", "b"): f"{path}:2",
        ("a", "c", 1, "d"): f"{path}:5",
        ("a", "z"): f"{path}:1",
    }
    assert document.origin(("a", "z")).path == ("a", "z")


def test_a_key_given_twice_is_a_mistake_that_names_both_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("a: 1\nb: 2\na: 3\n")
    (problem,) = read_document(path).problems
    assert problem.path == ("a",)
    assert f"{path}:3" in problem.text
    path.write_text("a: {x: 1}\nb: {x: 2}\n")
    assert read_document(path).problems == []


def test_an_alias_repeats_a_value_but_may_not_contain_itself(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("a: &x {k: [1]}\nb: *x\n")
    document = read_document(path)
    assert document.data["a"] == document.data["b"]
    document.data["b"]["k"].append(2)
    assert document.data["a"] == {"k": [1]}
    path.write_text("a: &x {k: *x}\n")
    (problem,) = read_document(path).problems
    assert "alias" in problem.text


def test_a_merge_key_is_a_mistake_that_says_what_serves_in_its_place(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("arms:\n  a: &a {train: {steps: 3}}\n  b:\n    <<: *a\n    replay: null\n")
    document = read_document(path)
    (problem,) = document.problems
    assert problem.text.startswith("got a merge key, expected the fields themselves") and "`extends`" in problem.text
    assert document.origin(problem.path).where == f"{path}:4"
    assert document.data["arms"]["b"] == {"replay": None}


def test_broken_yaml_names_the_line(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("a: 1\nb: [1, 2\n")
    with pytest.raises(UserError, match=r"a\.yaml:\d+: not valid YAML"):
        read_document(path)


ODD = [
    "a: 1\n\tb: 2\n", "é: ü\nb: \x01\n", "a: [1, 2\n", "a: &x {k: *x}\n", "a: *y", "--- a\n--- b\n", "a: !!str 5",
    "%YAML 1.2\n---\na: 1\n", "%YAML 2.0\n---\na: 1\n", "a: |\n  x\n  y\n", "a: >-\n  x\n\n  y\n# c\n",
    "? [a, b]\n: 3\n", "{a: 1, b}", "[http://x:1]", "a: b: c", 'a: "\\/\\x41\\ud800"', "a: \U0001f600", "a:\u2028b",
    "a: 1\r\nb: 2\r\n", "!foo a", "a: @x", "- - a\n  - b\n-\n", "a: - b", "x" * 2000 + ": 1",
    "\ufeffa: 1", "", "# c\n", "a: 'it''s'",
    "a: ]", "a: 1\n b: 2\n", "a: [1,,2]", "a: 1\n...\nb: 2\n", "{a: , b: }", "a: \x85b", "a: 1\na: 2\n", "[" * 5000,
    "a: 1e5\nb: on\nc: 0o17\n",
]  # fmt: skip


@pytest.mark.parametrize("text", ODD)
def test_a_document_is_read_the_same_with_and_without_libyaml(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(text.encode())

    def found() -> object:
        try:
            document = read_document(path)
        except UserError as error:
            return str(error)
        return document.data, document.origins, document.problems

    fast = found()
    monkeypatch.setattr(yaml, "__with_libyaml__", False)
    assert found() == fast


def test_a_tag_that_asks_for_an_object_is_a_mistake(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("a: !!python/name:os.system x\nb: !!str 5\n")
    document = read_document(path)
    (problem,) = document.problems
    assert problem.path == ("a",)
    assert document.data["b"] == "5"


def test_a_number_too_long_to_be_read_is_a_mistake(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(f"a: {'9' * 5000}\nb: {'9' * 300}\n")
    document = read_document(path)
    assert [problem.path for problem in document.problems] == [("a",)]
    assert document.data["b"] == int("9" * 300)


def test_a_missing_file_suggests_its_neighbour(tmp_path: Path) -> None:
    (tmp_path / "quickstart.yaml").write_text("")
    with pytest.raises(UserError, match=r"no such file, did you mean .*quickstart\.yaml"):
        read_document(tmp_path / "quikstart.yaml")
    with pytest.raises(UserError, match=r"no such file$"):
        read_document(tmp_path / "zzz.yaml")
    with pytest.raises(UserError, match="is a directory"):
        read_document(tmp_path)
