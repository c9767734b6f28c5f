"""Errors of the system: one line with the path and the cure; an error of this program is none."""

from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path

import pytest

from repro.errors import UserError
from repro.system_errors import CURES, explain, told_to_the_user


def raised_by(action: object) -> Exception:
    """What calling `action` raises."""
    with pytest.raises(Exception) as caught:
        action()  # type: ignore[operator]
    return caught.value


@pytest.mark.parametrize("number", CURES, ids=lambda number: errno.errorcode[number])
def test_every_error_of_a_path_is_one_line_with_the_path_and_the_cure(number: int) -> None:
    what, cure = CURES[number]
    assert explain(OSError(number, os.strerror(number), "a/b")) == f"a/b: {what}; {cure}"


def test_errors_as_the_system_raises_them(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("link")
    cases = {
        lambda: (tmp_path / "file" / "x").mkdir(): "a file is in the place of a folder",
        lambda: (tmp_path / "file").mkdir(): "something is there already",
        lambda: tmp_path.read_text(): "is a folder, expected a file",
        lambda: (tmp_path / ("x" * 300)).mkdir(): "the name is longer than the file system takes",
        lambda: (tmp_path / "link").read_text(): "its symbolic links lead in a circle",
        lambda: (tmp_path / "none").read_text(): "does not exist",
        lambda: Path("/proc/none").mkdir(): "does not exist",
        lambda: (tmp_path / "a\0b").read_text(): "embedded null byte",
    }
    for action, words in cases.items():
        told = explain(raised_by(action))
        assert told is not None and words in told and "\n" not in told


def test_a_move_names_both_places(tmp_path: Path) -> None:
    told = explain(raised_by(lambda: (tmp_path / "a").rename(tmp_path / "b" / "c")))
    assert told is not None and told.startswith(f"{tmp_path}/a -> {tmp_path}/b/c: ")


def test_a_full_disk_that_names_no_file_is_told_with_the_folder_of_the_work(tmp_path: Path) -> None:
    error = OSError(errno.ENOSPC, "No space left on device")
    assert str(explain(error, [tmp_path])).startswith(f"{tmp_path}: no space is left")
    assert str(explain(error)).startswith("no space is left")
    assert "/dev/full" not in str(explain(error, ["/dev/full", tmp_path])), "neither lies on a full disk"


def test_what_libraries_raise_counts_by_the_number_or_the_words_of_the_system() -> None:
    weights = RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)")
    assert "no space is left on the disk" in str(explain(weights))
    arrow = OSError("[Errno 28] Error writing bytes to file. Detail: [errno 28] No space left on device")
    assert "no space is left on the disk" in str(explain(arrow))
    memory = RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory")
    assert "the memory ran out" in str(explain(memory))
    assert "the memory ran out" in str(explain(MemoryError()))
    assert "ulimit -u" in str(explain(RuntimeError("can't start new thread")))


def test_a_missing_driver_is_told_with_the_line_that_installs_it() -> None:
    with pytest.raises(ModuleNotFoundError) as caught:
        __import__("no_such_driver.of_mine")
    assert explain(caught.value) == (
        "the Python package 'no_such_driver' is not installed; install it: pip install no_such_driver"
    )
    assert explain(ModuleNotFoundError("No module named 'repro.gone'", name="repro.gone")) is None


def test_a_locked_a_read_only_and_a_damaged_database_are_told(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with sqlite3.connect(path) as held:
        held.execute("create table t (x)")
        held.commit()
        held.execute("begin exclusive")
        locked = raised_by(lambda: sqlite3.connect(path, timeout=0).execute("insert into t values (1)"))
        assert "another program writes to it" in str(explain(locked))
        held.rollback()
    read_only = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    assert "it cannot be written" in str(explain(raised_by(lambda: read_only.execute("insert into t values (1)"))))
    (tmp_path / "text.db").write_text("no database at all, only words" * 100)
    damaged = raised_by(lambda: sqlite3.connect(tmp_path / "text.db").execute("select 1 from t"))
    assert "its file is no database" in str(explain(damaged))
    wrong = raised_by(lambda: read_only.execute("select no_such_column from t"))
    assert explain(wrong) is None, "a mistake in a query is a mistake of this program"


def test_a_working_directory_that_was_removed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert str(explain(raised_by(Path.cwd))).startswith("the working directory of this command: does not exist")


@pytest.mark.parametrize("error", [ValueError("x"), KeyError("a"), OSError("?"), OSError(errno.EBADF, "?")])
def test_an_error_of_this_program_is_none_of_the_system(error: Exception) -> None:
    assert explain(error) is None
    with pytest.raises(type(error)), told_to_the_user():
        raise error


def test_within_the_block_the_users_error_has_the_systems_as_its_cause(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is a folder, expected a file") as caught, told_to_the_user():
        tmp_path.read_text()
    assert isinstance(caught.value.__cause__, IsADirectoryError)
