"""`repro report`: tables, figures and the page of a study."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from repro.commands import options as shared
from repro.commands.command import Command

if TYPE_CHECKING:
    from repro.study.load import LoadedSpec


def add_options(parser: argparse.ArgumentParser) -> None:
    """Which study, and where the report goes."""
    shared.add_spec(parser)
    shared.add_runs(parser)
    shared.add_out(parser)
    parser.add_argument(
        "--single-file",
        action="store_true",
        help="write single.html too: all pages with their pictures in one file",
    )


def run(options: argparse.Namespace) -> int:
    """Write the report; 0, or 1 where MLflow does not have it."""
    return int(not write(shared.load(options), options))


def write(loaded: LoadedSpec, options: argparse.Namespace) -> bool:
    """Write the report of finished runs; whether MLflow has it, too.

    A smoke run's numbers mean nothing: its report stays among the runs.
    """
    from repro.analysis.page.report import write_report
    from repro.tracking.study_run import record_report

    page = write_report(loaded, options.runs, place(loaded, options), single=getattr(options, "single_file", False))
    shared.say(f"report: {page}")
    return record_report(loaded.spec.name, page.parent)


def place(loaded: LoadedSpec, options: argparse.Namespace) -> Path:
    """The folder of the report. UserError where a report may not or cannot go there."""
    from repro.analysis.page.folder import check

    parent = options.runs / "reports" if loaded.smoke else Path("reports")
    out = options.out or parent / loaded.spec.name
    check(out)
    return Path(out)


COMMAND = Command("report", "write the report of a study from its finished runs", add_options, run)
