"""`repro why`: which fields set a run apart from its nearest finished neighbour."""

from __future__ import annotations

import argparse

from repro.commands import options as shared
from repro.commands.command import Command


def add_options(parser: argparse.ArgumentParser) -> None:
    """Which run."""
    parser.add_argument("target", metavar="RUN", help="a run identity, or SPEC.yaml[:ARM[:SEED]]")
    shared.add_changes(parser)
    shared.add_runs(parser)


def run(options: argparse.Namespace) -> int:
    """Print the fields; 0."""
    from repro.study.why import why

    shared.say(why(options.target, options.runs, options.set, options.smoke))
    return 0


COMMAND = Command("why", "show what sets a run apart from its nearest neighbour", add_options, run)
