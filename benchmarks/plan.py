"""CPU time of `plan` on a large study and of `run` on a finished one, against an earlier commit.

    python benchmarks/plan.py --against 737ba45 --out plan.json

Both versions get studies of their own, made by their own code: specs of many cells, and run folders with an MLflow
store as a finished study leaves them. The versions take turns. A number is the median of their times, in CPU seconds
of the whole command with the start of Python.
"""

from __future__ import annotations

import argparse
import importlib
import json
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from installed import environment

ROOT = Path(__file__).resolve().parent.parent
STEPS, EVERY = 40, 10


def by_axes(cells: int) -> dict[str, Any]:
    """A study of so many cells: five seeds at each point of two axes."""
    side = max(1, round((cells / 5) ** 0.5))
    axes = {
        "train.clip": [round(0.01 + 0.9 * i / side, 4) for i in range(side)],
        "train.learning_rate": [round(1e-5 * (i + 1), 7) for i in range(cells // 5 // side)],
    }
    return {"name": "axes", "model": "tiny", "dataset": "arithmetic", "arms": {"full": {}}, "axes": axes,
            "seeds": [0, 1, 2, 3, 4]}  # fmt: skip


def by_arms(cells: int) -> dict[str, Any]:
    """A study of so many cells: four seeds of each arm."""
    arms = {f"arm{i}": {"train": {"learning_rate": round(1e-5 * (i + 1), 8)}, "replay": {}} for i in range(cells // 4)}
    return {"name": "arms", "model": "tiny", "dataset": "arithmetic", "arms": arms, "seeds": [0, 1, 2, 3]}


def finished(cells: int) -> dict[str, Any]:
    """A study of so many cells for `make_finished`: five seeds of each arm."""
    arms = {f"arm{i}": {"train": {"learning_rate": round(1e-4 * (i + 1), 7)}} for i in range(cells // 5)}
    return {"name": "finished", "model": "tiny", "dataset": "arithmetic", "arms": arms, "seeds": [0, 1, 2, 3, 4]}


def rows() -> dict[str, dict[str, float]]:
    """What a made-up run logs at each step and at each evaluation; earlier versions have no list of the names."""
    from repro.tracking import series

    costs = (series.GENERATED_TOKENS, series.FLOPS, series.SECONDS, series.CPU_SECONDS)
    return {
        "step": {series.REWARD: 0.3, series.EFFECTIVE: 0.5, series.LOSS: 0.01, **dict.fromkeys(costs, 100.0)},
        "evaluation": {series.ACCURACY: 0.6, series.ENTROPY: 0.5, series.TOKENS: 20.0},
    }


def make_finished(spec: Path, runs: Path, logged: dict[str, dict[str, float]]) -> None:
    """Write the run folders of a study whose cells are all finished; what they hold is made up."""
    import repro
    from repro.tracking.journal import Journal

    study = "study" if (Path(repro.__path__[0]) / "study").is_dir() else "spec"  # where earlier versions have it
    expand_study = importlib.import_module(f"repro.{study}.expand").expand_study
    load_spec = importlib.import_module(f"repro.{study}.load").load_spec
    for expanded in expand_study(load_spec(spec).spec):
        journal = Journal(runs / expanded.identity)
        journal.start(expanded.cell, expanded.identity)
        journal.truncate(-1)
        for step in range(STEPS + 1):
            if step % EVERY == 0:
                journal.log(step, logged["evaluation"])
            journal.log(step, logged["step"])
            journal.record_step(step, chosen=["a", "b"], fresh=["a", "b"], pass_rate=[0.5, 0.25])
        journal.write_json("ledger.json", {"rollout": {"generated_tokens": 1000, "completions": 50, "seconds": 2.0}})
        journal.progress("finished", STEPS, STEPS)
        journal.finish({"steps": STEPS, **logged["evaluation"]})


def cpu_seconds(command: list[str], variables: dict[str, str], folder: Path) -> float:
    """CPU seconds of a command of one version and of all processes that it starts. RuntimeError where it fails."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    ended = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True)
    if ended.returncode:
        raise RuntimeError(f"{' '.join(command)}: {ended.stdout[-2000:]}{ended.stderr[-2000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure(trees: dict[str, Path], cells: int, runs: int, pairs: int, folder: Path) -> dict[str, dict[str, float]]:
    """Case -> version -> median of `pairs` times in CPU seconds."""
    python, studies = sys.executable, {"axes": by_axes(cells), "arms": by_arms(cells), "finished": finished(runs)}
    environments = {}
    for version, tree in trees.items():
        place = folder / version
        variables = environment(tree, folder) | {"MLFLOW_TRACKING_URI": f"sqlite:///{place / 'mlflow.db'}"}
        environments[version] = variables
        place.mkdir(parents=True)
        for name, study in studies.items():
            (place / f"{name}.yaml").write_text(json.dumps(study, indent=0))
        (place / "rows.json").write_text(json.dumps(rows()))
        cpu_seconds([python, __file__, "--make", "finished.yaml"], variables, place)
        cpu_seconds([python, "-m", "repro", "run", "finished.yaml"], variables, place)  # delivers
    commands = {
        "start of Python and the schema": ["-c", "import repro.cli, repro.spec.schema"],
        f"plan, {cells:,} cells by axes": ["-m", "repro", "plan", "axes.yaml", "--runs", "none"],
        f"plan, {cells:,} cells by arms": ["-m", "repro", "plan", "arms.yaml", "--runs", "none"],
        f"plan, {runs:,} finished cells": ["-m", "repro", "plan", "finished.yaml"],
        f"run, {runs:,} finished cells": ["-m", "repro", "run", "finished.yaml"],
    }
    times: dict[str, dict[str, list[float]]] = {case: {version: [] for version in trees} for case in commands}
    for _ in range(pairs):
        for case, command in commands.items():
            for version, variables in environments.items():
                times[case][version].append(cpu_seconds([python, *command], variables, folder / version))
    return {
        case: {version: statistics.median(each) for version, each in found.items()} for case, found in times.items()
    }


def table(found: dict[str, dict[str, float]]) -> str:
    """Markdown."""
    versions = list(next(iter(found.values())))
    lines = [f"| CPU seconds | {' | '.join(versions)} | ratio |", "|---|" + "---|" * (len(versions) + 1)]
    for case, times in found.items():
        values = [times[version] for version in versions]
        lines.append(f"| {case} | {' | '.join(f'{value:.2f}' for value in values)} | {values[0] / values[-1]:.1f} |")
    return "\n".join(lines)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--against", metavar="COMMIT", help="an earlier commit to compare with")
    parser.add_argument("--cells", type=int, default=10_000, help="cells of the large study")
    parser.add_argument("--runs", type=int, default=500, help="cells of the finished study")
    parser.add_argument("--pairs", type=int, default=3, help="times each version is measured")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the numbers as JSON")
    parser.add_argument("--make", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.make is not None:
        make_finished(options.make, Path("runs"), json.loads(Path("rows.json").read_text()))
        return
    with tempfile.TemporaryDirectory() as name:
        folder, trees = Path(name), {"now": ROOT}
        if options.against is not None:
            tree = folder / "tree"
            subprocess.run(
                ["git", "worktree", "add", "-q", "--detach", str(tree), options.against], cwd=ROOT, check=True
            )
            trees = {options.against: tree, **trees}
        try:
            found = measure(trees, options.cells, options.runs, options.pairs, folder / "studies")
        finally:
            if options.against is not None:
                subprocess.run(["git", "worktree", "remove", "--force", str(folder / "tree")], cwd=ROOT, check=True)
    if options.out is not None:
        options.out.write_text(json.dumps(found, indent=1) + "\n")
    print(table(found))


if __name__ == "__main__":
    main()
