"""The options of `repro diagnose`, checked as far as words alone allow; imports nothing heavy."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from repro.arguments import file_path, folder, plain_number, whole_number
from repro.commands.export import check_export
from repro.commands.score.options import OF_A_SPEC, TARGETS, add_sources, check_sources, device_word
from repro.errors import UserError

EXAMPLES = """
examples:
  python -m repro diagnose --model tiny --dataset arithmetic
  python -m repro diagnose --model Qwen/Qwen2.5-0.5B-Instruct --dataset gsm8k --max-completion-tokens 400
  python -m repro diagnose --spec experiments/quickstart.yaml
  python -m repro diagnose --check experiments/quickstart.yaml
"""

OF_TRAINING = ("group_size", "questions_per_step", "steps", "temperature", "top_p", "max_completion_tokens")
"""Options that are fields of `train`, which a spec says itself."""
OF_CHECK = ("model", "dataset", "spec", "target", "prompt", "name", "export", *OF_TRAINING, *OF_A_SPEC)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add every option of `repro diagnose` but --runs."""
    parser.epilog, parser.formatter_class = EXAMPLES, argparse.RawDescriptionHelpFormatter
    add = add_sources(parser, "what is asked")
    add(
        "--check",
        type=file_path,
        nargs="+",
        metavar="SPEC",
        help="compare what would have been predicted with the finished runs of these studies",
    )
    add("--store", metavar="URI", help="with --check: the MLflow store (default: MLFLOW_TRACKING_URI, else mlflow.db)")

    add = parser.add_argument_group("the training that is meant (default: the spec's, else the suite's)").add_argument
    add("--group-size", type=whole_number(2, 10_000), metavar="G", help="completions of a question (8)")
    add("--questions-per-step", type=whole_number(1, 100_000), metavar="B", help="questions of a step (32)")
    add("--steps", type=whole_number(1, 1_000_000), metavar="N", help="steps, which share the cost of choosing (40)")
    add("--temperature", type=_number(0.01, 10), metavar="T", help="sampling temperature (1)")
    add("--top-p", type=_number(1e-6, 1), metavar="P", help="nucleus (1)")
    add("--max-completion-tokens", type=whole_number(1, 10**6), metavar="N", help="longest completion (96)")
    add("--target", choices=TARGETS, help="whose tokens the confidence is of (final_answer)")
    add("--prompt", choices=("default", "paper"), help="what stands before them, see `repro score` (default)")

    add = parser.add_argument_group("how long").add_argument
    add(
        "--minutes",
        type=_number(0.05, 100_000),
        default=7.0,
        metavar="M",
        help="scoring and sampling end within it, loading aside (default: %(default)g)",
    )
    add("--questions", type=whole_number(16, 10**6), default=512, metavar="N", help="sampled at most (%(default)s)")
    add(
        "--samples",
        type=whole_number(4, 10_000),
        metavar="K",
        help="completions of each, an even number (default: 16, or 8 where the time is short)",
    )
    add("--seed", type=whole_number(0, 2**31), default=0, metavar="S", help="of questions, completions and resamples")
    add(
        "--gain",
        type=_number(0.1, 100),
        default=20.0,
        metavar="POINTS",
        help="accuracy that the baseline is taken to gain, for the seeds that are needed (default: %(default)g)",
    )
    add("--device", type=device_word, metavar="DEV", help="cpu, cuda or cuda:N (default: cuda where there is one)")
    add("--threads", type=whole_number(1, 1024), metavar="N", help="CPU threads (default: 1, or the spec's)")
    add("--batch-tokens", type=whole_number(1, 10**9), metavar="N", help="tokens of a batch of the scoring pass")

    add = parser.add_argument_group("where it goes").add_argument
    add("--name", metavar="NAME", help="names the report's folder (default: the model and the dataset)")
    add("--out", type=folder, metavar="DIR", help="folder of the report (default: reports/diagnose/NAME)")


def check_options(options: argparse.Namespace) -> None:
    """Raise UserError for options that do not go together, before anything is read."""
    check_export(options, [options.spec, options.dataset, options.examples])
    if options.check is not None:
        given = next((name for name in OF_CHECK if getattr(options, name) is not None), None)
        if given is not None:
            raise UserError(f"diagnose: got {_option(given)} with --check, expected it in the studies that are checked")
    else:
        check_sources("diagnose", options)
        if options.store is not None:
            raise UserError("diagnose: got --store without --check, expected it with --check only")
    if options.spec is not None:
        given = next((name for name in OF_TRAINING if getattr(options, name) is not None), None)
        if given is not None:
            raise UserError(f"diagnose: got {_option(given)} with --spec, expected train.{given} in the spec only")
    if options.name is not None and options.out is not None:
        raise UserError("diagnose: got --name with --out, expected one of them: both say where the report goes")
    if options.samples is not None and options.samples % 2:
        raise UserError(f"--samples: got {options.samples}, expected an even number: one half chooses, one judges")
    if options.prompt == "paper":
        for name in ("system_prompt", "examples"):
            if getattr(options, name) is not None:
                raise UserError(f"diagnose: got {_option(name)} with --prompt paper, expected one of them")


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _number(least: float, most: float) -> Callable[[str], float]:
    """An argparse type: a number from `least` to `most`."""

    def parse(text: str) -> float:
        value = plain_number(text)
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"got {text[:40]!r}, expected a number >= {least:g} and <= {most:,g}")
        return value

    return parse
