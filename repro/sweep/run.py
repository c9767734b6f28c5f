"""`repro sweep`: an Optuna study over fields of an arm, for each searched arm, model and dataset of a spec."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from rich.console import Console

from repro.errors import UserError
from repro.launch.cells import Options
from repro.launch.terminal import make_console
from repro.launch.where import Where
from repro.launch.worker import Target
from repro.spec.document import dotted
from repro.study.checks import sweep_problems
from repro.study.load import LoadedSpec
from repro.study.trial_cells import searched
from repro.sweep.best import print_best
from repro.sweep.search import Search
from repro.tracking.client import check_store


def run_sweep(
    loaded: LoadedSpec,
    runs_dir: Path,
    where: Where,
    *,
    store_uri: str | None = None,
    console: Console | None = None,
    target: Target | None = None,
) -> int:
    """Make the trials that the sweep lacks, and print the best.

    Returns:
        0; 1 where a trial failed or the MLflow store lacks something that is on disk; 130 or 143 where Ctrl-C or
        SIGTERM ended it (running it again goes on).

    Raises:
        UserError: the spec has no sweep or a mistake in it (found before anything is written), or another command
            runs it.
    """
    spec, console = loaded.spec, console or make_console()
    if spec.sweep is None:
        raise UserError(f"{loaded.path}: got no sweep section, expected one with arm and space")
    if problems := list(sweep_problems(spec)):  # a smoke study's ranges are not those that were checked when loaded
        raise UserError("\n".join(f"{dotted(problem.path)}: {problem.text}" for problem in problems))
    check_store(store_uri)
    options = Options(Path(runs_dir).absolute(), where, False, store_uri, target)
    searches = [Search(spec, model, dataset, options, console, arm) for model, dataset, arm in searched(spec)]
    if not searches:
        raise UserError("sweep.arm: none of these arms runs on a model and dataset of this study")
    for search in searches:
        search.check_first_trial()
    folder = options.runs_dir / "sweeps"
    folder.mkdir(parents=True, exist_ok=True)
    code = 0
    try:
        with FileLock(folder / f"{spec.name}.lock", timeout=0), where.session():
            for search in searches:
                ended = search.run()
                if ended > 1:
                    return ended
                code = max(code, ended)
            for search in searches if spec.sweep.confirm else ():
                ended = search.confirm(carried_to(search, searches))
                if ended > 1:
                    return ended
                code = max(code, ended)
            if len(spec.sweep.arms) > 1:
                print_best(searches, console)
    except Timeout as error:
        raise UserError(
            f"another command runs the sweep of {spec.name} in {options.runs_dir}: let it finish"
        ) from error
    return code


def carried_to(search: Search, searches: Sequence[Search]) -> dict[str, dict[str, Any]]:
    """Label of each other dataset -> the best values that its search of the same arm and model has found there."""
    same = [one for one in searches if one is not search and (one.arm, one.model) == (search.arm, search.model)]
    return {one.dataset.label: one.best for one in same if one.best is not None}
