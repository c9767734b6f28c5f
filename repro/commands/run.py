"""`repro run`: train the cells of a study that are missing."""

from __future__ import annotations

import argparse

from repro.commands import options as shared
from repro.commands import report
from repro.commands.command import Command
from repro.errors import UserError
from repro.launch.options import add_launch_options, where


def add_options(parser: argparse.ArgumentParser) -> None:
    """Which study, where its jobs run, and what happens afterwards."""
    shared.add_spec(parser)
    shared.add_runs(parser)
    shared.add_jobs(parser)
    add_launch_options(parser, detach=True)
    parser.add_argument("--fail-fast", action="store_true", help="stop at the first cell that fails")
    parser.add_argument("--report", action="store_true", help="write the report afterwards (--smoke does so, too)")
    shared.add_out(parser)


def run(options: argparse.Namespace) -> int:
    """0 where every cell is done and delivered, 1 where one is not, more where a signal stopped the command."""
    place = where(options)
    if options.out is not None and not (options.report or options.smoke):
        raise UserError(f"--out: got {str(options.out)!r} without --report, expected both: it is the report's folder")
    if options.report and place.detach:
        raise UserError("--report: got it with --detach, expected it with the command that follows the jobs up")
    loaded = shared.load(options)
    if options.report or options.smoke:
        report.place(loaded, options)  # a mistake is told before anything trains
    from repro.launch.run import run_study

    code: int = run_study(loaded, options.runs, place, options.fail_fast)
    if code > 1 or place.detach:  # stopped from outside, or not ended: what is there is no result yet
        return code
    if options.report or options.smoke:
        try:
            delivered = report.write(loaded, options)
        except UserError as error:
            if code == 0:
                raise
            shared.say(f"no report: {error}")  # the run has said what failed or is not delivered
        else:
            code = code or int(not delivered)
    else:
        shared.say(f"report: {shared.same_study('report', options)}")
    return code


COMMAND = Command("run", "train the cells of a study that are missing", add_options, run, resumes=True)
