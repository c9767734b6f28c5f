"""`repro plan`: the cells of a study and what they are expected to cost."""

from __future__ import annotations

import argparse
import math
import sys
from typing import TYPE_CHECKING

from repro.arguments import file_path
from repro.commands import options as shared
from repro.commands.command import Command
from repro.launch.devices import default_jobs

if TYPE_CHECKING:
    from repro.spec.schema import Cell, Spec


def add_options(parser: argparse.ArgumentParser) -> None:
    """Which study, and how fast tokens are."""
    shared.add_spec(parser)
    shared.add_runs(parser)
    shared.add_jobs(parser)
    parser.add_argument("--json", action="store_true", help="print the plan as JSON")
    rate = parser.add_mutually_exclusive_group()
    rate.add_argument(
        "--throughput",
        type=file_path,
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
    from repro.cache import Cache
    from repro.study.local_sizes import check_readable, check_tests_readable
    from repro.study.plan import plan
    from repro.study.points import points
    from repro.study.prompt_notes import prompt_notes
    from repro.study.scored import check_scored
    from repro.study.throughput import by_hand, read_throughput

    rates = []
    if options.throughput is not None:
        rates = read_throughput(options.throughput)
    elif options.tokens_per_second is not None:
        rates = [by_hand(options.tokens_per_second)]
    spec = shared.load(options).spec
    check_readable(spec.dataset)
    check_tests_readable(spec.evaluate.benchmarks)
    check_scored((point.valid() for point in points(spec)), Cache(options.runs / "cache"))
    for note in prompt_notes(spec, Cache(options.runs / "cache"), dropped_only=True):
        print(note, file=sys.stderr)  # noqa: T201
    made = plan(spec, options.runs, rates)
    if options.json:
        import json

        shared.say(json.dumps(made.as_dict(), indent=1))
    else:
        shared.say(made.table(options.jobs or default_jobs()))
        shared.say(could_see(spec, made.rows[0].expanded.cell))
    return 0


def could_see(spec: Spec, cell: Cell) -> str:
    """The smallest difference that the study's seeds and questions can tell apart, in one sentence."""
    from repro.analysis.power import seeds_needed, smallest_seen, typical
    from repro.study.claimed import claimed
    from repro.study.estimate import likely_test

    limits = (cell.dataset.limits.test, cell.evaluate.questions)
    questions = min(likely_test(cell.dataset), *(limit or math.inf for limit in limits))
    compared = claimed(spec)
    if not compared:
        return "No arm is compared with another on all models and datasets, so this study decides nothing."
    claims, pairs, seeds = len(compared), min(one.pairs for one in compared), min(one.seeds for one in compared)
    if seeds < 2:
        return "One seed decides nothing: a report needs two or more, better five."
    if math.isinf(questions):
        return ""
    spread = typical(int(questions), cell.evaluate.samples)

    def seen(count: int) -> float:
        """In points of accuracy."""
        return 100 * smallest_seen(spread, count, claims, pairs)

    def needed(points: int) -> str:
        count = seeds_needed(spread, points / 100, claims, pairs)
        return f"{points} {'point' if points == 1 else 'points'}: {'over 1,000' if count is None else count}"

    of = f"a true difference of {seen(seeds):.1f} points" if seen(seeds) < 100 else "no true difference"
    judged = f"{claims} claims are judged together" if claims > 1 else "one claim is judged"
    return (
        f"With {seeds} seeds {of} is seen with a chance of 80 %; seeds for {', '.join(map(needed, (5, 2, 1)))}. "
        f"Here {judged}, and seeds are taken to differ by 2.5 points (docs/statistics.md)."
    )


COMMAND = Command("plan", "list the cells of a study and their expected cost", add_options, run)
