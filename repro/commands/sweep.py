"""`repro sweep`: search fields of an arm with Optuna."""

from __future__ import annotations

import argparse

from repro.commands import options as shared
from repro.commands.command import Command
from repro.errors import UserError
from repro.launch.options import add_launch_options, where


def add_options(parser: argparse.ArgumentParser) -> None:
    """Which study, and where its jobs run."""
    shared.add_spec(parser)
    shared.add_runs(parser)
    shared.add_jobs(parser)
    add_launch_options(parser, detach=False)


def run(options: argparse.Namespace) -> int:
    """Make the missing trials. UserError where the spec has no `sweep` section."""
    from repro.launch.terminal import make_console  # rich takes a moment of every start

    place = where(options)
    loaded = shared.load(options)
    if loaded.spec.sweep is None:
        raise UserError(f"{loaded.path}: got no sweep section, expected one with arm and space")
    from repro.sweep.run import run_sweep

    code: int = run_sweep(loaded, options.runs, place)
    if code == 0 and loaded.spec.sweep.confirm:
        from repro.analysis.sweep.confirmation import confirmations
        from repro.analysis.sweep.search import load_searches

        for table in confirmations(load_searches(loaded.spec, cache_dir=options.runs / "cache" / "artifacts")):
            make_console().print(f"\n{table.markdown()}", markup=False, highlight=False, soft_wrap=True)
    return code


COMMAND = Command("sweep", "search fields of an arm with Optuna (`sweep` section)", add_options, run, resumes=True)
