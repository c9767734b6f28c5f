"""Grading a table of completions: the answer read in each, the verdict, and why there is none."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from repro.files import write_atomically
from repro.tasks.answers import extract_answer
from repro.tasks.completions import Completion
from repro.tasks.verify import EQUAL, UNEQUAL, MathVerifier

FIELDS = ("where", "gold", "answer", "verdict", "why")
LONGEST_LINE = 1 << 20
REASONS = {
    "time": "the comparison took more CPU time than --seconds",
    "memory": "the comparison needed more memory than it may have",
    "crash": "the comparison crashed",
    "wall": "the machine was too busy to compare",
    "killed": "the comparing process was killed",
}


@dataclass(frozen=True)
class Verdict:
    """`kind`: right, wrong, no answer or undecided; `why` is said where it is undecided."""

    kind: str
    answer: str
    why: str = ""


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
    write_atomically(path, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines).encode())


def are_verdicts(path: Path) -> bool:
    """Whether a file is empty or begins with a line that `write_verdicts` wrote."""
    with path.open("rb") as file:
        line = file.readline(LONGEST_LINE)
    try:
        row = json.loads(line) if line else dict.fromkeys(FIELDS)
    except (ValueError, RecursionError):
        return False
    return isinstance(row, dict) and set(row) == set(FIELDS)


def _verdict(answer: str, outcome: str) -> Verdict:
    if outcome in (EQUAL, UNEQUAL):
        return Verdict("right" if outcome == EQUAL else "wrong" if answer else "no answer", answer)
    return Verdict("undecided", answer, REASONS[outcome])
