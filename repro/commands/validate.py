"""`repro validate`: check specs without running them."""

from __future__ import annotations

import argparse
import sys

from repro.arguments import file_path
from repro.commands import options as shared
from repro.commands.command import Command
from repro.errors import UserError
from repro.words import plural


def add_options(parser: argparse.ArgumentParser) -> None:
    """Which specs, and whether the hub is asked."""
    parser.add_argument("specs", metavar="SPEC", type=file_path, nargs="+", help="a study in YAML")
    shared.add_changes(parser)
    parser.add_argument(
        "--online", action="store_true", help="look up every model and dataset on the hub: revision, splits, fields"
    )


def run(options: argparse.Namespace) -> int:
    """0 where all are valid, 1 where the hub lacks something. UserError with every mistake of every spec."""
    from repro.cache import Cache
    from repro.study.expand import expand
    from repro.study.files_there import check_files
    from repro.study.hub_ids import report_online, unpinned, wanted_of
    from repro.study.local_sizes import check_readable, check_tests_readable
    from repro.study.points import points
    from repro.study.prompt_notes import prompt_notes
    from repro.study.scored import check_scored

    mistakes, specs = [], []
    for path in options.specs:
        loaded = None
        try:
            loaded = shared.load(options, path)
            spec = loaded.spec
            check_readable(spec.dataset)
            check_tests_readable(spec.evaluate.benchmarks)
            check_files(spec)
            check_scored((point.valid() for point in points(spec)), Cache())
            notes = prompt_notes(spec, Cache())
            sizes = plural(len(expand(spec)), "cell"), plural(len(spec.arms), "arm")
            shared.say(f"{path}: valid, {sizes[0]} ({sizes[1]}, seeds {spec.seeds})")
            for note in notes:
                print(note, file=sys.stderr)  # noqa: T201
            specs.append(spec)
        except UserError as error:
            mistakes.append(str(error) if loaded is None else loaded.located(str(error)))
    try:
        wanted = wanted_of(specs)
    except UserError as error:
        mistakes.append(str(error))
    else:
        for warning in unpinned(wanted):
            print(warning, file=sys.stderr)  # noqa: T201
        if options.online and not mistakes:
            return report_online(wanted, shared.say)
    if mistakes:
        raise UserError("\n".join(mistakes))
    return 0


COMMAND = Command("validate", "check specs without running them", add_options, run)
