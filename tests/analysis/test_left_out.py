"""Finished runs that cannot be read: left out, named with the cure, and the rest of the report goes on."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from repro.analysis.page.missing import left_out, missing_table
from repro.analysis.page.report import write_report
from repro.analysis.study import load_study
from repro.errors import UserError
from repro.tracking.read import read_runs
from repro.tracking.run_record import RunRecord
from tests.analysis.behaviour import Behaviour
from tests.analysis.synthetic import Store

FULL = Behaviour((0.4, 0.5, 0.6, 0.6))
RANDOM = {"selection": {"method": "random", "fraction": 0.25}}


def records(store: Store) -> dict[tuple[str, int], RunRecord]:
    return {(record.arm, record.seed): record for record in read_runs(store.loaded.spec.name, store.uri)}


def files(record: RunRecord) -> Path:
    assert record.artifacts is not None
    return record.artifacts


def execute(store: Store, query: str, *values: str) -> None:
    assert store.uri is not None
    with closing(sqlite3.connect(store.uri.removeprefix("sqlite:///"))) as connection, connection:
        connection.execute(query, values)


def test_every_kind_of_damage_leaves_its_run_out_and_is_told_with_the_cure(study: Callable[..., Store]):
    store = study({"full": ({}, FULL), "random": (RANDOM, FULL)}, seeds=3)
    known = records(store)
    shutil.rmtree(files(known["full", 0]))
    one = files(known["full", 1]) / "evaluations.jsonl"
    one.write_text(one.read_text().replace('"test-0": 4', '"test-0": 3', 1))
    ledger = files(known["random", 0]) / "ledger.json"
    ledger.write_bytes(ledger.read_bytes()[:40])
    late = "DELETE FROM metrics WHERE key = 'cost/seconds' AND step > 4 AND run_uuid = ?"
    execute(store, late, known["random", 1].run_id)
    (files(known["random", 2]) / "notes.txt").write_text("mine")  # not ours: nothing is wrong with that run
    found = load_study(store.loaded.spec, store.uri)
    assert {series.label: series.seeds for series in found.panels[0].series} == {"full": (2,), "random": (2,)}
    why = {key: found.left_out[known[key].identity] for key in known if known[key].identity in found.left_out}
    assert why["full", 0] == f"its files are missing: there is no folder {known['full', 0].artifacts}"
    assert why["full", 1].startswith("its files are not those that were delivered: ")
    assert "ledger.json cannot be read: " in why["random", 0]
    assert why["random", 1] == "metric cost/seconds ends at step 4 in the store, the run at step 8"
    table, said = missing_table(found), left_out(found)
    assert list(table.data["status"]) == ["left out"] * 4 and list(table.data["reason"]) == list(
        found.left_out.values()
    )
    assert (
        len(said) == 5 and "seed 0) is left out: its files are missing" in said[0] and "delivers it again" in said[-1]
    )


def test_a_file_that_turns_out_damaged_late_costs_its_run_and_not_the_report(
    study: Callable[..., Store], tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    store = study({"full": ({}, FULL)}, seeds=3)
    record = records(store)["full", 1]
    execute(store, "DELETE FROM tags WHERE key = 'repro.files' AND run_uuid = ?", record.run_id)  # says not what it had
    steps = files(record) / "steps.jsonl"
    rows = [json.loads(line) for line in steps.read_text().splitlines()]
    del rows[3]["pass_rate"]
    steps.write_text("".join(json.dumps(row) + "\n" for row in rows))
    page = write_report(store.loaded, store.runs_dir, tmp_path / "out", store.uri)
    text = page.read_text(encoding="utf-8")
    assert "2 of 3 runs are finished" in text and f"<code>{record.identity}</code> (full on" in text
    assert "steps.jsonl cannot be read: lacks 'pass_rate'" in caplog.text and "delivers it again" in caplog.text


def test_where_every_run_is_damaged_the_mistake_names_one_and_the_cure(study: Callable[..., Store], tmp_path: Path):
    store = study({"full": ({}, FULL)}, seeds=2)
    for record in records(store).values():
        shutil.rmtree(files(record))
    with pytest.raises(
        UserError, match=r"(?s)no finished run .* can be read.*and 1 more: its files are missing.*deliver"
    ):
        write_report(store.loaded, store.runs_dir, tmp_path / "out", store.uri)
    assert not (tmp_path / "out").exists()


def test_a_copied_project_is_read_from_the_copy(study: Callable[..., Store], tmp_path: Path):
    store = study({"full": ({}, FULL)}, seeds=2)
    name = store.loaded.spec.name
    original = Path(str(store.uri).removeprefix("sqlite:///"))
    copy = tmp_path / "copy"
    shutil.copytree(original.parent / "mlartifacts" / name, copy / "mlartifacts" / name)
    shutil.copyfile(original, copy / original.name)
    uri = f"sqlite:///{copy / original.name}"
    found = read_runs(name, uri)
    assert len(found) == 2 and all(files(record).is_relative_to(copy) for record in found)
    shutil.rmtree(files(found[1]))
    assert len(load_study(store.loaded.spec, uri).left_out) == 1
    assert not load_study(store.loaded.spec, store.uri).left_out
