"""Grading a table of completions: the answer read in each, the verdict, and why there is none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from repro.errors import UserError
from repro.files import dump_json, write_atomically
from repro.tasks.answers import extract_answer
from repro.tasks.files import check_extension, find_path, read_rows
from repro.tasks.thinking import opened
from repro.tasks.verify import EQUAL, UNEQUAL, MathVerifier
from repro.words import show, unknown, unwritable

REASONS = {
    "time": "the comparison took more CPU time than --seconds",
    "memory": "the comparison needed more memory than it may have",
    "crash": "the comparison crashed",
    "wall": "the machine was too busy to compare",
    "killed": "the comparing process was killed",
}


@dataclass(frozen=True)
class Completion:
    """`where` it stands in its file, its text after what the prompt opened, and the gold answer."""

    where: str
    text: str
    gold: str


@dataclass(frozen=True)
class Verdict:
    """`kind`: right, wrong, no answer or undecided; `why` is said where it is undecided."""

    kind: str
    answer: str
    why: str = ""


def read_completions(path: Path, completion: str, answer: str, prompt: str | None = None) -> list[Completion]:
    """The rows of a .jsonl, .json, .parquet or .csv table. UserError naming file, row and column for what is no text.

    A number as gold answer is taken as written. A completion may be a list, then each of its texts is one.
    """
    path, found = find_path(str(path), "FILE"), []
    for where, row in read_rows(check_extension(path, "FILE")):
        for name, option in ((completion, "--completion"), (answer, "--answer"), (prompt, "--prompt")):
            if name is not None and name not in row:
                raise UserError(f"{where}: {option}: {unknown(name, list(row), 'a column of the table')}")
        gold = row[answer]
        if isinstance(gold, bool) or not isinstance(gold, str | int | float) or gold == "":
            raise UserError(f"{where}: column {answer!r} holds {show(gold)}, expected a gold answer: text or a number")
        texts = row[completion] if isinstance(row[completion], list) else [row[completion]]
        for text in texts:
            if not isinstance(text, str):
                raise UserError(f"{where}: column {completion!r} holds {show(text)}, expected the text of a completion")
            before = opened(str(row[prompt])) if prompt is not None else ""
            if unwritable(text):
                raise UserError(f"{where}: column {completion!r} holds {ascii(text)[:60]}, expected text")
            found.append(Completion(where, before + text, str(gold)))
    if not found:
        raise UserError(f"{path}: holds no completions, expected a row for each")
    return found


def grade(completions: Sequence[Completion], seconds: float) -> list[Verdict]:
    """The verdict on each completion; a comparison may take `seconds` of CPU time."""
    verifier = MathVerifier(seconds)
    try:
        outcomes = verifier.outcomes([one.text for one in completions], [one.gold for one in completions])
    finally:
        verifier.close()
    return [_verdict(extract_answer(one.text), outcome) for one, outcome in zip(completions, outcomes, strict=True)]


def write_verdicts(path: Path, rows: Sequence[tuple[Completion, Verdict]]) -> None:
    """A .jsonl table with where, gold, answer, verdict and why."""
    lines = [
        {"where": one.where, "gold": one.gold, "answer": verdict.answer, "verdict": verdict.kind, "why": verdict.why}
        for one, verdict in rows
    ]
    write_atomically(path, b"".join(dump_json(line, indent=None) for line in lines))


def _verdict(answer: str, outcome: str) -> Verdict:
    if outcome in (EQUAL, UNEQUAL):
        return Verdict("right" if outcome == EQUAL else "wrong" if answer else "no answer", answer)
    return Verdict("undecided", answer, REASONS[outcome])
