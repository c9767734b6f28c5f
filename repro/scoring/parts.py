"""What has been scored so far, in small files that a kill leaves whole, so that the next call does the rest only."""

from __future__ import annotations

import io
import json
import time
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from repro.files import dump_json, read_json, write_atomically

PAUSE = 2.0  # seconds between two parts: what a kill may cost
KEY_FILE = "key.json"


class Parts:
    """The parts of one piece of work: what has another key lies in another folder and is never mixed in.

    `confidence` (N,) float64 is NaN where a question is still to be scored; `tokens` and `prompt_tokens` (N,) int64.
    `seconds` is what all calls together spent on the pass; `replies` are the responses decoded so far, by question,
    with their tokens and seconds.
    """

    def __init__(self, work: Path, key: str, fields: dict[str, Any], total: int) -> None:
        self.folder = work / key
        self.others = [
            record
            for path in sorted(work.glob(f"*/{KEY_FILE}"))
            if path.parent != self.folder and isinstance(record := read_json(path), dict)
        ]
        self._fields = fields
        self.confidence = np.full(total, np.nan)
        self.tokens = np.zeros(total, np.int64)
        self.prompt_tokens = np.zeros(total, np.int64)
        self.seconds = 0.0
        self.replies: dict[int, str] = {}
        self.reply_tokens, self.reply_seconds = 0, 0.0
        self._number = 0
        self._passed: list[tuple[Path, np.ndarray, float]] = []  # left by earlier calls, in their order
        self._pending: list[tuple[np.ndarray, ...]] = []
        self._written = 0.0  # never: the first batch is kept at once
        self._since = time.perf_counter()
        self._load()
        self.taken_over = int(self.scored.sum())

    @property
    def scored(self) -> np.ndarray:
        """(N,) which questions are done."""
        return ~np.isnan(self.confidence)

    def start(self) -> None:
        """Count seconds from now on."""
        self._since = time.perf_counter()

    def add(self, rows: np.ndarray, confidence: np.ndarray, tokens: np.ndarray, prompt_tokens: np.ndarray) -> None:
        """A batch: its questions (m,) and their numbers; written soon."""
        self.confidence[rows], self.tokens[rows], self.prompt_tokens[rows] = confidence, tokens, prompt_tokens
        self._pending.append((rows, confidence, tokens, prompt_tokens))
        if time.monotonic() - self._written > PAUSE:
            self.flush()

    def flush(self) -> None:
        """Write what is pending."""
        if not self._pending:
            return
        now = time.perf_counter()
        spent, self._since = now - self._since, now
        names = ("rows", "confidence", "tokens", "prompt_tokens")
        merged = map(np.concatenate, zip(*self._pending, strict=True))
        columns: dict[str, Any] = dict(zip(names, merged, strict=True))
        data = io.BytesIO()
        np.savez(data, **columns, seconds=np.float64(spent))
        self._write("npz", data.getvalue())
        self.seconds += spent
        self._pending = []
        self._written = time.monotonic()

    def take_back(self) -> None:
        """Forget the newest part of the pass that an earlier call left. IndexError where there is none."""
        path, rows, seconds = self._passed.pop()
        path.unlink()
        self.confidence[rows] = np.nan
        self.seconds -= seconds
        self.taken_over -= len(rows)

    def add_replies(self, replies: dict[int, str], tokens: int, seconds: float) -> None:
        """Decoded responses by question, the tokens generated for them and the time that took; written at once."""
        self._write("json", json.dumps([tokens, seconds, list(replies.items())]).encode())
        self.replies |= replies
        self.reply_tokens += tokens
        self.reply_seconds += seconds

    def _write(self, suffix: str, data: bytes) -> None:
        if not self.folder.exists():  # a call that ends in a mistake leaves nothing
            self.folder.mkdir(parents=True)
            write_atomically(self.folder / KEY_FILE, dump_json(self._fields))
        self._number += 1
        write_atomically(self.folder / f"part-{self._number:06d}.{suffix}", data)

    def _load(self) -> None:
        for path in sorted(self.folder.glob("part-*")):
            self._number = max(self._number, int(path.stem.removeprefix("part-")))
            try:
                self._load_part(path)
            except (
                OSError,
                ValueError,
                TypeError,
                KeyError,
                IndexError,
                EOFError,
                BadZipFile,
            ):  # a damaged disk: do it again
                path.unlink(missing_ok=True)

    def _load_part(self, path: Path) -> None:
        if path.suffix == ".json":
            generated, seconds, replies = json.loads(path.read_bytes())
            self.replies |= {int(row): str(reply) for row, reply in replies}
            self.reply_tokens += generated
            self.reply_seconds += seconds
            return
        with np.load(path, allow_pickle=False) as part:
            rows, spent = part["rows"], float(part["seconds"])
            columns = part["confidence"], part["tokens"], part["prompt_tokens"]
        self.confidence[rows], self.tokens[rows], self.prompt_tokens[rows] = columns
        self.seconds += spent
        self._passed.append((path, rows, spent))
