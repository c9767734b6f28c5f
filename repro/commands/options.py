"""Options that several commands share, and how a command reads its spec and prints."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from repro.arguments import file_path, folder, whole_number
from repro.launch.devices import default_jobs

if TYPE_CHECKING:
    from repro.study.load import LoadedSpec

SCREEN = 20
"""Warnings of a spec that are shown; the others are counted."""


def add_spec(parser: argparse.ArgumentParser, optional: bool = False) -> None:
    """SPEC, -S and --smoke."""
    parser.add_argument("spec", metavar="SPEC", type=file_path, nargs="?" if optional else None, help="a study in YAML")
    add_changes(parser)


def add_changes(parser: argparse.ArgumentParser) -> None:
    """-S and --smoke, for a command that names its spec in another way."""
    parser.add_argument(
        "-S", "--set", action="append", default=[], metavar="PATH=VALUE", help="set a field, e.g. -S train.steps=5"
    )
    parser.add_argument("--smoke", action="store_true", help="shrink the study so that all of it takes a minute")


def add_runs(parser: argparse.ArgumentParser) -> None:
    """--runs."""
    default = os.environ.get("REPRO_RUNS") or "runs"
    parser.add_argument(
        "--runs", type=folder, default=default, metavar="DIR", help="folder of the runs (default: $REPRO_RUNS or runs)"
    )


def add_jobs(parser: argparse.ArgumentParser) -> None:
    """--jobs."""
    parser.add_argument(
        "--jobs",
        type=whole_number(1),
        metavar="N",
        help="cells trained at a time (default: what a cluster has room for; here one per GPU or else per core, "
        f"divided by --processes: {default_jobs()})",
    )


def add_out(parser: argparse.ArgumentParser) -> None:
    """--out of a report."""
    parser.add_argument("--out", type=folder, metavar="DIR", help="folder of the report (default: reports/NAME)")


def load(options: argparse.Namespace, path: Path | None = None) -> LoadedSpec:
    """The spec of the command (or another one) with -S and --smoke applied; its warnings go to stderr.

    It stays in `options.loaded`, so that a later mistake can be told with its place in the file. UserError for a
    mistake in the spec.
    """
    from repro.study.load import load_spec

    loaded = options.loaded = load_spec(path or options.spec, options.set, options.smoke)
    for line in (*loaded.warnings[:SCREEN], *loaded.notes):
        print(line, file=sys.stderr)  # noqa: T201
    if len(loaded.warnings) > SCREEN:
        print(f"… and {len(loaded.warnings) - SCREEN:,} more warnings", file=sys.stderr)  # noqa: T201
    return loaded


def say(text: str) -> None:
    """Print what a command was asked for."""
    print(text)  # noqa: T201


def same_study(name: str, options: argparse.Namespace) -> str:
    """The command line that does `name` to the study of these options."""
    words = ["python", "-m", "repro", name, str(options.spec)]
    for change in options.set:
        words += ["-S", change]
    words += ["--smoke"] if options.smoke else []
    if options.runs != Path("runs"):
        words += ["--runs", str(options.runs)]
    return shlex.join(words)
