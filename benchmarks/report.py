"""Times `report` on a store of many runs: CPU seconds, wall seconds and peak memory of a process of its own.

    python benchmarks/report.py --runs 1000 --evaluations 60
    python benchmarks/report.py --runs 15 --evaluations 60 --rounds 3 --against ../older   # a working tree of the suite

Prints one row of the table in `benchmarks/README.md` for each tree, medians over rounds in alternating order. A store
that lies in the folder already is taken again. `--against` reads a store of its own, `<folder>/<name>-against`: make it
with that tree where its identities differ.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from installed import environment

ROOT = Path(__file__).parents[1]
CHILD = """
import atexit, json, resource, time
from repro.cli import start
began = time.perf_counter()

@atexit.register
def told():
    used, waited = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = sum(one.ru_utime + one.ru_stime for one in (used, waited))
    print(json.dumps([cpu, time.perf_counter() - began, max(used.ru_maxrss, waited.ru_maxrss) / 1024]))

start()
"""


class Measured(NamedTuple):
    """One `report`: CPU and wall seconds, and its peak memory in MB."""

    cpu: float
    wall: float
    memory: float


def measure(variables: dict[str, str], spec: Path) -> Measured:
    """Run `report` of a study once, with the code that the environment `variables` name."""
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-c", CHILD, "report", spec.name, "--out", f"{out}/report"]
        done = subprocess.run(command, cwd=spec.parent, env=variables, capture_output=True, text=True, check=True)
    return Measured(*json.loads(done.stdout.splitlines()[-1]))


def store(tree: Path, folder: Path, runs: int, evaluations: int) -> Path:
    """The spec of a store of this shape, made with the code of `tree` where it is not there."""
    spec = folder / "study.yaml"
    if not spec.exists():
        script = [sys.executable, str(ROOT / "benchmarks" / "report_store.py"), str(folder)]
        script += ["--runs", str(runs), "--evaluations", str(evaluations)]
        subprocess.run(script, env={**os.environ, "PYTHONPATH": str(tree)}, check=True)
    return spec


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--evaluations", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "repro-report")
    parser.add_argument("--against", type=Path, help="another working tree of the suite")
    options = parser.parse_args()
    name = f"{options.runs}x{options.evaluations}"
    trees = {"here": (ROOT, options.folder / name)}
    if options.against:
        trees["against"] = (options.against.resolve(), options.folder / f"{name}-against")
    specs = {key: store(tree, folder, options.runs, options.evaluations) for key, (tree, folder) in trees.items()}
    variables = {key: environment(tree, options.folder) for key, (tree, _) in trees.items()}
    found: dict[str, list[Measured]] = {key: [] for key in trees}
    for number in range(options.rounds):
        for key in list(trees)[:: 1 if number % 2 == 0 else -1]:
            found[key].append(measure(variables[key], specs[key]))
    print("| code | runs × evaluations | CPU, s | wall, s | peak memory, MB |\n|:--|:--|--:|--:|--:|")
    for key, rounds in found.items():
        cpu, wall, memory = (statistics.median(one[i] for one in rounds) for i in range(3))
        print(f"| {key} | {options.runs} × {options.evaluations} | {cpu:.1f} | {wall:.1f} | {memory:.0f} |")
    if options.against:
        pairs = zip(found["against"], found["here"], strict=True)
        print(f"\nCPU, against ÷ here: {statistics.median(old.cpu / new.cpu for old, new in pairs):.2f}")


if __name__ == "__main__":
    main()
