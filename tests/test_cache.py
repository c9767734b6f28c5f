"""The cache: built once, whole or absent, whoever asks and whoever is killed."""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from repro.cache import MARKER, Cache

BUILDER = """
import os, sys, time
from pathlib import Path
from repro.cache import Cache

root, log, seconds = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])

def build(directory):
    with log.open("a") as lines:
        lines.write(f"{os.getpid()}\\n")
    (directory / "first.txt").write_text("first")
    time.sleep(seconds)
    (directory / "second.txt").write_text("second")

print(Cache(root).directory("scores", "k1", build), flush=True)
"""


def start_builder(root: Path, log: Path, seconds: float) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", BUILDER, str(root), str(log), str(seconds)], stdout=subprocess.PIPE, text=True
    )


def wait_for(condition, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the other process did not get there"
        time.sleep(0.01)


def write_one(directory: Path) -> None:
    (directory / "value.txt").write_text("one")


def test_an_item_is_built_once_and_found_afterwards(tmp_path):
    cache, calls = Cache(tmp_path), []

    def build(directory: Path) -> None:
        calls.append(directory)
        write_one(directory)

    assert cache.get("scores", "abc") is None
    first = cache.directory("scores", "abc", build)
    second = Cache(str(tmp_path)).directory("scores", "abc", build)
    assert first == second == cache.get("scores", "abc") == tmp_path / "scores" / "abc"
    assert (first / "value.txt").read_text() == "one"
    assert len(calls) == 1


def test_kinds_and_keys_do_not_mix(tmp_path):
    cache = Cache(tmp_path)
    places = {
        cache.directory(kind, key, lambda d, text=kind + key: (d / "value.txt").write_text(text) and None)
        for kind in ("scores", "warm_start")
        for key in ("a", "a-b", "a.lock")
    }
    assert len(places) == 6
    assert {(p / "value.txt").read_text() for p in places} == {p.parent.name + p.name for p in places}


def test_a_failed_build_leaves_nothing_and_is_tried_again(tmp_path):
    cache = Cache(tmp_path)

    def fail(directory: Path) -> None:
        write_one(directory)
        raise RuntimeError("no memory")

    with pytest.raises(RuntimeError, match="no memory"):
        cache.directory("scores", "abc", fail)
    assert cache.get("scores", "abc") is None
    assert not list((tmp_path / "scores" / ".building").iterdir())
    assert (cache.directory("scores", "abc", write_one) / "value.txt").read_text() == "one"


def test_a_directory_without_its_marker_is_not_taken_for_whole(tmp_path):
    cache = Cache(tmp_path)
    half = tmp_path / "scores" / "abc"
    half.mkdir(parents=True)
    (half / "stale.txt").write_text("half")
    assert cache.get("scores", "abc") is None
    place = cache.directory("scores", "abc", write_one)
    assert (place / "value.txt").is_file() and not (place / "stale.txt").exists()


@pytest.mark.parametrize("name", ["../outside", "a/b", "", ".hidden", "a b"])
def test_a_name_that_could_leave_the_cache_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match="cannot name"):
        Cache(tmp_path).get("scores", name)
    with pytest.raises(ValueError, match="cannot name"):
        Cache(tmp_path).directory(name, "abc", write_one)


def test_two_processes_that_ask_at_once_build_once(tmp_path):
    log = tmp_path / "log.txt"
    builders = [start_builder(tmp_path / "cache", log, 0.4) for _ in range(2)]
    answers = [builder.communicate(timeout=30)[0].strip() for builder in builders]
    assert answers == [str(tmp_path / "cache" / "scores" / "k1")] * 2
    assert len(log.read_text().splitlines()) == 1
    assert (Path(answers[0]) / "second.txt").read_text() == "second"


def test_a_killed_builder_leaves_no_half_item_and_no_lock(tmp_path):
    log = tmp_path / "log.txt"
    victim = start_builder(tmp_path / "cache", log, 60)
    half = tmp_path / "cache" / "scores" / ".building" / "k1" / "first.txt"
    wait_for(half.exists)
    os.kill(victim.pid, signal.SIGKILL)
    victim.wait()
    assert Cache(tmp_path / "cache").get("scores", "k1") is None
    place = Cache(tmp_path / "cache").directory("scores", "k1", write_one)
    assert sorted(p.name for p in place.iterdir()) == [".complete", "value.txt"]


