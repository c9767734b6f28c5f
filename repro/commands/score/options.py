"""The options of `repro score`, checked as far as words alone allow; imports nothing heavy."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from pathlib import Path

from repro.arguments import file_path, plain_number, whole_number
from repro.errors import UserError

SUFFIXES = (".parquet", ".csv", ".jsonl")
TARGETS = ("final_answer", "solution", "greedy_response")
DTYPES = ("float32", "bfloat16", "float16")
FIELDS = ("question", "answer", "solution", "id")
# What a spec says itself.
OF_A_SPEC = ("revision", "dtype", "system_prompt", "examples", "config", "data_revision", "split", *FIELDS)
FIELD_HELP = {
    "question": "field with the question (default: question)",
    "answer": "field with the gold answer, after #### where present (default: answer)",
    "solution": "field with a worked solution (default: what stands before #### in the answer)",
    "id": "field with a unique id (default: a digest of the question)",
}
EXAMPLES = """
examples:
  python -m repro score --model tiny --dataset arithmetic
  python -m repro score --model Qwen/Qwen2.5-0.5B-Instruct --dataset gsm8k --prompt paper --dtype bfloat16
  python -m repro score --model runs/my-policy --dataset my.jsonl --question problem --answer gold --out mine.parquet
  python -m repro score --spec experiments/quickstart.yaml --out quickstart.parquet
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add every option of `repro score` but --runs."""
    parser.epilog, parser.formatter_class = EXAMPLES, argparse.RawDescriptionHelpFormatter
    add = add_sources(parser, "what is scored")
    add("--limit", type=whole_number(1, 10**9), metavar="N", help="only the first N questions")

    add = parser.add_argument_group("how").add_argument
    add("--target", choices=TARGETS, default="final_answer", help="whose tokens are scored (default: %(default)s)")
    add(
        "--prompt",
        choices=("default", "paper"),
        default="default",
        help="paper: the system prompt and the <answer> tag of UFO-RL's release; default: the prompt of rollouts",
    )
    add("--max-new-tokens", type=whole_number(1, 10**6), metavar="N", help="longest greedy response (default: 512)")
    add("--device", type=device_word, metavar="DEV", help="cpu, cuda or cuda:N (default: cuda where there is one)")
    add(
        "--threads",
        type=whole_number(1, 1024),
        metavar="N",
        help="CPU threads (default: 1, or the spec's train.threads); another number gives other last digits, "
        "and its scores are kept apart",
    )
    add(
        "--batch-tokens",
        type=whole_number(1, 10**9),
        metavar="N",
        help="tokens of a batch, padding included: lower it where memory runs out (default: what suits the device)",
    )

    add = parser.add_argument_group("which questions are selected; changing these needs no second pass").add_argument
    add("--fraction", type=_fraction, metavar="F", help="share that is selected, max(1, int(F N)) (default: 0.1)")
    add("--center", type=_center, metavar="C", help="take those nearest the mean (default), the median or a value of s")
    add("--end", choices=("highest", "lowest"), help="take those of highest or lowest s instead")
    add("--low", type=_share, metavar="S", help="take those between two bounds instead: the lower one")
    add("--high", type=_share, metavar="S", help="the upper bound")
    add("--scale", choices=("value", "quantile"), help="what the bounds count: values of s or ranks (default: value)")

    add = parser.add_argument_group("where it goes").add_argument
    add(
        "--out",
        type=file_path,
        default=Path("scores.parquet"),
        metavar="FILE",
        help="table, ending in .parquet, .csv or .jsonl; a .json of the same name describes it (default: %(default)s)",
    )
    add("--force", action="store_true", help="replace an output that was scored otherwise or elsewhere; score again")


def add_sources(parser: argparse.ArgumentParser, title: str) -> Callable[..., argparse.Action]:
    """Add which policy is asked which questions, as a group of options of that title; further ones may be added."""
    add = parser.add_argument_group(title).add_argument
    add(
        "--model",
        metavar="M",
        help="tiny, smollm2, a directory saved by transformers, a .gguf file, or a hub id (hub:ID where both exist)",
    )
    add(
        "--dataset",
        metavar="D",
        help="a task or dataset by name (arithmetic, gsm8k, module:Name), a .jsonl, .json, .parquet or .csv"
        " file, a directory, or hub:ID",
    )
    add(
        "--spec",
        type=file_path,
        metavar="SPEC",
        help="take model and training questions from a study; --model and --dataset then name one of several by label",
    )
    add("--revision", metavar="REV", help="commit, tag or branch of the model on the hub")
    add("--dtype", choices=DTYPES, help="weights and activations (default: float32)")
    add("--system-prompt", metavar="TEXT", help="system message where the tokenizer has a chat template")
    add(
        "--examples",
        metavar="FILE",
        help="rows with question and answer that every prompt shows first",
    )
    add("--config", metavar="NAME", help="configuration of the hub dataset")
    add("--data-revision", metavar="REV", help="commit, tag or branch of the dataset on the hub")
    add("--split", metavar="NAME", help="which split is scored, every question of it (default: train)")
    for name in FIELDS:
        add(f"--{name}", metavar="FIELD", help=FIELD_HELP[name])
    return add


def check_options(options: argparse.Namespace) -> None:
    """Raise UserError for options that do not go together, before anything is read."""
    check_sources("score", options)
    if options.prompt == "paper" and options.system_prompt is not None:
        raise UserError("score: got --system-prompt with --prompt paper, expected one of them: paper brings its own")
    if options.prompt == "paper" and options.examples is not None:
        raise UserError("score: got --examples with --prompt paper, expected one of them: paper shows none")
    if options.max_new_tokens is not None and options.target != "greedy_response":
        raise UserError(
            f"score: got --max-new-tokens with --target {options.target}, which decodes nothing; "
            "expected it with --target greedy_response"
        )
    _check_band(options)
    if options.out.suffix not in SUFFIXES:
        raise UserError(f"--out: got {options.out}, expected a file ending in {', '.join(SUFFIXES)}")


def check_sources(command: str, options: argparse.Namespace) -> None:
    """Raise UserError where no policy or questions are named, or both here and in a spec."""
    if options.spec is None:
        missing = [f"--{name}" for name in ("model", "dataset") if getattr(options, name) is None]
        if missing:
            raise UserError(f"{command}: got no {' and no '.join(missing)}, expected both, or --spec SPEC")
    else:
        given = [name for name in OF_A_SPEC if getattr(options, name) is not None]
        if given:
            raise UserError(f"{command}: got {_option(given[0])} with --spec, expected it in the spec only")


def _check_band(options: argparse.Namespace) -> None:
    bounds = [name for name in ("low", "high") if getattr(options, name) is not None]
    kinds = [*(["center"] if options.center is not None else []), *(["end"] if options.end else []), *bounds[:1]]
    if len(kinds) > 1:
        raise UserError(
            f"score: got --{kinds[0]} with --{kinds[1]}, expected one kind of band: --center, --end, or "
            "--low with --high"
        )
    if len(bounds) == 1:
        raise UserError(f"score: got --{bounds[0]} alone, expected --low with --high")
    if options.scale is not None and not bounds:
        raise UserError("score: got --scale without bounds, expected --low and --high with it")
    if not bounds:
        return
    if options.low >= options.high:
        raise UserError(f"score: got --low {options.low:g} and --high {options.high:g}, expected low < high")
    if options.fraction is not None:
        raise UserError("score: got --fraction with --low and --high, expected one of them: the bounds fix the size")


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _fraction(text: str) -> float:
    if not 1e-9 <= plain_number(text) <= 1:
        raise argparse.ArgumentTypeError(f"got {text!r}, expected a share above 0 and at most 1, e.g. 0.1")
    return plain_number(text)


def _share(text: str) -> float:
    if not 0 <= plain_number(text) <= 1:
        raise argparse.ArgumentTypeError(f"got {text!r}, expected a number in 0..1")
    return plain_number(text)


def _center(text: str) -> str | float:
    if text in ("mean", "median"):
        return text
    if not 0 <= plain_number(text) <= 1:
        raise argparse.ArgumentTypeError(f"got {text!r}, expected mean, median or a number in 0..1")
    return plain_number(text)


def device_word(text: str) -> str:
    if not re.fullmatch(r"cpu|cuda(:[0-9]{1,3})?", text):
        raise argparse.ArgumentTypeError(f"got {text!r}, expected cpu, cuda or cuda:N")
    return text


SETTINGS = {
    "model.path": "--model",
    "model.named": "--model",
    "model.hub": "--model",
    "model.revision": "--revision",
    "model.dtype": "--dtype",
    "model.system_prompt": "--system-prompt",
    "model.examples": "--examples",
    "model.examples.file": "--examples",
    "dataset.path": "--dataset",
    "dataset.config": "--config",
    "dataset.revision": "--data-revision",
    **{f"dataset.{name}": f"--{name}" for name in FIELDS},
    "selection.target": "--target",
    "selection.prompt": "--prompt",
}
"""Fields of a spec and the options that stand for them where there is none."""
