"""The command line: finds the command and runs it."""

from __future__ import annotations

import argparse
import gc
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from repro import __version__
from repro.commands.boundary import EXIT_CODES, EXIT_MISTAKE, SIGNALS, guarded
from repro.commands.registry import COMMANDS
from repro.errors import UserError
from repro.hub import check_environment
from repro.masking import masked_output
from repro.tracking.command import remember_command
from repro.words import did_you_mean, listed

EXAMPLES = """
examples:
  python -m repro run experiments/quickstart.yaml              train what is missing
  python -m repro run experiments/quickstart.yaml --smoke      touch every stage within a minute
  python -m repro plan experiments/quickstart.yaml -S seeds=[0]
  python -m repro report experiments/quickstart.yaml
  python -m repro why experiments/quickstart.yaml:dots:0
"""


OF_ALL = ("-h", "--help", "--version")
"""Options that need no command."""


class Parser(argparse.ArgumentParser):
    """An argparse parser that raises its errors in place of printing them."""

    def error(self, message: str) -> NoReturn:
        """Raise UserError in place of printing the usage and exiting."""
        raise UserError(f"{self.prog}: {message}\n  {self.prog} --help shows what is expected")


def build_parser() -> tuple[Parser, dict[str, Parser]]:
    """The parser of the whole command line, and those of its commands by name."""
    parser = Parser(
        prog="python -m repro",
        description="Does selecting or replaying data save compute in GRPO? Trains, tracks and reports studies.",
        epilog=EXAMPLES + EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"repro {__version__}")
    words = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=Parser)
    known: dict[str, Parser] = {}
    for command in COMMANDS:
        sub: Parser = words.add_parser(command.name, help=command.help, description=command.help, allow_abbrev=False)
        command.add_options(sub)
        sub.set_defaults(body=command.run)
        known[command.name] = sub
    return parser, known


@masked_output()
def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code: see `repro.commands.boundary.EXIT_CODES`."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    options: argparse.Namespace | None = None

    def body() -> int:
        nonlocal options
        options = _parse(words)
        check_environment()
        remember_command(words)
        return EXIT_MISTAKE if options is None else int(options.body(options))

    def located(message: str) -> str:
        loaded = getattr(options, "loaded", None)
        return str(loaded.located(message)) if loaded else message

    def places() -> list[Path]:
        return [place for name in ("out", "runs") if (place := getattr(options, name, None)) is not None]

    resumes = any(command.resumes for command in COMMANDS if command.name in words[:1])
    return guarded(body, located, places, resumes)


def start() -> NoReturn:
    """Run the command of this process and end it."""
    gc.set_threshold(500_000, 20, 100)  # most of what a command makes lives until its end: look for garbage less often
    code = main()
    for number in SIGNALS:  # nothing is left to be tidied: a signal during the interpreter's end ends it at once
        if signal.getsignal(number) == signal.default_int_handler:
            signal.signal(number, signal.SIG_DFL)
    sys.exit(code)


def _parse(words: list[str]) -> argparse.Namespace | None:
    parser, known = build_parser()
    if not words:
        parser.print_help()
        return None
    if not words[0].startswith("-") and words[0] not in known:
        raise UserError(f"got command {words[0]!r}, expected one of {', '.join(known)}{did_you_mean(words[0], known)}")
    if words[0].startswith("-") and words[0] not in OF_ALL:
        raise UserError(f"got {words[0]!r} first, expected a command ({', '.join(known)}), its options after it")
    options, extra = parser.parse_known_args(words)
    if extra:
        names = [name for name in known[options.command]._option_string_actions if name.startswith("--")]
        what, hint = "nothing more", ""
        if extra[0].startswith("-"):
            hint = did_you_mean(extra[0].partition("=")[0], names)
            what = "an option" if hint else f"one of {listed(names)}"
        raise UserError(
            f"{parser.prog} {options.command}: got {extra[0]!r}, expected {what}{hint}\n"
            f"  {parser.prog} {options.command} --help shows what is expected"
        )
    return options
