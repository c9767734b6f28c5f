"""The evaluations of a run as arrays: a study has so many that a dictionary for each would fill the memory."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from repro.files import parse_json
from repro.numbers import pass_at

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

    def read(self, data: bytes) -> list[Evaluation]:
        """The rows of `evaluations.jsonl`, without a torn last one.

        Raises:
            ValueError: a row is no evaluation; the message names its line.
        """
        rows = []
        for number, line in enumerate(data.split(b"\n")[:-1], start=1):
            if line.strip():
                try:
                    rows.append(self._row(line))
                except (ValueError, KeyError, TypeError, AttributeError) as error:
                    raise ValueError(f"line {number} is no evaluation") from error
        return rows

    def _row(self, line: bytes) -> Evaluation:
        begin = line.find(_BEGIN) + len(_BEGIN)
        end = line.find(_END, begin)
        found = self._by_template(line[begin:end]) if begin >= len(_BEGIN) and end >= 0 else None
        row = self._rest(line, begin, end) if found else parse_json(line)
        problems, passes = found or self._parsed(row["passes"])
        greedy, samples = row["greedy"], int(row["samples"])
        if not problems or samples < 1 or passes.max() > samples:
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

    def _by_template(self, body: bytes) -> tuple[tuple[str, ...], Counts] | None:
        """Ids and counts of the text between the braces of `passes`; None where the text has to be parsed."""
        template = self._templates.get(len(body))
        if template is None:
            template = self._made(body)
            if template is None:
                return None
            self._templates[len(body)] = template
        copy = bytearray(body)
        text = np.frombuffer(copy, np.uint8)
        counts = text[template.digits] - _ZERO  # what lies below 0 wraps round and lies above 9
        text[template.digits] = _ZERO
        if copy != template.text or counts.max() > 9:
            return None
        return template.problems, counts

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

    def _parsed(self, passes: dict[str, int]) -> tuple[tuple[str, ...], Counts]:
        counts = list(passes.values())
        if not all(type(count) is int and count >= 0 for count in counts):
            raise ValueError("expected whole numbers")
        return self._same(tuple(passes)), np.array(counts, np.int64)

    def _same(self, problems: tuple[str, ...]) -> tuple[str, ...]:
        """One object for equal ids."""
        return self._known.setdefault(problems, problems)


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else math.nan
