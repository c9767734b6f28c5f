"""What a command of the command line is: its name, its help, its options and what it does."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Command:
    """One word after `python -m repro`.

    `add_options` adds its options to a parser; `run` does the work and returns the exit code. Its file imports only
    the standard library and `repro.errors` at the top, and the rest inside `run`, so that `--help` stays fast.
    """

    name: str
    help: str
    add_options: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]
    resumes: bool = False
    """Whether what it has done is kept where it is interrupted."""
