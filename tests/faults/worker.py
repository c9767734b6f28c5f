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
from tests.faults.world import World

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
        since = time.monotonic()
        if "special" in order:
            name = order["special"]
            place = self.folder / name
            faults = CASES[name](lambda study: World(study, place, self.control, self.store))
            shutil.rmtree(place)
            yield result("special", name, faults, f"--special {name}")
            yield {"end": f"{name}: {time.monotonic() - since:.0f} s"}
            return
        study, seed, whole = STUDIES[order["study"]], order["seed"], order.get("whole", False)
        place = self.folder / study.name
        world = World(study, place, self.control, self.store)
        generator = np.random.default_rng([seed, *study.name.encode()])
        points = kills(world.calls, order.get("kills", 0), generator)
        points += failures(world.calls, order.get("failures", 0), generator)
        if "point" in order:
            points = [Point(*order["point"])]
        for point in points:
            kind = "crash" if point.dies else "full"
            yield result(
                kind, f"{study.name} {point}", world.at(point, whole=whole), f"--point {study.name} {point}", whole
            )
        for number in order.get("random", []):
            yield result(
                "random",
                f"{study.name} {number}",
                world.killed(number, whole=whole),
                f"--random {study.name} {number}",
                whole,
            )
        shutil.rmtree(place)
        cases, seconds = len(points) + len(order.get("random", [])), time.monotonic() - since
        undisturbed = f"{len(world.calls)} calls and {world.seconds:.1f} s undisturbed"
        yield {"end": f"{study.name}: {cases} cases in {seconds:.0f} s; {undisturbed}"}


def result(kind: str, case: str, faults: list[str], words: str, whole: bool = False) -> dict[str, Any]:
    """One line of the answer."""
    again = f"python -m tests.faults.soak {words}{' --whole' if whole else ''}"
    return {"kind": kind, "case": case + (" --whole" if whole else ""), "faults": faults, "repeat": again}


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
