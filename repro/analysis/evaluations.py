"""The evaluations of a run as arrays: a study has so many that a dictionary for each would fill the memory."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from repro.files import parse_json
from repro.numbers import pass_at
from repro.tracking.run_record import content_digest

_BEGIN, _END = b'"passes": {', b'}, "greedy"'
_VALUE = re.compile(rb'": (\d)(?=, "|\Z)')
_ZERO = np.uint8(ord("0"))
_HEAD = re.compile(
    rb'\{"step": (?P<step>\d+), "set": "(?P<set>[\w.-]+)", "temperature": (?P<temperature>[\d.e-]+), '
    rb'"samples": (?P<samples>\d+), "passes": \{'
)
_TAIL = re.compile(
    rb'\}, "greedy": null, "entropy": (?P<entropy>[\d.e-]+), "mean_tokens": (?P<tokens>[\d.e-]+), "time": [\d.e+-]+\}'
)


Counts = NDArray[np.integer]
_Counted = tuple[tuple[str, ...], Counts, int]
"""Ids of problems, the correct completions of each, and the largest of these numbers."""


@dataclass(frozen=True)
class Evaluation:
    """One evaluation of one set of questions. Numbers that were not measured are NaN."""

    step: int
    set: str
    temperature: float
    samples: int
    problems: tuple[str, ...]
    passes: Counts  # correct completions of each problem, 0..samples (problems,)
    greedy: float  # share of problems whose greedy completion is correct, 0..1
    entropy: float  # nats per token
    tokens: float  # mean length of a completion

    @property
    def parts(self) -> tuple[Evaluation, ...]:
        """Itself: a `MeanEvaluation` has several."""
        return (self,)

    @property
    def accuracy(self) -> float:
        """avg@k, in 0..1."""
        return int(self.passes.sum()) / (self.samples * len(self.problems))

    def pass_at(self, k: int) -> float:
        """pass@k: the chance that one of k completions is right, averaged over problems. ValueError for k > samples."""
        return float(pass_at(k, self.passes, self.samples).mean())

    def rates(self, problems: Sequence[str]) -> NDArray[np.float64]:
        """Pass rate of each problem in the given order. Raises KeyError for a problem that was not evaluated."""
        if problems is self.problems or tuple(problems) == self.problems:
            return self.passes / self.samples
        return self.passes[_places(self.problems, tuple(problems))] / self.samples


def pass_rates(rows: Sequence[Evaluation], problems: Sequence[str]) -> NDArray[np.float64]:
    """Pass rate of each problem in the given order at each evaluation (evaluations, problems).

    Raises KeyError for a problem that was not evaluated.
    """
    ids, samples = rows[0].problems, rows[0].samples
    if all(row.problems is ids and row.samples == samples for row in rows):
        passes = np.array([row.passes for row in rows])
        if tuple(problems) != ids:
            passes = passes.take(_places(ids, tuple(problems)), axis=1)  # evaluation by evaluation in memory
        return passes / samples
    return np.stack([row.rates(problems) for row in rows])


@lru_cache(maxsize=64)
def _places(problems: tuple[str, ...], wanted: tuple[str, ...]) -> NDArray[np.intp]:
    """Where each problem wanted stands; runs of one study have theirs in the same order. Raises KeyError."""
    place = {problem: index for index, problem in enumerate(problems)}
    return np.array([place[problem] for problem in wanted], np.intp)


@dataclass(frozen=True)
class _Template:
    """How the passes of a set are written where every count is one digit."""

    problems: tuple[str, ...]
    digits: NDArray[np.intp]  # where they stand
    text: bytes  # with 0 in their place


class Reader:
    """Reads files of evaluations. Runs of one study evaluate the same questions: their ids are parsed once."""

    def __init__(self) -> None:
        self._templates: dict[int, _Template] = {}  # by length
        self._known: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._contents: dict[str, Any] = {}  # by digest

    def parsed(self, data: bytes) -> Any:
        """The value of a JSON file, not to be changed: runs of one study have many files of equal content.

        Raises ValueError for text that is not JSON.
        """
        key = content_digest(data)
        if key not in self._contents:
            self._contents[key] = parse_json(data)
        return self._contents[key]

    def read(self, data: bytes) -> list[Evaluation]:
        """The rows of `evaluations.jsonl`, without a torn last one.

        Raises:
            ValueError: a row is no evaluation; the message names its line.
        """
        lines = data.split(b"\n")[:-1]
        spans = [self._span(line) for line in lines]
        counted = self._by_template(lines, spans)
        rows = []
        for number, (line, span) in enumerate(zip(lines, spans, strict=True)):
            if line.strip():
                try:
                    rows.append(self._row(line, span, counted.get(number)))
                except (ValueError, KeyError, TypeError, AttributeError) as error:
                    raise ValueError(f"line {number + 1} is no evaluation") from error
        return rows

    @staticmethod
    def _span(line: bytes) -> tuple[int, int] | None:
        """Where the text between the braces of `passes` begins and ends; None where that cannot be told."""
        begin = line.find(_BEGIN)
        end = line.find(_END, begin) if begin >= 0 else -1
        return (begin + len(_BEGIN), end) if end >= 0 else None

    def _row(self, line: bytes, span: tuple[int, int] | None, counted: _Counted | None) -> Evaluation:
        row = self._rest(line, *span) if span and counted else parse_json(line)
        problems, passes, most = counted or self._parsed(row["passes"])
        greedy, samples = row["greedy"], int(row["samples"])
        if not problems or samples < 1 or most > samples:
            raise ValueError("expected passes between 0 and samples")
        solved = math.nan if not greedy else sum(greedy.values()) / len(greedy)
        return Evaluation(
            int(row["step"]), str(row["set"]), row["temperature"], samples, problems, passes, solved,
            _number(row.get("entropy")), _number(row.get("mean_tokens")),
        )  # fmt: skip

    @staticmethod
    def _rest(line: bytes, begin: int, end: int) -> dict[str, Any]:
        """The fields of a row other than its passes. Most rows are read without parsing JSON."""
        head, tail = _HEAD.fullmatch(line, 0, begin), _TAIL.fullmatch(line, end)
        if head is None or tail is None:
            row: dict[str, Any] = parse_json(line[:begin] + line[end:])
            return row
        return {
            "step": int(head["step"]),
            "set": head["set"].decode(),
            "temperature": float(head["temperature"]),
            "samples": int(head["samples"]),
            "greedy": None,
            "entropy": float(tail["entropy"]),
            "mean_tokens": float(tail["tokens"]),
        }

    def _by_template(self, lines: Sequence[bytes], spans: Sequence[tuple[int, int] | None]) -> dict[int, _Counted]:
        """What is counted in the lines that are written as an earlier one, by their number; others have to be parsed.

        Lines of one length are read together.
        """
        alike: dict[int, list[int]] = {}
        for number, span in enumerate(spans):
            if span is not None:
                alike.setdefault(span[1] - span[0], []).append(number)
        found: dict[int, _Counted] = {}
        for length, numbers in alike.items():
            bodies = [lines[number][slice(*(spans[number] or ()))] for number in numbers]
            template = self._templates.get(length)
            if template is None:
                with suppress(ValueError):
                    template = self._made(bodies[0])
                if template is None:
                    continue
                self._templates[length] = template
            text = np.frombuffer(bytearray(b"".join(bodies)), np.uint8).reshape(len(bodies), length)
            counts = text[:, template.digits] - _ZERO  # what lies below 0 wraps round and lies above 9
            text[:, template.digits] = _ZERO
            most = counts.max(axis=1)
            sound = (text == np.frombuffer(template.text, np.uint8)).all(axis=1) & (most <= 9)
            for number, own, largest, one in zip(numbers, counts, most.tolist(), sound.tolist(), strict=True):
                if one:
                    found[number] = template.problems, own, largest
        return found

    def _made(self, body: bytes) -> _Template | None:
        passes = json.loads(b"{" + body + b"}")
        digits = np.array([found.start(1) for found in _VALUE.finditer(body)], np.intp)
        if not passes or len(digits) != len(passes):
            return None
        copy = bytearray(body)
        text = np.frombuffer(copy, np.uint8)
        if (text[digits] - _ZERO).tolist() != list(passes.values()):
            return None
        text[digits] = _ZERO
        return _Template(self._same(tuple(passes)), digits, bytes(copy))

    def _parsed(self, passes: dict[str, int]) -> _Counted:
        counts = list(passes.values())
        if not all(type(count) is int and count >= 0 for count in counts):
            raise ValueError("expected whole numbers")
        return self._same(tuple(passes)), np.array(counts, np.int64), max(counts, default=0)

    def _same(self, problems: tuple[str, ...]) -> tuple[str, ...]:
        """One object for equal ids."""
        return self._known.setdefault(problems, problems)


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else math.nan
