"""`repro grade`: the verdicts on a table of completions, usable without a study."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

from repro.arguments import file_path, plain_number
from repro.commands import options as shared
from repro.commands.command import Command
from repro.errors import UserError
from repro.user_paths import no_file

EXAMPLES = 5  # completions of a kind that are printed
WIDTH = 80  # characters of an answer that are printed


def positive_seconds(text: str) -> float:
    """A number of seconds. Raises argparse's error where it is none above 0 and up to a day."""
    seconds = plain_number(text)
    if not 0 < seconds <= 86_400:
        raise argparse.ArgumentTypeError(f"got {text}, expected seconds above 0")
    return seconds


def add_options(parser: argparse.ArgumentParser) -> None:
    """Which table, which columns, where the verdicts go."""
    parser.add_argument(
        "table",
        metavar="FILE",
        type=file_path,
        help="completions: .jsonl, .json, .csv, .tsv or .parquet, one or a list a row",
    )
    parser.add_argument("--completion", metavar="COLUMN", default="completion", help="their text (completion)")
    parser.add_argument("--answer", metavar="COLUMN", help="the gold answer (answer, or gold where there is none)")
    parser.add_argument("--prompt", metavar="COLUMN", help="the prompt, where it opens a thinking block")
    parser.add_argument("--out", metavar="FILE", type=file_path, help="write the verdicts as .jsonl")
    parser.add_argument(
        "--seconds", metavar="S", type=positive_seconds, default=5.0, help="CPU seconds a comparison may take (5)"
    )


def run(options: argparse.Namespace) -> int:
    """Print how many are right, wrong, without an answer and undecided, with examples; 0, whatever they are."""
    from repro.tasks.completions import read_completions
    from repro.tasks.grade import grade, write_verdicts

    _check_out(options.table, options.out)
    completions = read_completions(options.table, options.completion, options.answer, options.prompt)
    verdicts = grade(completions, options.seconds)
    kinds: dict[str, list[int]] = {"right": [], "wrong": [], "no answer": [], "undecided": []}
    for row, verdict in enumerate(verdicts):
        kinds[verdict.kind].append(row)
    total = len(verdicts)
    shared.say(f"{total} completions of {options.table}")
    for kind, rows in kinds.items():
        shared.say(f"  {kind:<10} {len(rows):>7}  {len(rows) / total:6.1%}")
    for reason, count in Counter(verdict.why for verdict in verdicts if verdict.why).most_common():
        shared.say(f"  undecided because {reason}: {count}")
    for kind in ("undecided", "no answer", "wrong"):
        for row in kinds[kind][:EXAMPLES]:
            read, gold = (_cut(text) for text in (verdicts[row].answer, completions[row].gold))
            shared.say(f"{completions[row].where}: {kind}; read {read}, gold {gold}")
        if len(kinds[kind]) > EXAMPLES:
            shared.say(f"... and {len(kinds[kind]) - EXAMPLES:,} more {kind}; --out writes them all")
    if options.out is not None:
        write_verdicts(options.out, [*zip(completions, verdicts, strict=True)])
        shared.say(f"verdicts: {options.out}")
    return 0


def _check_out(table: Path, out: Path | None) -> None:
    if out is None:
        return
    if out.suffix != ".jsonl":
        raise UserError(f"--out: {out}, expected a file ending in .jsonl")
    if not out.parent.is_dir():
        raise UserError(f"--out: {out.parent} is no folder; make it first")
    if out.exists() and not out.is_file():
        raise UserError(f"--out: {out} {no_file(out)}, expected a file")
    if out.exists() and table.exists() and out.samefile(table):
        raise UserError(f"--out: {out} is the table itself, expected another file: it would be overwritten")
    from repro.tasks.grade import are_verdicts

    if out.exists() and not are_verdicts(out):
        raise UserError(f"--out: {out} exists and holds no verdicts of `repro grade`, expected another name")


def _cut(text: str) -> str:
    shown = ascii(text) if not text.isprintable() else repr(text)
    return shown if len(shown) <= WIDTH else f"{shown[: WIDTH - 1]}…"


COMMAND = Command("grade", "grade completions against their gold answers", add_options, run)
