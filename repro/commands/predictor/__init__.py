"""`repro predictor`: labels, training, import, evaluation and predictions of a study's difficulty predictor."""

from __future__ import annotations

import argparse

from repro.arguments import file_path, folder, plain_number, whole_number
from repro.commands import options as shared
from repro.commands.command import Command
from repro.commands.export import add_export, check_export
from repro.errors import UserError
from repro.words import did_you_mean

ACTIONS = {
    "labels": "labels: roll out the predictor's policies over a pool of questions, to a parquet file",
    "train": "train: fit the predictor to the labels",
    "evaluate": "evaluate: judge it on held-out questions and the study's own policies",
    "predict": "predict: measure a few training questions and predict the pass rates of all; --export writes those"
    " nearest --target",
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
    parser.add_argument(
        "--labels", type=file_path, metavar="FILE", help="train: a parquet file of labels made elsewhere"
    )
    parser.add_argument(
        "--references",
        type=whole_number(2, 10**7),
        nargs="+",
        metavar="K",
        help="evaluate, predict: how many questions are measured before the others are predicted (default: 16 256;"
        " predict takes one number, 256 or half of the questions)",
    )
    parser.add_argument("--target", type=_share, metavar="P", help="predict: the pass rate to be near (default: 0.5)")
    parser.add_argument("--fraction", type=_share, metavar="F", help="predict: share that is selected (default: 0.1)")
    add_export(parser)


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
    if options.references is not None and options.action not in ("evaluate", "predict"):
        given = " ".join(map(str, options.references))
        raise UserError(f"--references: got {given!r} with {options.action}, expected it with evaluate or predict only")
    _check_predict(options)
    if loaded is None:
        if options.set or options.smoke:
            raise UserError("import: got -S or --smoke, which change a study, expected a checkpoint alone")
        from repro.commands.predictor.importing import import_file

        return import_file(options)
    if options.action == "predict":
        from repro.commands.predictor.predicting import predict

        return predict(loaded, options)
    from repro.commands.predictor import steps

    code: int = getattr(steps, options.action)(loaded, options)
    return code


def _check_predict(options: argparse.Namespace) -> None:
    """Fill in what `predict` takes where nothing is given. UserError for its options with another step."""
    given = [name for name in ("target", "fraction", "export") if getattr(options, name) is not None]
    if given and options.action != "predict":
        value = str(getattr(options, given[0]))
        raise UserError(f"--{given[0]}: got {value!r} with {options.action}, expected it with predict only")
    if options.fraction == 0:
        raise UserError("--fraction: got 0, expected a share above 0, e.g. 0.1")
    options.target = 0.5 if options.target is None else options.target
    options.fraction = 0.1 if options.fraction is None else options.fraction
    check_export(options, [options.spec])


def _share(text: str) -> float:
    value = plain_number(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"got {text!r}, expected a number in 0..1")
    return value


def _action(text: str) -> str:
    if text not in ACTIONS:
        raise argparse.ArgumentTypeError(
            f"got {text!r}, expected one of {', '.join(ACTIONS)}{did_you_mean(text, ACTIONS)}"
        )
    return text


COMMAND = Command("predictor", "train and judge a difficulty predictor (DOTS)", add_options, run, resumes=True)