def test_threads_of_one_process_build_once(tmp_path):
    calls: list[int] = []

    def build(directory: Path) -> None:
        calls.append(1)
        time.sleep(0.1)
        write_one(directory)

    threads = [threading.Thread(target=Cache(tmp_path).directory, args=("scores", "abc", build)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 1


def test_an_item_may_be_built_from_another(tmp_path):
    cache = Cache(tmp_path)

    def build(directory: Path) -> None:
        inner = cache.directory("scores", "inner", write_one)
        (directory / "value.txt").write_text((inner / "value.txt").read_text() + " and two")

    assert (cache.directory("scores", "outer", build) / "value.txt").read_text() == "one and two"


def test_an_item_built_anew_replaces_the_old_one_once_it_is_whole(tmp_path):
    cache = Cache(tmp_path)
    old = cache.directory("scores", "k1", write_one) / "value.txt"

    def fail(directory: Path) -> None:
        (directory / "value.txt").write_text("two")
        assert old.read_text() == "one"
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        cache.directory("scores", "k1", fail, anew=True)
    assert old.read_text() == "one"
    cache.directory("scores", "k1", lambda directory: (directory / "value.txt").write_text("three") and None, anew=True)
    assert old.read_text() == "three" and cache.get("scores", "k1") == old.parent
    assert not list((tmp_path / "scores/.building").iterdir())


def short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def write_two(directory: Path) -> None:
    write_one(directory)
    (directory / "inner").mkdir()
    (directory / "inner" / "values.bin").write_bytes(bytes(range(200)))


@pytest.mark.parametrize("damage", [short, flipped, Path.unlink])
@pytest.mark.parametrize("name", ["value.txt", "inner/values.bin"])
def test_a_damaged_item_is_made_again_and_that_is_said(tmp_path, damage, name, caplog):
    cache = Cache(tmp_path)
    place = cache.directory("scores", "k1", write_two)
    damage(place / name)
    assert cache.get("scores", "k1") is None
    with caplog.at_level(logging.WARNING, "repro.cache"):
        assert cache.directory("scores", "k1", write_two) == place
    assert (place / "inner/values.bin").read_bytes() == bytes(range(200)) and (place / "value.txt").read_text() == "one"
    (record,) = caplog.records
    assert str(place) in record.message and name in record.message
    assert cache.get("scores", "k1") == place


@pytest.mark.parametrize("content", ['{"files": {}}', '{"files"', "[1]", "null"])
def test_an_item_whose_marker_is_damaged_is_made_again(tmp_path, content):
    cache = Cache(tmp_path)
    place = cache.directory("scores", "k1", write_two)
    (place / MARKER).write_text(content)
    assert cache.get("scores", "k1") is None
    cache.directory("scores", "k1", write_two)
    assert set(json.loads((place / MARKER).read_text())["files"]) == {"value.txt", "inner/values.bin"}


def test_an_item_of_an_earlier_version_is_taken_as_it_is(tmp_path):
    place = Cache(tmp_path).directory("scores", "k1", write_one)
    (place / MARKER).write_bytes(b"")
    assert Cache(tmp_path).directory("scores", "k1", lambda directory: pytest.fail("it is there")) == place


def test_an_item_under_the_name_of_another_is_made_again(tmp_path, caplog):
    cache = Cache(tmp_path)
    other = cache.directory("scores", "k1", write_two)
    place = cache.directory("scores", "k2", write_one)
    shutil.rmtree(place)
    shutil.copytree(other, place)
    assert cache.get("scores", "k2") is None
    with caplog.at_level(logging.WARNING, "repro.cache"):
        cache.directory("scores", "k2", write_one)
    assert "it is the item scores/k1 under another name" in caplog.text
    assert not (place / "inner").exists() and cache.get("scores", "k2") == place
    shutil.copytree(tmp_path, tmp_path / "elsewhere" / "cache", ignore=shutil.ignore_patterns("elsewhere"))
    assert Cache(tmp_path / "elsewhere" / "cache").get("scores", "k1") is not None, "a cache may be moved"


def test_what_a_killed_builder_left_is_removed_although_the_item_is_whole(tmp_path):
    cache = Cache(tmp_path)
    place = cache.directory("scores", "k1", write_one)
    building = tmp_path / "scores" / ".building"
    for name in ("k1", ".k1.old", "k2"):
        shutil.copytree(place, building / name)
    assert cache.directory("scores", "k1", write_one) == place
    assert [path.name for path in building.iterdir()] == ["k2"], "the other item may be in the making"


def test_an_item_that_is_being_made_anew_can_be_read_meanwhile(tmp_path):
    cache = Cache(tmp_path)
    place = cache.directory("scores", "k1", write_one)

    def again(directory: Path) -> None:
        reader = threading.Thread(target=lambda: read.append(Cache(tmp_path).directory("scores", "k1", write_one)))
        reader.start()
        reader.join(10)
        assert directory.is_dir()
        write_one(directory)

    read: list[Path] = []
    cache.directory("scores", "k1", again, anew=True)
    assert read == [place]
