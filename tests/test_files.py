"""Files and folders replaced in one step, and what is found out about them afterwards."""

from __future__ import annotations

import json
import math
import resource
from pathlib import Path

import pytest

from repro.checksums import checksums, damage, is_sealed, listed, sealed
from repro.errors import UserError
from repro.files import (
    dump_json,
    parse_jsonl,
    read_json,
    read_jsonl,
    read_object,
    write_alone,
    write_atomically,
    write_folder,
)
from repro.study.expand import expand_study
from repro.study.load import parse_spec
from repro.study.stored import stored_run
from repro.tracking.journal import Journal


def test_a_folder_is_replaced_whole_or_stays(tmp_path: Path) -> None:
    target = tmp_path / "policy"

    def write(name: str, fails: bool = False) -> None:
        def into(folder: Path) -> None:
            (folder / name).write_text(name)
            if fails:
                raise OSError("disk full")

        write_folder(target, into)

    write("one")
    with pytest.raises(OSError, match="disk full"):
        write("two", fails=True)
    assert [path.name for path in target.iterdir()] == ["one"]
    for left in (".policy.new.tmp", ".policy.old.tmp"):  # of a kill
        (tmp_path / left).mkdir()
        (tmp_path / left / "old").touch()
    write("three")
    assert [path.name for path in target.iterdir()] == ["three"]
    assert list(tmp_path.iterdir()) == [target]


def test_damage_names_each_file_and_what_is_wrong_with_it(tmp_path: Path) -> None:
    for name in ("same", "gone", "short", "changed", "grown"):
        (tmp_path / name).write_text("a" * 1200)
    recorded = checksums(tmp_path)
    (tmp_path / "gone").unlink()
    (tmp_path / "short").write_text("a" * 1199)
    (tmp_path / "changed").write_text("a" * 1199 + "b")
    (tmp_path / "grown").write_text("a" * 1201)
    expected = {
        "changed has changed since it was written",
        "gone is missing",
        "grown has 1,201 bytes instead of 1,200",
        "short has 1,199 bytes instead of 1,200",
    }
    assert set(damage(tmp_path, recorded)) == expected
    assert len(damage(tmp_path, recorded, contents=False)) == 3
    assert len(damage(tmp_path, recorded, contents=("same",))) == 3
    assert set(damage(tmp_path, recorded, growing=("grown",))) == {text for text in expected if "grown" not in text}
    assert listed(sorted(expected)).endswith("grown has 1,201 bytes instead of 1,200; and 1 more")


@pytest.mark.parametrize("record", [None, [], "x", {"a": 1}, {"a": {"size": "1", "sha256": ""}}, {"a": {"size": 1}}])
def test_a_record_that_is_none_is_damage_itself(tmp_path: Path, record: object) -> None:
    assert damage(tmp_path, record) == ["the record of its files is not whole"]


def test_a_seal_survives_the_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "done.json"
    write_atomically(path, b"")
    assert not is_sealed(read_json(path))
    record = {"summary": {"loss": float("nan"), "name": "Zoë", "rate": 1e-7}, "files": {}}
    write_atomically(path, dump_json(sealed(record)))
    assert is_sealed(read_json(path))
    path.write_bytes(path.read_bytes().replace(b"1e-07", b"1e-06"))
    assert not is_sealed(read_json(path))


@pytest.mark.parametrize("text", ["[1]", "1", "{", "", "[" * 100_000, "\x00"])
def test_what_is_no_json_object_reads_as_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    assert read_object(tmp_path / "a.json") == {}
    (tmp_path / "a.jsonl").write_text(f"{text}\n{{}}\n")
    if text:
        with pytest.raises(UserError, match=r"a\.jsonl:1: not a JSON line"):
            read_jsonl(tmp_path / "a.jsonl")


def test_a_row_for_which_the_disk_has_no_room_leaves_no_half_of_itself(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.log(0, {"a": 1.0})
    before = (tmp_path / "metrics.jsonl").read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 10, hard))
    try:
        with pytest.raises(OSError, match="No space left"):
            journal.log(1, {"a": 2.0})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (tmp_path / "metrics.jsonl").read_bytes() == before
    journal.log(1, {"a": 2.0})
    assert [row["step"] for row in read_jsonl(tmp_path / "metrics.jsonl")] == [0, 1]


def test_a_file_of_one_writer_is_rid_of_what_killed_ones_left_of_it(tmp_path: Path) -> None:
    (tmp_path / ".card.json.ab12cd34.tmp").write_bytes(b"half")
    (tmp_path / ".other.json.ab12cd34.tmp").write_bytes(b"perhaps being written")
    write_alone(tmp_path / "card.json", b"whole")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        "card.json": b"whole",
        ".other.json.ab12cd34.tmp": b"perhaps being written",
    }


def test_numbers_that_json_lacks_and_texts_that_look_like_them_come_back_as_they_were(tmp_path: Path) -> None:
    texts = ["NaN", "Infinity", "-Infinity", "\\NaN", "\\\\-Infinity", "\\infty", "\\", "nan", ""]
    value = {"texts": texts, "numbers": [math.inf, -math.inf, 0.5, 2], "none": None, "yes": True, "NaN": "NaN"}
    write_atomically(tmp_path / "a.json", dump_json({**value, "no": math.nan}))
    back = read_json(tmp_path / "a.json")
    assert math.isnan(back.pop("no")) and back == value
    assert parse_jsonl(dump_json(value, indent=None)) == [value]
    assert json.loads((tmp_path / "a.json").read_bytes())["numbers"] == ["Infinity", "-Infinity", 0.5, 2]
    record = sealed({"rows": [math.nan, "NaN"]})
    write_atomically(tmp_path / "b.json", dump_json(record))
    assert is_sealed(read_json(tmp_path / "b.json"))


def test_a_run_may_be_called_what_json_has_no_number_for(tmp_path: Path) -> None:
    spec = {"name": "x", "model": "tiny", "dataset": "arithmetic", "arms": {"NaN": {}, "Infinity": {}}}
    for one in expand_study(parse_spec(spec)):
        journal = Journal(tmp_path / one.identity)
        journal.start(one.cell, one.identity)
        journal.record_step(1, chosen=["NaN", "7"], fresh=["Infinity"], pass_rate=[math.nan])
        journal.record_completions(1, [{"question": "1/0?", "completion": "Infinity", "reward": math.nan}])
        (row,) = journal.read_jsonl("steps.jsonl")
        assert row["chosen"] == ["NaN", "7"] and row["fresh"] == ["Infinity"] and math.isnan(row["pass_rate"][0])
        (shown,) = journal.read_jsonl("completions.jsonl")
        assert shown["completions"][0]["completion"] == "Infinity"
        assert math.isnan(shown["completions"][0]["reward"])
        _, cell = stored_run(one.identity, tmp_path)
        assert cell.arm == one.cell.arm
