"""One run of a study: what the store has of it, read when it is asked for."""

from __future__ import annotations

import re
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from repro.analysis.evaluations import Evaluation, Reader, pass_rates
from repro.analysis.mean_evaluation import MeanEvaluation, mean_evaluations
from repro.files import DamagedError
from repro.spec.schema import BENCHMARKS_MEAN
from repro.study.points import Place
from repro.tasks.benchmark_spec import Benchmark
from repro.tracking.run_record import RunRecord
from repro.tracking.series import GENERATED_TOKENS, SECONDS, SPEND

SMALL = 65_536
"""Bytes up to which a parsed file is kept: larger ones of a thousand runs would fill the memory."""

EVALUATIONS = "evaluations.jsonl"

_SPENT = re.compile(rb'"phase": "(\w+)", [^\n]*?"generated_tokens": ([^,}\n]+)[^\n]*\n')
"""A row of `spent.jsonl`: a run has hundreds, and one number of each is asked for."""


UNREADABLE = (OSError, EOFError, zlib.error, ValueError, LookupError, TypeError, AttributeError, RecursionError)
"""What reading a damaged file raises."""


class DamagedRun(Exception):
    """A finished run whose files or metrics cannot be used; a report leaves it out and says so."""

    def __init__(self, identity: str, why: str) -> None:
        super().__init__(identity, why)
        self.identity, self.why = identity, why


