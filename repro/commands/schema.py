"""`repro schema`: the JSON schema of a spec."""

from __future__ import annotations

import argparse
import sys

from repro.commands.command import Command


def add_options(parser: argparse.ArgumentParser) -> None:
    """None."""


def run(options: argparse.Namespace) -> int:
    """Print the schema; 0."""
    from repro.spec.json_schema import schema_text

    sys.stdout.write(schema_text())
    return 0


COMMAND = Command("schema", "print the JSON schema of a spec, for editors", add_options, run)
