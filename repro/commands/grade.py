"""`repro grade`: the verdicts on a table of completions, usable without a study."""

from __future__ import annotations

import argparse
from pathlib import Path

from repro.commands import options as shared
from repro.commands.command import Command
from repro.errors import UserError

EXAMPLES = 5  # completions of a kind that are printed


def positive_seconds(text: str) -> float:
    """A number of seconds. Raises argparse's error where it is none above 0 and up to a day."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 86_400:
        raise argparse.ArgumentTypeError(f"got {text}, expected seconds above 0")
    return seconds


def add_options(parser: argparse.ArgumentParser) -> None:
    """Which table, which columns, where the verdicts go."""
    parser.add_argument("table", metavar="FILE", type=Path, help="completions: .jsonl, .csv or .parquet, one a row")
    parser.add_argument("--completion", metavar="COLUMN", default="completion", help="their text (completion)")
    parser.add_argument("--answer", metavar="COLUMN", default="answer", help="the gold answer (answer)")
    parser.add_argument("--prompt", metavar="COLUMN", help="the prompt, where it opens a thinking block")
    parser.add_argument("--out", metavar="FILE", type=Path, help="write the verdicts as .jsonl")
    parser.add_argument(
        "--seconds", metavar="S", type=positive_seconds, default=5.0, help="CPU seconds a comparison may take (5)"
    )


def run(options: argparse.Namespace) -> int:
    """Print how many are right, wrong, without an answer and undecided, with examples; 0."""
    from repro.tasks.grade import grade, read_completions, write_verdicts

    if options.out is not None and options.out.suffix != ".jsonl":
        raise UserError(f"--out: {options.out}, expected a file ending in .jsonl")
    completions = read_completions(options.table, options.completion, options.answer, options.prompt)
    verdicts = grade(completions, options.seconds)
    kinds: dict[str, list[int]] = {"right": [], "wrong": [], "no answer": [], "undecided": []}
    for row, verdict in enumerate(verdicts):
        kinds[verdict.kind].append(row)
    total = len(verdicts)
    shared.say(f"{total} completions of {options.table}")
    for kind, rows in kinds.items():
        shared.say(f"  {kind:<10} {len(rows):>7}  {len(rows) / total:6.1%}")
    for kind in ("undecided", "no answer", "wrong"):
        for row in kinds[kind][:EXAMPLES]:
            verdict = verdicts[row]
            reason = f": {verdict.why}" if verdict.why else ""
            shared.say(
                f"{completions[row].where}: {kind}{reason}; read {verdict.answer!r}, gold {completions[row].gold!r}"
            )
    if options.out is not None:
        write_verdicts(options.out, [*zip(completions, verdicts, strict=True)])
        shared.say(f"verdicts: {options.out}")
    return 0


COMMAND = Command("grade", "grade completions against their gold answers", add_options, run)
