"""Files and folders replaced in one step, and what is found out about them afterwards."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from repro.checksums import checksums, damage, is_sealed, listed, sealed
from repro.errors import UserError
from repro.files import dump_json, read_json, read_jsonl, read_object, write_alone, write_atomically, write_folder
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
