"""`repro score`: single-pass confidences of a dataset, without a study."""

from __future__ import annotations

import argparse

from repro.commands import options as shared
from repro.commands.command import Command
from repro.commands.export import add_export
from repro.commands.score.options import add_options as add_own_options


def add_options(parser: argparse.ArgumentParser) -> None:
    """What is scored and how, which questions are selected, where table and export go."""
    add_own_options(parser)
    add_export(parser)
    shared.add_runs(parser)


def run(options: argparse.Namespace) -> int:
    """Score the dataset; 0."""
    from repro.commands.score.command import score

    return score(options)


COMMAND = Command("score", "score a dataset by one forward pass (UFO-RL)", add_options, run, resumes=True)
