"""Disturbs real commands at many points and checks that the next run of each ends as if nothing had happened.

    python -m tests.faults.soak --seed 0                 # all of it
    python -m tests.faults.soak --point dots kill-all write 3 'runs/*/metrics.jsonl'    # one case again
    python -m tests.faults.soak --random dots 17

Prints a line per case with the options that repeat it, what is wrong with those that failed, and a summary. Exit code 1
where a case failed.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from tests.faults import shim
from tests.faults.cases import CASES
from tests.faults.commands import ROOT
from tests.faults.studies import STUDIES

SMALL = {"dots": (3, 1, 0), "short": (3, 1, 1), "score": (2, 1, 0)}
"""Study -> crash points, full disks and random kills of the small soak."""
Order = dict[str, Any]


def orders(options: argparse.Namespace) -> Iterator[Order]:
    """What the workers have to do, the longest first."""
    seed = options.seed
    if options.point:
        study, action, operation, count, pattern = options.point
        yield {"study": study, "seed": seed, "point": [action, operation, int(count), pattern], "whole": options.whole}
    elif options.random:
        study, number = options.random
        yield {"study": study, "seed": seed, "random": [int(number)], "whole": options.whole}
    elif options.special:
        yield {"special": options.special}
    elif options.small:
        for name, (points, full, random) in SMALL.items():
            yield {"study": name, "seed": seed, "kills": points, "failures": full, "random": seeds(seed, random)}
    else:
        chosen = [STUDIES[name] for name in options.studies or STUDIES]
        for study in sorted(chosen, key=lambda study: -study.seconds * study.points):
            points, full, random = (math.ceil(n * options.share) for n in (study.points, study.full, study.random))
            yield {
                "study": study.name, "seed": seed, "kills": points, "failures": full, "random": seeds(seed, random)
            }  # fmt: skip
        if not options.studies:
            yield from ({"special": name} for name in CASES)
            for name in ("dots", "report"):  # a few as a user starts them, with a server of their own for the jobs
                few = {"kills": 3, "failures": 1, "random": seeds(seed + 1, 3)}
                yield {"study": name, "seed": seed + 1, "whole": True, **few}


def seeds(seed: int, number: int) -> list[int]:
    """Seeds of random kills."""
    return [1000 * seed + i for i in range(number)]


class Workers:
    """Processes that work off orders; `results` are printed as they come."""

    def __init__(self, count: int, folder: Path, todo: Sequence[Order]) -> None:
        self.folder, self.results = folder, SimpleQueue[dict[str, Any]]()
        self.todo: SimpleQueue[Order] = SimpleQueue()
        for order in todo:
            self.todo.put(order)
        self.library = shim.compiled(folder)
        self.threads = [threading.Thread(target=self._follow, args=(index,)) for index in range(count)]

    def run(self) -> list[dict[str, Any]]:
        """All results."""
        for thread in self.threads:
            thread.start()
        for thread in self.threads:
            thread.join()
        found = []
        while not self.results.empty():
            found.append(self.results.get())
        return found

    def _follow(self, index: int) -> None:
        folder = self.folder / f"worker-{index}"
        folder.mkdir()
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.worker", str(folder)], cwd=ROOT, env=self._environment(folder),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdin and process.stdout
        while True:
            try:
                order = self.todo.get_nowait()
            except Empty:
                break
            process.stdin.write(json.dumps(order) + "\n")
            process.stdin.flush()
            while (line := process.stdout.readline()) and "end" not in (result := json.loads(line)):
                self.results.put(result)
                _print(result)
            if not line:
                result = {"kind": "broken", "case": json.dumps(order), "faults": ["the worker died"]}
                self.results.put(result)
                _print(result)
                return
            sys.stdout.write(f"{result['end']}\n")
            sys.stdout.flush()
        process.stdin.close()
        process.wait()

    def _environment(self, folder: Path) -> dict[str, str]:
        variables = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
        threads = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
        return {
            **variables, **dict.fromkeys(threads, "1"), "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT),
            "LD_PRELOAD": str(self.library), shim.VARIABLE: str(folder / "control"),
        }  # fmt: skip


def _print(result: dict[str, Any]) -> None:
    lines = "".join(f"    {fault}\n" for fault in result["faults"])
    state = "FAILED" if lines else "not reached" if result["kind"] == "missed" else "ok"
    sys.stdout.write(f"{state} {result['case']}\n{lines}")
    sys.stdout.flush()


def summary(results: Sequence[dict[str, Any]]) -> str:
    """One line on how many cases of each kind there were, and how many of them went wrong."""
    counts = Counter(result["kind"] for result in results)
    faults = [" ".join(result["faults"]) for result in results if result["faults"]]
    lost = sum("missing: " in fault for fault in faults)
    different = sum("different: " in fault and "missing: " not in fault for fault in faults)
    return (
        f"{counts['crash']} crash points, {counts['random']} random kills, {counts['full']} full disks and I/O errors, "
        f"{counts['special']} other cases, {counts['missed']} not reached: "
        f"{lost} lost, {different} different, {len(faults) - lost - different} otherwise wrong"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the soak; 1 where a case failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.soak", description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0, help="of points, actions and times")
    parser.add_argument("--workers", type=int, default=2, help="cases at a time")
    parser.add_argument("--small", action="store_true", help="a dozen cases")
    parser.add_argument("--share", type=float, default=1.0, help="of the cases of each study")
    parser.add_argument("--studies", nargs="+", choices=list(STUDIES), help="only these")
    parser.add_argument("--point", nargs=5, metavar=("STUDY", "ACTION", "OPERATION", "COUNT", "PATTERN"))
    parser.add_argument("--random", nargs=2, metavar=("STUDY", "SEED"))
    parser.add_argument("--special", choices=list(CASES))
    parser.add_argument("--whole", action="store_true", help="start commands as a user does, not in forked processes")
    parser.add_argument("--failures", type=Path, help="write the cases that failed to this file as JSON lines")
    options = parser.parse_args(arguments)
    sys.stdout.write(f"seed {options.seed}\n")
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        todo = list(orders(options))
        results = Workers(min(options.workers, len(todo)), Path(folder), todo).run()
    failed = [result for result in results if result["faults"]]
    if options.failures:
        options.failures.write_text("".join(json.dumps(result) + "\n" for result in failed))
    sys.stdout.write(summary(results) + "\n")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
