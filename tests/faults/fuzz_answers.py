"""Asks the command line in this process, and says what is wrong with its answer to a mistake."""

from __future__ import annotations

import contextlib
import hashlib
import io
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from repro.cli import main

LINES, SIZE, SECONDS = 40, 8000, 5.0  # of one screen, and of the wait for a mistake to be told


@dataclass(frozen=True)
class Answer:
    """What a call left: exit code, standard output and error, processor seconds."""

    code: int
    out: str
    err: str
    seconds: float


def ask(words: Sequence[str], folder: Path) -> Answer:
    """Run `repro` with these words in a working directory."""
    out, err = io.StringIO(), io.StringIO()
    start = time.process_time()  # wall time would tell how busy the machine is
    with contextlib.chdir(folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main(list(words))
        except SystemExit as ended:  # --help
            code = int(ended.code or 0)
    return Answer(code, out.getvalue(), err.getvalue(), time.process_time() - start)


def complaints(answer: Answer, places: Sequence[str]) -> Iterator[str]:
    """What is wrong with an answer; a mistake must name one of `places` (file names, options, fields)."""
    if answer.code not in (0, 2):
        yield f"exit code {answer.code}"
    if "Traceback" in answer.err or "Traceback" in answer.out:
        yield "a traceback"
    if len(answer.err.splitlines()) > LINES or len(answer.err) > SIZE:
        yield f"{len(answer.err.splitlines())} lines, {len(answer.err)} characters"
    if answer.code == 2 and answer.seconds > SECONDS:  # what is right may be a large study
        yield f"{answer.seconds:.1f} s"
    if answer.code == 2 and not any(place in answer.err for place in places):
        yield f"names none of {', '.join(places)}"
    if answer.code == 2 and not answer.err.strip():
        yield "no word"


def contents(folder: Path) -> dict[str, str]:
    """Path -> digest of every file under a folder, and of every folder."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        for path in sorted(folder.rglob("*"))
    }
