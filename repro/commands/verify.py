"""`repro verify`: makes the first steps of a finished run again and compares them with its record."""

from __future__ import annotations

import argparse

from repro.arguments import plain_number, whole_number
from repro.commands import options as shared
from repro.commands.command import Command


def add_options(parser: argparse.ArgumentParser) -> None:
    """Which run, how many steps, and what counts as the same."""
    parser.add_argument("target", metavar="RUN", help="a run identity, the beginning of it, or the folder of a run")
    parser.add_argument("--steps", type=whole_number(1), default=3, metavar="N", help="steps to make again (3)")
    parser.add_argument(
        "--within",
        type=_tolerance,
        default=0.0,
        metavar="X",
        help="relative difference of numbers that still counts as the same, e.g. 1e-5 (default: 0, the same bits)",
    )
    shared.add_runs(parser)


def run(options: argparse.Namespace) -> int:
    """Print how the two compare; 0 the same, 1 different, 130 or 143 stopped."""
    from rich.console import Console

    from repro.verify.run import verify

    code, text = verify(options.target, options.runs, options.steps, options.within, Console(stderr=True))
    shared.say(text)
    return code


def _tolerance(text: str) -> float:
    value = plain_number(text)
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"got {text!r}, expected a number from 0 to below 1, e.g. 1e-5")
    return value


COMMAND = Command("verify", "make a run's first steps again and compare them", add_options, run)
