"""Metric histories of many runs: those of one metric are read when it is first asked for, for all runs at once."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

Rows = Iterable[tuple[str, int, int, float]]  # run id, step, timestamp in ms, value


class Series(NamedTuple):
    """One metric over the steps of a run: ascending steps, each once, with the last value logged for it."""

    steps: list[int]
    values: list[float]


class Histories:
    """The histories of the runs of one experiment."""

    def __init__(self, read: Callable[[str], Rows], names: Callable[[], Mapping[str, Iterable[str]]]) -> None:
        """`read` gives all rows of a metric, `names` the metrics of each run by its id. Both may raise UserError."""
        self._read, self._find_names = read, names
        self._loaded: dict[str, dict[str, Series]] = {}
        self._names: dict[str, tuple[str, ...]] | None = None

    def of(self, run_id: str) -> Mapping[str, Series]:
        """The histories of one run by metric."""
        return _OfRun(self, run_id)

    def get(self, run_id: str, name: str) -> Series | None:
        """One history, None where the run has none of that name."""
        if name not in self._loaded:
            self._loaded[name] = _collect(self._read(name))
        return self._loaded[name].get(run_id)

    def names(self, run_id: str) -> tuple[str, ...]:
        """The metrics of one run, in the order of their names."""
        if self._names is None:
            self._names = {run: tuple(sorted(found)) for run, found in self._find_names().items()}
        return self._names.get(run_id, ())


class _OfRun(Mapping[str, Series]):
    def __init__(self, histories: Histories, run_id: str) -> None:
        self._histories, self._run_id = histories, run_id

    def __getitem__(self, name: str) -> Series:
        found = self._histories.get(self._run_id, name)
        if found is None:
            raise KeyError(name)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._histories.names(self._run_id))

    def __len__(self) -> int:
        return len(self._histories.names(self._run_id))


def _collect(rows: Rows) -> dict[str, Series]:
    """Histories by run; of several values for one step the one logged last."""
    columns: dict[str, tuple[list[int], list[int], list[float]]] = {}
    for run_id, step, timestamp, value in rows:
        found = columns.get(run_id)
        if found is None:
            found = columns[run_id] = ([], [], [])
        found[0].append(step)
        found[1].append(timestamp)
        found[2].append(value)
    return {run_id: _series(*found) for run_id, found in columns.items()}


def _series(steps: list[int], timestamps: list[int], values: list[float]) -> Series:
    """The history behind the rows of one run."""
    if all(map(operator.lt, steps, itertools.islice(steps, 1, None))):
        return Series(steps, values)
    latest: dict[int, tuple[int, float]] = {}
    for step, timestamp, value in zip(steps, timestamps, values, strict=True):
        known = latest.get(step)
        if known is None or timestamp >= known[0]:
            latest[step] = (timestamp, value)
    ordered = sorted(latest)
    return Series(ordered, [latest[step][1] for step in ordered])
