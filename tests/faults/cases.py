"""Cases beside kills and full disks: two commands at once, and a store that is away, hangs, is locked or comes back."""

from __future__ import annotations

import json
import re
import socket
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from tests.faults.commands import Ended, forked
from tests.faults.studies import DOTS_RR, STUDIES, UFO, Study, run, spec
from tests.faults.world import World

Make = Callable[[Study], World]
BOTH = STUDIES["both"]
TRAIN = replace(BOTH, commands=(run("both"),))
SHARED = Study(
    "shared",
    {**spec("one", f"{{full: {{}}, ufo: {UFO}}}"), **spec("other", f"{{middle: {UFO}, dots_rr: {DOTS_RR}}}")},
    (run("one"), run("other")),
)
HANGS_FOR = 30.0
"""Seconds by which a run may be slower where the store accepts calls and never answers."""


def two_runs_at_once(make: Make) -> list[str]:
    """Two `run`s of one spec: the state of one, and each cell paid for once."""
    world = make(TRAIN)
    paid = _paid(world.work)
    world.fresh()
    return _together(world, [run("both"), run("both")], paid)


def two_specs_that_share_a_cell(make: Make) -> list[str]:
    """Two specs whose cells overlap, run at once: the state of one after the other, and each cell paid for once.

    A shared cell names the study that came first, which may be either.
    """
    world = make(SHARED)
    paid = _paid(world.work)
    world.fresh()
    faults = _together(world, [run("one"), run("other")], paid)
    study = re.compile(r"/cell\.json: (labels\.experiment|cell\.spec): ")  # of whichever trained it first
    return [fault for fault in faults if study.search(fault) is None]


def run_and_report_at_once(make: Make) -> list[str]:
    """Reports while the study trains: each is written or says that nothing is there, and the last is the whole one."""
    world = make(BOTH)
    world.fresh()
    training = world.start(run("both"))
    faults: list[str] = []
    while training.poll() is None:
        ended = forked(("report", "both.yaml"), world.work, world.folder / "report.txt").wait()
        faults += [f"report: {fault}" for fault in ended.faults((0, 2))]
    faults += [f"run: {fault}" for fault in training.wait().faults((0,))]
    return faults + world.finish()


def _together(world: World, commands: list[tuple[str, ...]], paid: Counter[str]) -> list[str]:
    running = [forked(words, world.work, world.folder / f"out-{i}.txt") for i, words in enumerate(commands)]
    faults = [f"{one.out.name}: {fault}" for one in running for fault in one.wait().faults((0,))]
    faults += world.differences()
    if _paid(world.work) != paid:
        faults.append(f"paid for {dict(_paid(world.work))}, expected {dict(paid)}: a cell was trained twice")
    return faults


def _paid(folder: Path) -> Counter[str]:
    """Run -> completions and trained tokens that were paid for, redone work included."""
    paid: Counter[str] = Counter()
    for path in (folder / "runs").glob("*/spent.jsonl"):
        for line in path.read_bytes().splitlines():
            row = json.loads(line)
            paid[path.parent.name] += row["completions"] + row["trained_tokens"]
    return paid


# ---------------------------------------------------------------- the store


def a_store_that_refuses(make: Make) -> list[str]:
    """Nobody listens at the store's address: the run is whole on disk, says so, and the next run delivers it."""
    return _without_store(make(TRAIN), "http://127.0.0.1:9")


def a_store_that_hangs(make: Make) -> list[str]:
    """The store accepts calls and never answers: the run is a little slower, and the next run delivers it."""
    with _silent_server() as address:
        return _without_store(make(TRAIN), address)


def _without_store(world: World, address: str) -> list[str]:
    world.fresh()
    ended = forked(run("both"), world.work, world.out, {"MLFLOW_TRACKING_URI": address}).wait()
    faults = _undelivered(world, ended)
    if ended.seconds > world.seconds + HANGS_FOR:
        faults.append(f"{ended.seconds:.0f} s in place of {world.seconds:.0f} s")
    on_disk = {name: value for name, value in world.expected.items() if not name.startswith("store: ")}
    got = {name: value for name, value in world.state().items() if not name.startswith("store: ")}
    faults += [f"on disk: {name}" for name in on_disk if got.get(name) != on_disk[name]][:5]
    return faults + world.finish()


def a_store_that_is_locked(make: Make) -> list[str]:
    """Another program holds the sqlite file: the run ends within bounds, and the next run delivers it."""
    world = make(TRAIN)
    world.fresh()
    with _locked(world.work / "mlflow.db"):
        ended = world.start(run("both")).wait()
    return _undelivered(world, ended) + world.finish()


def a_store_that_comes_back(make: Make) -> list[str]:
    """The sqlite file is held for a few seconds only: the same run delivers everything."""
    world = make(TRAIN)
    world.fresh()
    with _locked(world.work / "mlflow.db") as connection:
        running = world.start(run("both"))
        time.sleep(3)
        connection.rollback()
        ended = running.wait()
    faults = ended.faults((0, 1))
    return faults + (world.differences() if ended.code == 0 else []) + world.finish()


def _undelivered(world: World, ended: Ended) -> list[str]:
    faults = ended.faults((0, 1))
    if ended.code == 0 and "not in the MLflow store" in ended.output:
        faults.append("exit code 0 though the store lacks runs")
    if "not in the MLflow store" not in ended.output:
        faults.append(f"no word on what the store lacks: {ended.output[-400:]}")
    return faults


@contextmanager
def _locked(path: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    try:
        yield connection
    finally:
        if connection.in_transaction:
            connection.rollback()
        connection.close()


@contextmanager
def _silent_server() -> Iterator[str]:
    """The address of a server that accepts connections and never answers."""
    listening, kept = socket.create_server(("127.0.0.1", 0)), []

    def accept() -> None:
        while True:
            try:
                kept.append(listening.accept())
            except OSError:
                return

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()
        for connection, _ in kept:
            connection.close()


CASES: dict[str, Callable[[Make], list[str]]] = {
    "two-runs": two_runs_at_once,
    "two-specs": two_specs_that_share_a_cell,
    "run-and-report": run_and_report_at_once,
    "store-refuses": a_store_that_refuses,
    "store-hangs": a_store_that_hangs,
    "store-locked": a_store_that_is_locked,
    "store-comes-back": a_store_that_comes_back,
}
"""By name."""
