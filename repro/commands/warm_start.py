"""`repro warm-start`: rebuild the start policy that ships with the package."""

from __future__ import annotations

import argparse

from repro.arguments import folder
from repro.commands import options as shared
from repro.commands.command import Command
from repro.errors import UserError
from repro.files import read_object


def add_options(parser: argparse.ArgumentParser) -> None:
    """Where the policy goes."""
    parser.add_argument("--out", type=folder, required=True, metavar="DIR", help="folder of the policy")


def run(options: argparse.Namespace) -> int:
    """Train and save the policy; 0."""
    from repro.arithmetic import settle

    settle()
    from repro.models.shipped import CARD_FILE, rebuild_shipped

    out = options.out
    if out.is_dir() and any(out.iterdir()) and "weights_sha256" not in read_object(out / CARD_FILE):
        raise UserError(f"--out: {out} holds something else than a start policy, expected a new or empty folder")

    rebuild_shipped(options.out, lambda message, done: shared.say(f"{done:4.0%} {message}"))
    shared.say(f"saved to {options.out}")
    return 0


COMMAND = Command("warm-start", "rebuild the start policy that ships with the package", add_options, run)
