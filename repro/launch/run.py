"""`repro run`: trains what a study lacks, delivers it to MLflow and prints a summary."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from repro.files import write_atomically
from repro.launch.arms_table import print_arms
from repro.launch.cells import Options, run_cells
from repro.launch.closing import print_failures, print_store
from repro.launch.damaged import print_damage
from repro.launch.health import print_health
from repro.launch.order import in_training_order
from repro.launch.terminal import make_console
from repro.launch.where import Where
from repro.launch.worker import Target
from repro.study.expand import expand_study
from repro.study.load import LoadedSpec, resolved_yaml
from repro.tracking.client import check_store
from repro.tracking.failure import ended_in_nan
from repro.tracking.run_status import run_status
from repro.words import plural


def run_study(
    loaded: LoadedSpec,
    runs_dir: Path,
    where: Where,
    fail_fast: bool = False,
    *,
    store_uri: str | None = None,
    console: Console | None = None,
    target: Target | None = None,
) -> int:
    """Train every cell of the study that is not finished, deliver all of them, and print a summary.

    Returns:
        0; 1 where a cell failed or was stopped, or a finished one has damaged files or is not in the MLflow store;
        128 + N where signal N ended it, 130 for Ctrl-C and 143 for SIGTERM (running it again goes on).

    Raises:
        UserError: a file that the spec names is missing, the store's address can never work, or the jobs cannot run
            where they should.
    """
    console = console or make_console()
    check_store(store_uri)
    options = Options(Path(runs_dir).absolute(), where, fail_fast, store_uri, target)
    spec = loaded.spec
    cells = in_training_order(expand_study(spec))
    place = options.runs_dir / "specs" / f"{spec.name}.yaml"
    place.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(place, resolved_yaml(spec).encode())

    statuses = {cell.identity: run_status(options.runs_dir / cell.identity) for cell in cells}
    finished = sum(status == "finished" for status in statuses.values())
    damaged = sum(status == "damaged" for status in statuses.values())
    lost = sum(status == "failed" and ended_in_nan(options.runs_dir / name) for name, status in statuses.items())
    resumed = sum(status in ("failed", "killed") for status in statuses.values()) - lost
    left = len(cells) - finished - damaged - lost
    console.print(
        f"{spec.name}: {plural(len(cells), 'cell')}, {finished} finished before"
        + (f", {damaged} damaged" if damaged else "")
        + (f", {resumed} to go on with after a failure or a stop" if resumed else "")
        + (f", {lost} ended in NaN and not tried again (why, and what to change, follows)" if lost else "")
        + (f"; {left} to train, {where.words()}" if left else ""),
        highlight=False,
        soft_wrap=True,
    )
    with where.session():
        ended = run_cells(cells, spec.name, options, console)
    print_arms([cell for cell in cells if cell.identity not in ended.damaged], options.runs_dir, console)
    print_failures(ended.outcomes, console)
    print_health(cells, options.runs_dir, console)
    print_damage(ended.damaged, ended.repairs, console)
    print_store(ended, spec.name, options.store_uri, console)
    if ended.interrupted is not None:
        console.print("Stopped. The same command goes on from the last checkpoint of each cell.", highlight=False)
        return 128 + ended.interrupted
    failed = any(outcome.end in ("failed", "stopped", "not run") for outcome in ended.outcomes)
    return 1 if failed or ended.damaged or ended.incomplete else 0
