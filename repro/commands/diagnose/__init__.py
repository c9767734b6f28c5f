"""`repro diagnose`: whether choosing or replaying questions can save anything, before any training."""

from __future__ import annotations

import argparse

from repro.commands import options as shared
from repro.commands.command import Command
from repro.commands.diagnose.options import add_options as add_own_options
from repro.commands.export import add_export


def add_options(parser: argparse.ArgumentParser) -> None:
    """Which policy and questions, how long, or what it is checked against."""
    add_own_options(parser)
    add_export(parser)
    shared.add_runs(parser)


def run(options: argparse.Namespace) -> int:
    """Measure and answer, or check earlier answers against finished runs; 0."""
    if options.check is not None:
        from repro.commands.diagnose.check import check

        return check(options)
    from repro.commands.diagnose.command import diagnose

    return diagnose(options)


COMMAND = Command("diagnose", "asks before training whether it is worth it here", add_options, run, resumes=True)
