"""The folder of a report: what it may replace, and what is there after a kill at any moment."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

import pytest

from repro.analysis.page.exchange import exchange
from repro.analysis.page.folder import MANIFEST, check, manifest, replaced, write_manifest
from repro.errors import UserError

ROOT = Path(__file__).parents[3]
WORDS = ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.chmod")


def write(out: Path, word: str, *more: str) -> None:
    """A small report whose files all say `word`."""
    with replaced(out) as folder:
        for name in ("report.html", "figures/a.png", "tables/a.csv", *more):
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(word)


def content(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != MANIFEST
    }


def report_of(word: str, *more: str) -> dict[str, str]:
    return dict.fromkeys(sorted(("report.html", "figures/a.png", "tables/a.csv", *more)), word)


def test_a_report_replaces_the_earlier_one_and_leaves_nothing_of_it_or_beside_it(tmp_path: Path):
    out = tmp_path / "deep" / "out"
    write(out, "one", "figures/gone.png")
    assert content(out) == report_of("one", "figures/gone.png") and set(manifest(out) or ()) == set(content(out))
    write(out, "two")
    assert content(out) == report_of("two") and [path.name for path in out.parent.iterdir()] == ["out"]


def test_a_folder_with_files_of_the_user_is_refused_and_none_is_touched(tmp_path: Path):
    out = tmp_path / "out"
    (out / "figures").mkdir(parents=True)
    (out / "figures" / "photo.png").write_text("mine")
    (out / MANIFEST).write_text('{"files": {"figures/photo.png": "0"}}')  # of some other program
    before = content(tmp_path)
    with pytest.raises(UserError, match=r"--out: .*out holds figures/photo.png.*Nothing was changed"):
        write(out, "new")
    assert content(tmp_path) == before


def test_files_added_to_a_report_stay_and_edited_ones_are_kept_beside(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    out = tmp_path / "out"
    write(out, "one")
    (out / "figures" / "notes.txt").write_text("mine")
    (out / "own").symlink_to(tmp_path)
    (out / "report.html").write_text("edited")
    for _ in range(2):
        write(out, "two")
        more = {"figures/notes.txt": "mine", "report.html.edited": "edited"}
        assert {name: text for name, text in content(out).items() if not name.startswith("own/")} == (
            report_of("two") | more
        )
        assert (out / "own").is_symlink()
    assert "report.html was edited" in caplog.text


def test_a_file_of_the_user_where_the_report_has_one_now_is_refused(tmp_path: Path):
    out = tmp_path / "out"
    write(out, "one")
    (out / "figures" / "b.png").write_text("mine")
    with pytest.raises(UserError, match=r"holds figures/b.png, where the report has a file of its own"):
        write(out, "two", "figures/b.png")
    assert content(out) == report_of("one") | {"figures/b.png": "mine"}
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("place", ["file", "file/below", "."])
def test_what_is_no_folder_of_its_own_is_a_mistake_of_the_user(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UserError, match="--out: "):
        write(Path(place), "new")
    assert content(tmp_path) == {"file": "mine"}


@pytest.mark.parametrize("name", ["x" * 300, f"{'x' * 300}/below"])
def test_a_name_that_the_file_system_does_not_take_is_told_before_anything_is_read(name: str, tmp_path: Path):
    with pytest.raises(UserError, match=r"--out: cannot write the report .*File name too long"):
        check(tmp_path / name)
    assert content(tmp_path) == {}


def test_a_link_stays_a_link_and_its_folder_is_replaced(tmp_path: Path):
    write(tmp_path / "real", "one")
    for name, target in (("link", "real"), ("dangling", "later")):
        (tmp_path / name).symlink_to(target)
        write(tmp_path / name, "two")
        assert (tmp_path / name).is_symlink() and content(tmp_path / target) == report_of("two")


def test_a_full_disk_leaves_the_old_page_whole_and_is_told(tmp_path: Path):
    write(tmp_path / "out", "one")
    with pytest.raises(UserError, match=r"No space left on device.*free some space"), replaced(tmp_path / "out") as new:
        (new / "report.html").write_text("half of")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(new / "report.html"))
    assert content(tmp_path) == {f"out/{name}": text for name, text in report_of("one").items()}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_parent_is_told(tmp_path: Path):
    write(tmp_path / "parent" / "out", "one")
    (tmp_path / "parent").chmod(0o555)
    with pytest.raises(UserError, match="Permission denied"):
        write(tmp_path / "parent" / "out", "two")
    (tmp_path / "parent").chmod(0o755)
    assert content(tmp_path / "parent" / "out") == report_of("one")


def test_without_the_call_that_swaps_folders_two_moves_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def missing(one: Path, other: Path) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr("repro.analysis.page.exchange._swap", missing)
    write(tmp_path / "out", "one")
    (tmp_path / "out" / "notes.txt").write_text("mine")
    write(tmp_path / "out", "two")
    assert content(tmp_path) == {f"out/{name}": text for name, text in report_of("two").items()} | {
        "out/notes.txt": "mine"
    }
    with pytest.raises(FileNotFoundError):
        exchange(tmp_path / "none", tmp_path / "out", tmp_path / "spare")
    assert content(tmp_path / "out")["report.html"] == "two"


def killed(out: Path, moment: int) -> bool:
    """Write a report in a process that dies before its `moment`-th operation on files; whether it came so far."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    seen = 0

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal seen
        if event in WORDS and str(out.parent) in str(arguments[0]):
            seen += 1
            if seen == moment:
                os._exit(9)

    sys.addaudithook(hook)
    write(out, "two")
    os._exit(0)


