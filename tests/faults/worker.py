"""One process of the soak: it has imported everything, takes orders from its input and answers with results."""

from __future__ import annotations

import ctypes
import json
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tests.faults.cases import CASES
from tests.faults.points import Point, failures, kills
from tests.faults.shim import Control
from tests.faults.studies import STUDIES
from tests.faults.world import Undisturbed, World

PR_SET_PDEATHSIG = 1  # of Linux's prctl


class Worker:
    """Works off orders in its folder."""

    def __init__(self, folder: Path) -> None:
        from tests.faults import commands

        self.folder = folder
        self.control = Control(folder / "control")
        commands.serve_jobs()
        self.store = folder / "empty.db"
        commands.fork(self._make_store, folder, folder / "store.txt").wait()

    def _make_store(self) -> int:
        from repro.tracking.client import open_client

        open_client(f"sqlite:///{self.store}").search_experiments()
        return 0

    def work(self, order: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The results of an order, and a last one that says how long it took."""
        since, place = time.monotonic(), self.folder / "world"
        name = order.get("special") or order["study"]
        cases, more = 0, ""
        try:
            if "special" in order:
                faults = CASES[name](lambda study: World(study, place, self.control, self.store))
                yield result("special", f"--special {name}", faults)
            else:
                world = World(STUDIES[name], place, self.control, self.store)
                more = f"; {len(world.calls)} calls and {world.seconds:.1f} s undisturbed"
                for cases, one in enumerate(_disturbed(world, order), 1):  # noqa: B007
                    yield one
        except Undisturbed as error:
            yield result("broken", f"--studies {name}", [str(error)])
        shutil.rmtree(place, ignore_errors=True)
        yield {"end": f"{name}: {cases or 1} cases in {time.monotonic() - since:.0f} s{more}"}


def _disturbed(world: World, order: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The results of a study's points and random kills."""
    name, seed, whole = world.study.name, order["seed"], order.get("whole", False)
    generator = np.random.default_rng([seed, *name.encode()])
    points = kills(world.calls, order.get("kills", 0), generator)
    points += failures(world.calls, order.get("failures", 0), generator)
    if "point" in order:
        points = [Point(*order["point"])]
    how = " --whole" if whole else ""
    for point in points:
        faults = world.at(point, whole=whole)
        kind = "missed" if faults is None else "crash" if point.dies else "full"
        yield result(kind, f"--point {name} {point}{how}", faults or [])
    for number in order.get("random", []):
        yield result("random", f"--random {name} {number}{how}", world.killed(number, whole=whole))


def result(kind: str, case: str, faults: list[str]) -> dict[str, Any]:
    """One line of the answer; `case`: the options that repeat it."""
    return {"kind": kind, "case": case, "faults": faults}


def main() -> None:
    """Answer orders until the input ends, and die with the process that gives them."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    worker, out = Worker(Path(sys.argv[1])), sys.stdout
    for line in sys.stdin:
        for answer in worker.work(json.loads(line)):
            out.write(json.dumps(answer) + "\n")
            out.flush()


if __name__ == "__main__":
    main()
