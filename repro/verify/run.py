"""`repro verify`: makes the first steps of a finished run again, beside it, and says whether they are the same."""

from __future__ import annotations

import os
import shutil
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from repro.cache import MARKER
from repro.checksums import listed
from repro.errors import UserError
from repro.files import read_object
from repro.launch.display import make_display
from repro.launch.launchers.local.pool import Pool
from repro.launch.protocol import Task
from repro.plugins import importable
from repro.spec.schema import Cell
from repro.study.inputs import IDENTITY, CellInputs
from repro.study.stored import stored_run
from repro.tracking.damage import run_damage
from repro.tracking.run_status import run_status
from repro.verify.compare import ABSENT, Comparison, Difference, compare, environment_differences, values

MEASURED = ("base", "gradients")
"""Cached items that are measured again: what the start policy can do. All others are read where they lie."""
SHOWN = 60  # characters of a value


def verify(target: str, runs_dir: Path, steps: int, within: float, console: Console) -> tuple[int, str]:
    """Make the first steps of a run again and compare. Its folder, the store and the cache are left as they are.

    Args:
        target: the run's identity, the beginning of it, or its folder.
        steps: at most so many.
        within: relative difference of numbers up to which the run still counts as the same.

    Returns:
        The exit code and what there is to say: 0 the same, 1 different or it did not come to its end, 128 + signal.

    Raises:
        UserError: there is no such finished run, its inputs have changed, or it cannot be made again here.
    """
    importable(Path.cwd())  # where a reward, a selection or a task of one's own may lie
    run_dir, cell = stored_run(target, runs_dir)
    run_dir = run_dir.absolute()
    identity, environment = _about(run_dir)
    CellInputs(cell, identity, run_dir)
    values(run_dir, steps)  # what cannot be read is told before anything is trained
    scratch = Path(tempfile.mkdtemp(prefix="repro-verify-"))
    keep = False
    try:
        link_cache(run_dir.parent / "cache", scratch / "cache")
        from repro.verify.again import first_steps  # torch and TRL take seconds: not before a mistake is told

        task = Task(cell, identity, scratch / identity)
        pool = Pool(partial(first_steps, steps=steps), scratch, 1)
        with make_display([task], 1, console) as display:
            (outcome,) = pool.run([task], display)
        if pool.interrupted is not None:
            return 128 + pool.interrupted, "stopped"
        if outcome.end != "finished":
            keep = True
            return 1, f"{identity}: its first steps did not come to their end: {outcome.reason}\n  {outcome.error}"
        done = _steps(task.run_dir)
        found = compare(run_dir, task.run_dir, min(done, steps))
        now = read_object(task.run_dir / "environment.json")
        text = _text(cell, identity, min(done, steps), found, environment_differences(environment, now))
        if problems := run_damage(run_dir, contents=True):
            text += f"\n  the record is not what it was when the run ended: {listed(problems)}"
        return int(found.largest > within), text
    finally:
        if not keep:
            shutil.rmtree(scratch, ignore_errors=True)


def _about(run_dir: Path) -> tuple[str, dict[str, Any]]:
    """The identity and the environment of a run. UserError where it cannot be made again."""
    record, environment = read_object(run_dir / "cell.json"), read_object(run_dir / "environment.json")
    identity = str(record.get("identity"))
    if (status := run_status(run_dir)) not in ("finished", "damaged"):
        raise UserError(f"{run_dir}: is {status}, expected a finished run")
    if not IDENTITY.fullmatch(identity):
        raise UserError(f"{run_dir}: its identity {identity} is of another version, whose results may be others")
    processes = environment.get("processes", 1)
    if processes != 1:
        raise UserError(f"{run_dir}: {processes} processes trained it together, expected a run of one process")
    return identity, environment


def _steps(run_dir: Path) -> int:
    """Steps that the run made again has done."""
    return int(read_object(run_dir / "done.json")["summary"]["steps"])


def link_cache(cache: Path, scratch: Path) -> None:
    """Give a job the items of a cache to read; what it builds itself lies in `scratch` alone."""
    for marker in cache.glob(f"*/*/{MARKER}"):
        item = marker.parent
        kind = item.parent.name
        if kind in MEASURED or kind.startswith(".") or item.name.startswith("."):
            continue
        # Its files one by one: a job that finds the item damaged removes links, not the files.
        shutil.copytree(item.absolute(), scratch / kind / item.name, copy_function=os.symlink)


def _text(cell: Cell, identity: str, steps: int, found: Comparison, environment: list[str]) -> str:
    name = f"{identity} ({cell.spec}: {cell.arm}, seed {cell.seed})"
    what = f"the start and {steps} step{'s' * (steps != 1)}, {found.compared:,} values"
    if found.same:
        lines = [f"{name}: the same bits ({what})"]
    elif found.largest < 1:
        lines = [f"{name}: equal to {found.largest:.0e} ({what}, {len(found.differences):,} differ)"]
    else:
        lines = [f"{name}: different ({what}, {len(found.differences):,} differ)"]
    if not found.same:
        lines.append(f"  first difference: {_difference(found.differences[0])}")
    if environment:
        lines.append(
            "  its environment was another one:" if not found.same else "  although its environment was another one:"
        )
        lines += [f"    {part}" for part in environment]
    elif not found.same:
        lines.append("  the recorded environment is the same")
    return "\n".join(lines)


def _difference(one: Difference) -> str:
    recorded, now = ("nothing" if value == ABSENT else repr(value)[:SHOWN] for value in (one.recorded, one.now))
    return f"step {one.step}, {one.where}: recorded {recorded}, now {now}"
