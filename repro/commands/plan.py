"""`repro plan`: the cells of a study and what they are expected to cost."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from repro.commands import options as shared
from repro.commands.command import Command
from repro.launch.devices import default_jobs


def add_options(parser: argparse.ArgumentParser) -> None:
    """Which study, and how fast tokens are."""
    shared.add_spec(parser)
    shared.add_runs(parser)
    shared.add_jobs(parser)
    parser.add_argument("--json", action="store_true", help="print the plan as JSON")
    rate = parser.add_mutually_exclusive_group()
    rate.add_argument(
        "--throughput",
        type=Path,
        metavar="FILE",
        help="take tokens per second from gpu.json of benchmarks/gpu.py, or from the ledger.json of a run",
    )
    rate.add_argument(
        "--tokens-per-second",
        metavar="G[,T][@SIZE]",
        help="generated and trained tokens per second of one device, and for which size, e.g. 20000,30000@1.5B",
    )


def run(options: argparse.Namespace) -> int:
    """Print the plan; 0."""
    from repro.study.plan import plan
    from repro.study.prompt_notes import prompt_notes
    from repro.study.throughput import by_hand, read_throughput

    rates = []
    if options.throughput is not None:
        rates = read_throughput(options.throughput)
    elif options.tokens_per_second is not None:
        rates = [by_hand(options.tokens_per_second)]
    spec = shared.load(options).spec
    for note in prompt_notes(spec, dropped_only=True):
        print(note, file=sys.stderr)  # noqa: T201
    made = plan(spec, options.runs, rates)
    if options.json:
        import json

        shared.say(json.dumps(made.as_dict(), indent=1))
    else:
        shared.say(made.table(options.jobs or default_jobs()))
    return 0


COMMAND = Command("plan", "list the cells of a study and their expected cost", add_options, run)
