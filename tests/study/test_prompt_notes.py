"""What `validate` and `plan` tell of prompts, with a real model directory and files on this machine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from repro.cache import Cache
from repro.cli import main
from repro.errors import UserError
from repro.models.stand_in import build_stand_in
from repro.spec.schema import Cell
from repro.study.expand import expand
from repro.study.identity import identity
from repro.study.inputs import CellInputs
from repro.study.load import load_spec
from repro.study.prompt_notes import prompt_notes


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with one token per byte and a chat template."""
    folder = tmp_path_factory.mktemp("model")
    build_stand_in(folder, "Qwen/Qwen2.5-0.5B")
    return folder


def study(folder: Path, saved: Path, **changes: dict) -> Path:
    """A study on 30 questions, of which one has 900 characters."""
    lines = [{"question": f"What is {i} plus {i}?", "answer": 2 * i} for i in range(30)]
    lines[11]["question"] = "How many? " * 90
    (folder / "train.jsonl").write_text("\n".join(map(json.dumps, lines)))
    (folder / "test.jsonl").write_text(json.dumps({"question": "What is 50 plus 50?", "answer": "100"}))
    data = {"path": str(folder / "train.jsonl"), "test_path": str(folder / "test.jsonl"), "validation_fraction": 0}
    fields = {
        "name": "x",
        "model": {"path": str(saved)} | changes.get("model", {}),
        "dataset": data | changes.get("dataset", {}),
        "train": {"questions_per_step": 4} | changes.get("train", {}),
        "arms": {"grpo": {}},
    }
    (folder / "exp.yaml").write_text(yaml.safe_dump(fields))
    return folder / "exp.yaml"


def cell_of(path: Path) -> Cell:
    return expand(load_spec(path).spec)[0]


@pytest.mark.parametrize("command", ["validate", "plan"])
def test_what_is_dropped_is_counted_before_a_run(tmp_path, model, command, capsys):
    path = study(tmp_path, model, dataset={"too_long": "drop"}, train={"max_prompt_tokens": 200})
    assert main([command, str(path)]) == 0
    told = capsys.readouterr().err
    assert "on train: 1 dropped (too long): 1 of 30 train questions are too long; the first is 'train.jsonl:12'" in told
    assert told.count("dropped (too long)") == 1


def test_what_a_run_would_refuse_is_refused_before(tmp_path, model, capsys):
    path = study(tmp_path, model, train={"max_prompt_tokens": 200})
    assert main(["validate", str(path)]) == 2
    assert "dataset.too_long: 1 of 30 train questions are too long" in capsys.readouterr().err
    assert prompt_notes(load_spec(study(tmp_path, model)).spec, Cache(tmp_path)) == []


@pytest.mark.parametrize("asked", [{}, {"path": None, "hub": "nobody/has-this", "revision": "v1"}])
def test_an_example_that_is_tested_on_is_refused_and_one_that_is_trained_on_is_told(tmp_path, model, asked):
    def notes(question: str) -> list[str]:
        shots = [{"question": question, "answer": "It is 100"}]
        return prompt_notes(load_spec(study(tmp_path, model, model={"examples": shots, **asked})).spec, Cache(tmp_path))

    with pytest.raises(UserError, match=r"1 of 1 test questions are examples of the prompt; .*'test\.jsonl:1'"):
        notes("What is 50  plus 50?")
    (told,) = notes("What is 3 plus 3?")
    assert "1 of 30 train questions are examples of the prompt; the first is 'train.jsonl:4'" in told


def test_the_content_of_a_file_of_examples_is_an_input_of_a_run(tmp_path, model):
    shots = tmp_path / "shots.jsonl"
    shots.write_text('{"question": "1+1?", "answer": "2"}\n')
    cell = cell_of(study(tmp_path, model, model={"examples": {"file": str(shots)}}))
    name, moved = identity(cell), tmp_path / "moved.jsonl"
    inputs = CellInputs(cell, name, tmp_path / "run")
    assert ("model.examples", str(shots)) in {(one.field, one.place) for one in inputs.files}
    moved.write_bytes(shots.read_bytes())
    elsewhere = cell_of(study(tmp_path, model, model={"examples": {"file": str(moved), "count": 1}}))
    written = cell_of(study(tmp_path, model, model={"examples": [{"question": "1+1?", "answer": "2"}]}))
    assert identity(elsewhere) == name == identity(written)
    assert identity(cell_of(study(tmp_path, model))) != name
    shots.write_text('{"question": "1+1?", "answer": "two"}\n')
    with pytest.raises(UserError, match=r"model\.examples: .*shots\.jsonl has changed"):
        inputs.check()
    assert identity(cell) != name


TORN = [
    (b'{"question": "half", "ans', "not JSON at column 22"),
    ('{"question": "caf\u00e9", "answer": "1"}'.encode("latin-1"), "is not UTF-8"),
    (b'{"question": "q", "answer": "1", "answer": "2"}', "key 'answer' twice"),
    (b'{"question": "q", "answer": ' + b"9" * 5000 + b"}", "value has 5000 digits)"),
    (b"[" * 100_000, "not readable JSON"),
]
"""Lines of a file that are no row at all."""


@pytest.mark.parametrize(("line", "message"), TORN)
@pytest.mark.parametrize("embedded", [False, True])
def test_a_line_that_is_no_row_is_told_with_a_cure_that_works(
    tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str], line: bytes, message: str, embedded: bool
) -> None:
    path = study(tmp_path, model)
    if embedded:
        path.write_text(path.read_text().replace(f"path: {model}", "tiny: {width: 12, layers: 1, heads: 3}"))
    with (tmp_path / "train.jsonl").open("ab") as file:
        file.write(b"\n" + line + b"\n")
    assert main(["validate", str(path)]) == 2
    said = capsys.readouterr().err
    assert "train.jsonl:31" in said and message in said and "sys." not in said
    assert "to leave such rows out: unreadable: drop beside the dataset's name or path" in said
    path.write_text(path.read_text().replace("dataset:\n", "dataset:\n  unreadable: drop\n"))
    assert main(["validate", str(path)]) == 0
    assert "1 dropped (unreadable): " in capsys.readouterr().err
