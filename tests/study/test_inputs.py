"""Every file that an identity stands for is watched, and the one that changed is named, with its place and the cure."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from repro import digests
from repro.digests import file_digest
from repro.errors import UserError
from repro.selection.registry import selection_of
from repro.spec.schema import Cell
from repro.study.identity import identity
from repro.study.inputs import INPUTS, CellInputs, Watched, cell_files, planned_files, write_plan
from repro.tracking.run_status import run_lock

ROWS = "".join(json.dumps({"id": str(i), "question": f"{i}+1=?", "answer": str(i + 1)}) + "\n" for i in range(8))
REWARD = "import weights_of_mine\n\n\ndef brief(completion, problem):\n    return 1.0\n"
SELECTION = """
from repro.selection import Selection, Selector


class Mine(Selection):
    method: str

    def build(self, run):
        return First(run)


class First(Selector):
    def choose(self, n):
        return list(range(n))
"""
TASK = """
from repro.tasks import Problem, Task


class Echo(Task):
    def problems(self, split, generator):
        while True:
            yield Problem.made(f"{generator.integers(10**6)}?", answer="1")
"""


def model(folder: Path) -> dict[str, Any]:
    folder.mkdir(parents=True)
    for name in ("config.json", "tokenizer_config.json", "model.safetensors"):
        (folder / name).write_text("{}")
    return {"path": str(folder), "name": folder.name}


@pytest.fixture
def fields(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Fields of a cell that reads a file of every kind; some tests replace a section."""
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("briefly_of_mine", "weights_of_mine", "order_of_mine", "echo_of_mine"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    (tmp_path / "briefly_of_mine.py").write_text(REWARD)
    (tmp_path / "weights_of_mine.py").write_text("WEIGHT = 1\n")
    (tmp_path / "order_of_mine.py").write_text(SELECTION)
    (tmp_path / "echo_of_mine.py").write_text(TASK)
    for name in ("train", "test", "more", "gsm8k/train", "gsm8k/test", "math500/test"):
        (tmp_path / f"{name}.jsonl").parent.mkdir(exist_ok=True)
        (tmp_path / f"{name}.jsonl").write_text(ROWS)
    monkeypatch.setenv("REPRO_DATA", str(tmp_path))
    (tmp_path / "chat.jinja").write_text("{{ messages[0].content }}")
    (tmp_path / "scores.csv").write_text("id,s\n0,1\n")
    predictor = tmp_path / "predictor"
    predictor.mkdir()
    (predictor / "card.json").write_text('{"digest": "a"}')
    (predictor / "towers.safetensors").write_text("1")
    return {
        "spec": "trial",
        "arm": "full",
        "model": {**model(tmp_path / "policy"), "chat_template": str(tmp_path / "chat.jinja")},
        "dataset": {"path": str(tmp_path / "train.jsonl"), "test_path": str(tmp_path / "test.jsonl"), "name": "rows"},
        "train": {"steps": 1},
        "evaluate": {"benchmarks": [{"path": str(tmp_path / "more.jsonl"), "name": "more"}]},
        "selection": {"method": "scores", "path": str(tmp_path / "scores.csv"), "fraction": 0.5},
        "reward": ["accuracy", "briefly_of_mine:brief"],
        "replay": None,
        "budget": None,
        "seed": 0,
    }


def with_adapter(fields: dict[str, Any], folder: Path) -> None:
    model(folder / "base")
    adapter = folder / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": str(folder / "base")}))
    (adapter / "adapter_model.safetensors").write_text("1")
    fields["model"] = {"path": str(adapter)}


def with_named_data(fields: dict[str, Any], folder: Path) -> None:
    fields["dataset"] = {"named": "gsm8k", "without": ["math500"]}


def with_own_selection(fields: dict[str, Any], folder: Path) -> None:
    fields["selection"] = {"method": "order_of_mine:Mine"}


def with_own_task(fields: dict[str, Any], folder: Path) -> None:
    fields["dataset"] = {"task": "echo_of_mine:Echo"}


def with_predictor(fields: dict[str, Any], folder: Path) -> None:
    fields["selection"] = {"method": "difficulty", "predictor": "trained"}
    fields["predictor"] = {"path": str(folder / "predictor"), "embedder": model(folder / "embedder")}


def with_recipe(fields: dict[str, Any], folder: Path) -> None:
    fields["selection"] = {"method": "difficulty", "predictor": "trained"}
    fields["predictor"] = {"policies": [model(folder / "one"), model(folder / "two")]}


def as_it_is(fields: dict[str, Any], folder: Path) -> None:
    pass


KINDS: list[tuple[str, str, Callable[[dict[str, Any], Path], None]]] = [
    ("dataset.path", "train.jsonl", as_it_is),
    ("dataset.test_path", "test.jsonl", as_it_is),
    ("REPRO_DATA", "gsm8k/train.jsonl", with_named_data),
    ("REPRO_DATA", "gsm8k/test.jsonl", with_named_data),
    ("dataset.without: math500", "math500/test.jsonl", with_named_data),
    ("dataset.task", "echo_of_mine.py", with_own_task),
    ("model.path", "policy/model.safetensors", as_it_is),
    ("model.path", "adapter/adapter_model.safetensors", with_adapter),
    ("model.path", "base/config.json", with_adapter),
    ("model.chat_template", "chat.jinja", as_it_is),
    ("evaluate.benchmarks: more", "more.jsonl", as_it_is),
    ("selection.path", "scores.csv", as_it_is),
    ("selection.method", "order_of_mine.py", with_own_selection),
    ("reward: briefly_of_mine:brief", "briefly_of_mine.py", as_it_is),
    ("reward: briefly_of_mine:brief", "weights_of_mine.py", as_it_is),
    ("predictor.path", "predictor/card.json", with_predictor),
    ("predictor.embedder.path", "embedder/model.safetensors", with_predictor),
    ("predictor.policies.1.path", "two/model.safetensors", with_recipe),
]


@pytest.mark.parametrize(("field", "place", "change"), KINDS, ids=[f"{field} {place}" for field, place, _ in KINDS])
def test_an_input_that_changed_after_planning_is_named_with_its_place_and_the_cure(
    fields: dict[str, Any], tmp_path: Path, field: str, place: str, change: Callable[[dict[str, Any], Path], None]
) -> None:
    change(fields, tmp_path)
    fields["selection"] = selection_of(fields["selection"])
    cell = Cell.model_validate(fields)
    name, run_dir, path = identity(cell), tmp_path / "run", tmp_path / place
    write_plan([(cell, name, run_dir)])
    at_work = CellInputs(cell, name, run_dir)
    at_work.all_read()
    before = path.read_text()
    path.write_text(before.replace('"digest": "a"', '"digest": "b"') if place.endswith("card.json") else f"{before}\n")
    assert identity(cell) != name, "an identity that stands for less than is watched"
    told = rf"^{field}: {path} has changed \(sha256 \w+, now \w+\); nothing was filed.*Put it back, or keep the new one"
    with pytest.raises(UserError, match=told):
        CellInputs(cell, name, run_dir)
    with pytest.raises(UserError, match=told):
        at_work.check()
    path.write_text(before)
    CellInputs(cell, name, run_dir).all_read()
    at_work.check()


def test_a_record_is_left_to_the_job_that_trains_and_leftovers_of_a_kill_are_removed(
    fields: dict[str, Any], tmp_path: Path
) -> None:
    fields["selection"] = selection_of(fields["selection"])
    cell, run_dir = Cell.model_validate(fields), tmp_path / "run"
    run_dir.mkdir()
    left = run_dir / f".{INPUTS}.abc.tmp"
    left.touch()
    with run_lock(run_dir):
        write_plan([(cell, identity(cell), run_dir)])
        assert left.exists() and not (run_dir / INPUTS).exists()
    write_plan([(cell, identity(cell), run_dir)])
    assert not left.exists() and (run_dir / INPUTS).exists()


def test_the_record_of_a_run_lists_its_files_with_their_digests(fields: dict[str, Any], tmp_path: Path) -> None:
    fields["selection"] = selection_of(fields["selection"])
    cell = Cell.model_validate(fields)
    name = identity(cell)
    write_plan([(cell, name, tmp_path / "run")])
    record = json.loads((tmp_path / "run" / INPUTS).read_text())
    assert record["identity"] == name and len(record["digests"]["dataset_digest"]) == 64
    listed = {(one["field"], Path(one["place"]).name): one["sha256"] for one in record["files"]}
    assert listed["dataset.path", "train.jsonl"] == file_digest(tmp_path / "train.jsonl")
    assert {(field, path.name) for field, path in cell_files(cell)} == set(listed)
    assert planned_files(tmp_path / "run", "v3-0123456789abcdef") == [], "a record of another identity says nothing"


def test_a_cell_that_was_planned_for_other_inputs_is_refused_without_a_record_of_them(
    fields: dict[str, Any], tmp_path: Path
) -> None:
    fields["selection"] = selection_of(fields["selection"])
    with pytest.raises(UserError, match=r"not what it was when v3-0123456789abcdef was planned, one of: dataset\.path"):
        CellInputs(Cell.model_validate(fields), "v3-0123456789abcdef", tmp_path / "run")


def test_a_file_that_is_written_anew_while_it_is_read_counts_as_changed(tmp_path: Path) -> None:
    """Another content may have been there in between."""
    path = tmp_path / "rows.jsonl"
    path.write_text(ROWS)
    watched = Watched(lambda: iter([("dataset.path", path)]))
    shutil.copy(path, tmp_path / "same")
    (tmp_path / "same").replace(path)
    with pytest.raises(UserError, match=f"^dataset.path: {path} was written anew while it was read"):
        watched.check()
    again = Watched(lambda: iter([("dataset.path", path)]))
    again.all_read()
    path.write_text(ROWS)
    again.check()


def test_a_file_that_appears_or_goes_is_named(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.touch()
    watched = Watched(lambda: (("model.path", path) for path in (one, two) if path.exists()))
    two.touch()
    with pytest.raises(UserError, match=f"model.path: {two} was not there before"):
        watched.check()
    two.unlink()
    one.unlink()
    with pytest.raises(UserError, match=f"model.path: {one} is not read any more"):
        watched.check()


def test_a_file_is_read_once_until_something_touches_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, reads = tmp_path / "weights", []
    path.write_bytes(b"a" * 10)
    whole = digests.hashlib.file_digest
    monkeypatch.setattr(
        digests.hashlib, "file_digest", lambda file, name: (reads.append(file.name), whole(file, name))[1]
    )
    fresh = {file_digest(path), file_digest(path)}
    assert len(reads) == 2 and len(fresh) == 1, "a file of this moment may be written again without a sign"
    monkeypatch.setattr(digests, "FRESH", -(10**12))
    first = [file_digest(path) for _ in range(3)]
    assert len(reads) == 3 and set(first) == fresh
    stat = path.stat()
    time.sleep(0.02)
    path.write_bytes(b"b" * 10)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # the old size and time: the entry's own time tells
    assert file_digest(path) not in fresh
