"""`repro status`: what ran, and how far."""

from __future__ import annotations

import argparse

from repro.commands import options as shared
from repro.commands.command import Command


def add_options(parser: argparse.ArgumentParser) -> None:
    """Which runs, and how they are printed."""
    shared.add_spec(parser, optional=True)
    shared.add_runs(parser)
    parser.add_argument("--json", action="store_true", help="print the status as JSON")


def run(options: argparse.Namespace) -> int:
    """Print one row per run, or per cell of a study; 0."""
    from repro.study.status import status_rows, status_table

    loaded = shared.load(options) if options.spec is not None else None
    rows = status_rows(options.runs, loaded)
    if options.json:
        import json

        shared.say(json.dumps(rows, indent=1))
    else:
        shared.say(status_table(rows) if rows else f"no runs in {options.runs}")
    return 0


COMMAND = Command("status", "show progress and accuracy of runs", add_options, run)