@pytest.mark.parametrize("one_move", [True, False])
def test_a_kill_at_any_moment_leaves_the_old_report_or_the_new(
    one_move: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def missing(one: Path, other: Path) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    if not one_move:
        monkeypatch.setattr("repro.analysis.page.exchange._swap", missing)
    monkeypatch.setattr("repro.analysis.page.folder.force_to_disk", lambda path: None)  # takes seconds
    moment, between, seen = 0, 0, set()
    while True:
        moment += 1
        out = tmp_path / str(moment) / "out"
        write(out, "one", "figures/gone.png")
        (out / "notes.txt").write_text("mine")
        if not killed(out, moment):
            break
        if out.exists():
            found = {name: text for name, text in content(out).items() if name != "notes.txt"}
            assert found in (report_of("one", "figures/gone.png"), report_of("two"))
            assert set(manifest(out) or ()) == set(found)
            seen.add(found["report.html"])
        else:
            between += 1
        write(out, "three")
        assert content(out.parent) == {f"out/{name}": text for name, text in report_of("three").items()} | {
            "out/notes.txt": "mine"
        }
        assert [path.name for path in out.parent.iterdir()] == ["out"]
    assert moment > 30 and seen == {"one", "two"} and between <= (0 if one_move else 2)


def test_the_working_folder_of_a_living_writer_is_left_alone(tmp_path: Path):
    with replaced(tmp_path / "out") as first:
        (first / "report.html").write_text("slow")
        write(tmp_path / "out", "quick")
        assert first.is_dir()
    assert content(tmp_path / "out") == {"report.html": "slow"}
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("name", ["quickstart", "dots_rr", "ufo_rl"])
def test_the_reports_of_the_repository_list_their_files_and_can_be_replaced(name: str, tmp_path: Path):
    folder = ROOT / "reports" / name
    listed = manifest(folder)
    assert listed is not None
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} - {MANIFEST}
    assert found == set(listed)
    (tmp_path / "copy").mkdir()
    for path in found:
        (tmp_path / "copy" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "copy" / path).write_bytes((folder / path).read_bytes())
    write_manifest(tmp_path / "copy")
    assert manifest(tmp_path / "copy") == listed, "a file was edited by hand: write the report again"