@dataclass(frozen=True)
class Run:
    """One run of the study: what the store has of it, under the labels that the spec gives it.

    `benchmarks` are the spec's names of the benchmarks, which a run of an older spec may have recorded under others.
    Whatever reads a file of it raises DamagedRun where the file is not what the suite wrote.
    """

    place: Place
    record: RunRecord
    reader: Reader = field(default_factory=Reader, repr=False, compare=False)
    benchmarks: tuple[str, ...] = ()
    _files: dict[str, dict[str, Any]] = field(default_factory=dict, init=False, repr=False, compare=False)
    _rates: dict[tuple[str, tuple[tuple[str, ...], ...]], NDArray[np.float64]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    _curves: dict[tuple[str, str], tuple[NDArray[np.float64], NDArray[np.float64]]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    _scores: dict[str, NDArray[np.float64]] = field(default_factory=dict, init=False, repr=False, compare=False)
    _points: dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @property
    def identity(self) -> str:
        return self.record.identity

    @property
    def finished(self) -> bool:
        return self.record.status == "finished"

    @contextmanager
    def reading(self, name: str) -> Iterator[None]:
        """Inside the block, an error that the content of a file causes is a DamagedRun that names it."""
        try:
            yield
        except UNREADABLE as error:
            cause = error.__cause__ if isinstance(error, DamagedError) and error.__cause__ else error
            what = f"lacks {cause}" if isinstance(cause, KeyError) else str(cause) or type(cause).__name__
            raise DamagedRun(self.identity, f"{name} cannot be read: {what[:200]}") from error

    def json(self, name: str) -> dict[str, Any]:
        """The content of a JSON artifact, {} where the run has none."""
        if name in self._files:
            return self._files[name]
        with self.reading(name):
            data = self.record.content(name)
            content = self.reader.parsed(data) if data is not None and len(data) <= SMALL else self.record.json(name)
            if not isinstance(content or {}, dict):
                raise TypeError("it holds no object")
            if data is None or len(data) <= SMALL:
                self._files[name] = content or {}
        return content or {}

    def rows(self, name: str) -> list[dict[str, Any]]:
        """The rows of a JSONL artifact, [] where the run has none."""
        with self.reading(name):
            return self.record.jsonl(name)

    def metric(self, name: str) -> pd.Series:
        """One metric by step, steps without it left out."""
        steps, values = self.points(name)
        return pd.Series(values, index=steps.astype(int), dtype=float)

    def points(self, name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(steps, values) of one metric, steps without it left out, read-only."""
        if name not in self._points:
            found = self.record.metrics.get(name, ((), ()))
            steps, values = np.array(found[0], float), np.array(found[1], float)
            known = ~np.isnan(values)
            self._points[name] = steps[known], values[known]
            for numbers in self._points[name]:
                numbers.flags.writeable = False
        return self._points[name]

    def cost_at(self, name: str, step: int) -> float:
        """A cumulative `cost/...` metric at the end of a step; at step 0 what selection had spent before it."""
        series = self.metric(name)
        series = series[series.index <= step]
        return float(series.iloc[-1]) if len(series) else 0.0

    @cached_property
    def _by_set(self) -> dict[str, tuple[Evaluation, ...]]:
        with self.reading(EVALUATIONS):
            data = self.record.content(EVALUATIONS)
            found: dict[str, list[Evaluation]] = defaultdict(list)
            for row in self.reader.read(data or b""):
                found[row.set].append(row)
            own = self._own_benchmarks
            named = dict(zip(own, self.benchmarks, strict=True)) if len(own) == len(self.benchmarks) else {}
            rows = {named.get(name, name): rows for name, rows in found.items()}
            return {name: tuple(sorted(each, key=lambda row: row.step)) for name, each in rows.items()}

    @property
    def _own_benchmarks(self) -> list[str]:
        """The names that the run recorded its benchmarks under, in the order in which the spec has them."""
        evaluate = self.json("cell.json").get("cell", {}).get("evaluate") or {}
        return [Benchmark.model_construct(**fields).label for fields in evaluate.get("benchmarks") or ()]

    @property
    def sets(self) -> tuple[str, ...]:
        """The sets that it was evaluated on, the mean over its benchmarks among them."""
        return (*self._by_set, *([BENCHMARKS_MEAN] if self._over_benchmarks else []))

    @cached_property
    def _over_benchmarks(self) -> tuple[MeanEvaluation, ...]:
        return mean_evaluations([self._by_set.get(name, ()) for name in self.benchmarks])

    def evaluations(self, name: str) -> tuple[Evaluation | MeanEvaluation, ...]:
        """Evaluations of one set, or of the mean over the benchmarks, in the order of steps."""
        return self._over_benchmarks if name == BENCHMARKS_MEAN else self._by_set.get(name, ())

    def evaluated_cost(self, name: str, main: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(cost, accuracy) at each evaluation of the main set, read-only; `name` is "step" or a `cost/...` metric."""
        if (name, main) not in self._curves:
            found = self.evaluations(main)
            cost = np.array([row.step for row in found], float)  # (evaluations,)
            if name != "step":
                steps, values = self.points(name)
                before = np.searchsorted(steps, cost, side="right")  # (evaluations,)
                cost = np.concatenate([[0.0], values])[before]
            cost.flags.writeable = False
            self._curves[(name, main)] = cost, self._accuracies(main)
        return self._curves[(name, main)]

    def _accuracies(self, name: str) -> NDArray[np.float64]:
        """Accuracy at each evaluation of a set, read-only (evaluations,)."""
        if name not in self._scores:
            self._scores[name] = np.array([row.accuracy for row in self.evaluations(name)])
            self._scores[name].flags.writeable = False
        return self._scores[name]

    def rates(self, name: str, problems: Sequence[Sequence[str]]) -> NDArray[np.float64]:
        """Pass rates at each evaluation of a set, or of the mean over the benchmarks, read-only.

        `problems` holds the ids of each set that is averaged. Returns (evaluations, problems of all of them).
        """
        key = name, tuple(map(tuple, problems))
        if key not in self._rates:
            rows = self.evaluations(name)
            parts = [pass_rates([row.parts[place] for row in rows], ids) for place, ids in enumerate(key[1])]
            self._rates[key] = np.concatenate(parts, axis=1)
            self._rates[key].flags.writeable = False
        return self._rates[key]

    @cached_property
    def ledger(self) -> dict[str, dict[str, float]]:
        """{phase: {amount: value}} of the useful work."""
        return self.json("ledger.json")

    def cost(self, quantity: str, phases: Iterable[str] = SPEND) -> float:
        """Sum of one ledger amount over phases."""
        return float(sum(self.ledger.get(phase, {}).get(quantity, 0.0) for phase in phases))

    @cached_property
    def generated(self) -> dict[str, float]:
        """{phase: generated tokens} of everything paid for, work redone after a kill included."""
        total: dict[str, float] = defaultdict(float)
        with self.reading("spent.jsonl"):
            data = self.record.content("spent.jsonl") or b""
            lines = data.count(b"\n")
            found = _SPENT.findall(data, 0, data.rfind(b"\n") + 1)
            if len(found) != lines:
                found = [(row["phase"].encode(), row.get("generated_tokens", 0.0)) for row in self.rows("spent.jsonl")]
            for phase, tokens in found:
                total[phase.decode()] += float(tokens)
        return total

    def check(self, main: str) -> None:
        """Raise DamagedRun for a finished run that no number can be taken from, or that would give a wrong one."""
        try:
            self._check(main)
        finally:
            self.record.release()

    def _check(self, main: str) -> None:
        if self.record.artifacts is None or not self.record.artifacts.is_dir():
            raise DamagedRun(self.identity, f"its files are missing: there is no folder {self.record.artifacts}")
        if self.record.altered():
            raise DamagedRun(self.identity, f"its files are not those that were delivered: {self._worst()}")
        found = self.evaluations(main)
        if not found:
            raise DamagedRun(self.identity, f"{EVALUATIONS} has no evaluation of {main!r}")
        for name in ("cell.json", "ledger.json"):
            if not self.json(name):
                raise DamagedRun(self.identity, f"{name} is missing or empty")
        self.json("environment.json")  # the clock of the report hangs on it
        for name in (GENERATED_TOKENS, SECONDS):
            steps = self.record.metrics.get(name, ((), ()))[0]
            last = max(steps, default=-1)
            if last < found[-1].step:
                until = f"ends at step {last}" if steps else "is missing"
                raise DamagedRun(self.identity, f"metric {name} {until} in the store, the run at step {found[-1].step}")

    def _worst(self) -> str:
        """The first file that cannot be read, else their folder."""
        folder = self.record.artifacts
        for path in sorted(folder.glob("*.json*")) if folder is not None else ():
            name = path.name.removesuffix(".gz")
            try:
                self.evaluations("") if name == EVALUATIONS else None
                self.json(name) if name.endswith(".json") else self.rows(name)
            except DamagedRun as error:
                return error.why
        return str(folder)
