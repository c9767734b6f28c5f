"""`repro predictor`: labels, training and evaluation of a study's difficulty predictor."""

from __future__ import annotations

import argparse
from pathlib import Path

from repro.arguments import folder, whole_number
from repro.commands import options as shared
from repro.commands.command import Command
from repro.errors import UserError
from repro.words import did_you_mean

ACTIONS = {
    "labels": "labels: roll out the predictor's policies over a pool of questions, to a parquet file",
    "train": "train: fit the predictor to the labels",
    "evaluate": "evaluate: judge it on held-out questions and the study's own policies",
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Which step, of which study, from which labels."""
    names = "{" + ",".join(ACTIONS) + "}"
    parser.add_argument("action", type=_action, metavar=names, help="; ".join(ACTIONS.values()))
    shared.add_spec(parser)
    shared.add_runs(parser)
    parser.add_argument("--out", type=folder, metavar="DIR", help="folder of the files (default: RUNS/predictors/NAME)")
    parser.add_argument("--labels", type=Path, metavar="FILE", help="train: a parquet file of labels made elsewhere")
    parser.add_argument(
        "--references",
        type=whole_number(2, 10**7),
        nargs="+",
        default=[16, 256],
        metavar="K",
        help="evaluate: how many questions are measured before the others are predicted (default: 16 256)",
    )


def run(options: argparse.Namespace) -> int:
    """Do one step for every dataset of the study. UserError for labels that the step does not read."""
    from repro.arithmetic import settle

    settle()
    loaded = shared.load(options)
    if options.labels is not None and options.action != "train":
        raise UserError(f"--labels: got {str(options.labels)!r} with {options.action}, expected it with train only")
    from repro.commands.predictor import steps

    code: int = getattr(steps, options.action)(loaded, options)
    return code


def _action(text: str) -> str:
    if text not in ACTIONS:
        raise argparse.ArgumentTypeError(
            f"got {text!r}, expected one of {', '.join(ACTIONS)}{did_you_mean(text, ACTIONS)}"
        )
    return text


COMMAND = Command("predictor", "train and judge a difficulty predictor (DOTS)", add_options, run)
