"""Selections from outside: found by module:Name or entry point, checked by their own class, told what they lack."""

from __future__ import annotations

from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import pytest

from repro import plugins
from repro.errors import UserError
from repro.selection.registry import builtin, find, names, selection_of
from repro.spec.schema import Cell
from repro.study.columns import column_mistake
from repro.study.load import load_spec
from repro.tasks.dataset_spec import DatasetSpec
from repro.testing import SELECTION_CHECKS
from tests.selection.own import Evens

EVENS = "tests.selection.own:Evens"


@pytest.mark.parametrize("check", SELECTION_CHECKS, ids=lambda check: check.__name__)
def test_a_selection_from_outside_passes_the_suite(check) -> None:
    check(Evens(method=EVENS))


def test_every_file_of_the_methods_folder_is_found_by_its_names() -> None:
    folder = Path(find("uniform").__module__.replace(".", "/")).parent
    files = {path.stem for path in (Path(__file__).parents[2] / folder).glob("*.py")} - {"__init__"}
    assert {kind.__module__.rpartition(".")[2] for kind in builtin().values()} == files
    assert {"easiest", "pass_rate", "high_confidence"} <= set(names())


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("tests.selection.own:NoBuild", r"has no `build\(self, run\)`"),
        ("tests.selection.silent:Silent", r"SilentSelector has no `choose\(self, n\)`"),
        ("tests.selection.own:NoSelection", "no subclass of repro.selection.Selection"),
        ("tests.selection.own:Even", "has no 'Even', did you mean Evens"),
        ("tests.selection.owm:Evens", "there is no module 'tests.selection.owm'"),
        ("confidense", r"got \"confidense\", expected a method, did you mean confidence"),
    ],
)
def test_a_class_that_cannot_serve_is_told_so(method: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        find(method)


def test_an_entry_point_is_a_method_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("evens", EVENS, "repro.selections")
    monkeypatch.setattr(plugins, "entry_points", lambda group: EntryPoints([point]).select(group=group))
    assert find("evens") is Evens and "evens" in names()
    assert selection_of({"method": "evens", "step": 3}) == Evens(method="evens", step=3)


SPEC = """
name: x
model: tiny
dataset: arithmetic
arms:
  a: {selection: {method: "tests.selection.own:Evens", FIELDS}}
"""


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ("step: 11", r"exp.yaml:6: arms.a.selection.step: got 11, expected a whole number >= 1 and <= 10"),
        ("stap: 2", r"exp.yaml:6: arms.a.selection.stap: .*expected a field of selection .*did you mean step"),
        ("step: x", r"exp.yaml:6: arms.a.selection.step: got \"x\", expected a whole number"),
    ],
)
def test_its_fields_are_checked_by_its_own_class_with_our_messages(tmp_path: Path, fields: str, message: str) -> None:
    path = tmp_path / "exp.yaml"
    path.write_text(SPEC.replace("FIELDS", fields))
    with pytest.raises(UserError, match=message):
        load_spec(path)


def test_the_column_that_it_names_is_looked_for_in_the_dataset(tmp_path: Path) -> None:
    path = tmp_path / "exp.yaml"
    fields = SPEC.replace("own:Evens", "own:Longest")
    path.write_text(fields.replace("FIELDS", "number: steps"))
    assert load_spec(path).spec.arms["a"].selection.dataset_column == "steps"
    path.write_text(fields.replace("FIELDS", "number: length"))
    with pytest.raises(UserError, match=r'a.selection.method: got "length", expected a numeric column .*\(steps\)'):
        load_spec(path)


def test_a_category_may_be_text_and_is_looked_for_in_the_dataset(tmp_path: Path) -> None:
    path = tmp_path / "exp.yaml"
    study = SPEC.replace(f"method: {EVENS!r}".replace("'", '"'), "method: sec")
    path.write_text(study.replace("FIELDS", "category: operations"))
    assert load_spec(path).spec.arms["a"].selection.dataset_category == "operations"
    path.write_text(study.replace("FIELDS", "category: opertions"))
    with pytest.raises(UserError, match=r'a.selection.category: got "opertions", expected a column .*\(operations'):
        load_spec(path)
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"question": "1?", "answer": "1", "level": 2, "info": {"subject": "algebra"}}\n')
    dataset = DatasetSpec(path=str(rows))
    assert column_mistake(dataset, "info.subject", "category") is None is column_mistake(dataset, "level", "category")
    for column, kind in (("info.subject", "number"), ("question", "category"), ("answer", "category")):
        assert "expected a" in (column_mistake(dataset, column, kind) or "")


def test_a_cell_keeps_its_fields_through_json(tmp_path: Path) -> None:
    path = tmp_path / "exp.yaml"
    path.write_text(SPEC.replace("FIELDS", "step: 3"))
    from repro.study.expand import expand

    (cell, *_) = expand(load_spec(path).spec)
    assert cell.selection == Evens(method=EVENS, step=3)
    assert Cell.model_validate_json(cell.model_dump_json()) == cell


def test_an_edited_source_is_another_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    source = (
        "from repro.selection import Selection\nfrom edited_helper import K\n\n\n"
        "class Mine(Selection):\n    def build(self, run):\n        return K\n"
    )
    (tmp_path / "edited_rules.py").write_text(source)
    (tmp_path / "edited_helper.py").write_text("K = 1\n")
    fields = [selection_of({"method": "edited_rules:Mine"}).identity_fields(8)]
    (tmp_path / "edited_helper.py").write_text("K = 2\n")  # a module that it imports from beside it
    fields.append(selection_of({"method": "edited_rules:Mine"}).identity_fields(8))
    (tmp_path / "edited_rules.py").write_text(source + "# a word\n")
    fields.append(selection_of({"method": "edited_rules:Mine"}).identity_fields(8))
    assert len({entry["source"] for entry in fields}) == 3
