"""`repro predictor`: labels, training, import and evaluation of a study's difficulty predictor."""

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
    "import": "import: make one of a checkpoint of DOTS + RR's authors, named in place of SPEC; nothing in it is run",
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Which step, of which study, from which labels."""
    names = "{" + ",".join(ACTIONS) + "}"
    parser.add_argument("action", type=_action, metavar=names, help="; ".join(ACTIONS.values()))
    shared.add_spec(parser)
    shared.add_runs(parser)
    parser.add_argument("--out", type=folder, metavar="DIR", help="folder of the files (default: RUNS/predictors/NAME)")
    parser.add_argument(
        "--embedder",
        metavar="M",
        help="import: what embedded the questions, a hub id, a directory or {hub: ID, revision: REV}"
        " (default: Qwen/Qwen2.5-Math-1.5B-Instruct)",
    )
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
    """Do one step for every dataset of the study. UserError for an option that the step has no use for."""
    from repro.arithmetic import settle

    settle()
    importing = options.action == "import"
    loaded = None if importing else shared.load(options)
    if options.labels is not None and options.action != "train":
        raise UserError(f"--labels: got {str(options.labels)!r} with {options.action}, expected it with train only")
    if options.embedder is not None and not importing:
        raise UserError(f"--embedder: got {options.embedder!r} with {options.action}, expected it with import only")
    if loaded is None:
        if options.set or options.smoke:
            raise UserError("import: got -S or --smoke, which change a study, expected a checkpoint alone")
        from repro.commands.predictor.importing import import_file

        return import_file(options)
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
