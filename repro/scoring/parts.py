"""What has been measured so far, in small files that a kill leaves whole, so that the next call does the rest only."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar
from zipfile import BadZipFile

import numpy as np

from repro.files import write_atomically
from repro.scoring.store import writing

PAUSE = 2.0  # seconds between two parts: what a kill may cost
T = TypeVar("T")


class Processes(Protocol):
    """The processes that share a pass; every method is collective (`repro.training.ranks.Ranks`)."""

    @property
    def index(self) -> int:
        """This process, 0..count - 1."""

    @property
    def count(self) -> int:
        """How many there are."""

    def gather(self, value: T) -> list[T]:
        """The value of every process, in their order."""

    def shared(self, value: T) -> T:
        """The value of process 0."""


class Response(NamedTuple):
    """A decoded response with the tokens of its prompt and its own, the end of sequence included."""

    text: str
    prompt_tokens: int
    tokens: int


@dataclass
class Spent:
    """Wall and processor seconds; of several processes the first one's wall seconds count, and all processor time."""

    seconds: float = 0.0
    cpu_seconds: float = 0.0

    def add(self, seconds: float, cpu_seconds: float) -> None:
        """Add to both."""
        self.seconds += seconds
        self.cpu_seconds += cpu_seconds


@dataclass
class State:
    """What is known of N questions: `columns` name -> (N, ...), valid where `done` (N,) bool; responses by question."""

    done: np.ndarray
    columns: dict[str, np.ndarray] = field(default_factory=dict)
    responses: dict[int, Response] = field(default_factory=dict)
    passes: Spent = field(default_factory=Spent)
    decoding: Spent = field(default_factory=Spent)

    def put(self, rows: np.ndarray, columns: Mapping[str, np.ndarray]) -> None:
        """Enter the columns (m, ...) of the questions `rows` (m,)."""
        for name, values in columns.items():
            if name not in self.columns:
                self.columns[name] = np.zeros((len(self.done), *values.shape[1:]), values.dtype)
            self.columns[name][rows] = values
        self.done[rows] = True


class Parts:
    """The parts of one measurement of `total` questions in a folder of its own.

    The first process reads what earlier calls left and tells the others; each writes files of its own. `state` holds
    what this process knows, that of all processes after `join`.
    """

    def __init__(self, folder: Path, total: int, processes: Processes) -> None:
        self.folder, self.processes = folder, processes
        state = State(np.zeros(total, dtype=bool))
        if processes.index == 0:
            _load(folder, state)
        self.state = processes.shared(state)
        self.taken_over = int(self.state.done.sum())
        self._new = State(np.zeros(total, dtype=bool))  # of this process and this call
        self._number = max((_number(path) for path in folder.glob("part-*")), default=0)
        self._pending: list[tuple[np.ndarray, Mapping[str, np.ndarray]]] = []
        self._written = 0.0  # never: the first batch is kept at once
        self.start()

    def start(self) -> None:
        """Count seconds from now on."""
        self._since = time.perf_counter(), time.process_time()

    def add(self, rows: np.ndarray, columns: Mapping[str, np.ndarray]) -> None:
        """A batch: its questions (m,) and their columns (m, ...); written soon."""
        self.state.put(rows, columns)
        self._new.put(rows, columns)
        self._pending.append((rows, columns))
        if time.monotonic() - self._written > PAUSE:
            self.flush()

    def flush(self) -> None:
        """Write what is pending. Raises UserError where that is not possible."""
        if not self._pending:
            return
        spent = self._spent()
        columns = {name: np.concatenate([part[name] for _, part in self._pending]) for name in self._pending[0][1]}
        rows = np.concatenate([rows for rows, _ in self._pending])
        data = io.BytesIO()
        named = {f"column {name}": values for name, values in columns.items()}
        np.savez(data, allow_pickle=False, rows=rows, spent=np.array(spent), **named)
        self._write("npz", data.getvalue())
        self._new.passes.add(*spent)
        self._pending = []
        self._written = time.monotonic()

    def add_responses(self, responses: Mapping[int, Response]) -> None:
        """Decoded responses by question; written at once, with the time since the last ones or `start`."""
        spent = self._spent()
        self._write("json", json.dumps([spent, [[row, *response] for row, response in responses.items()]]).encode())
        self.state.responses |= responses
        self._new.responses |= responses
        self._new.decoding.add(*spent)

    def join(self) -> None:
        """Let every process know what all have measured. Collective."""
        new, rows = self._new, np.flatnonzero(self._new.done)
        columns = {name: values[rows] for name, values in new.columns.items()}
        for part in self.processes.gather((rows, columns, new.responses, new.passes, new.decoding)):
            self.state.put(*part[:2])
            self.state.responses |= part[2]
            self.state.passes.add(part[3].seconds, part[3].cpu_seconds)
            self.state.decoding.add(part[4].seconds, part[4].cpu_seconds)
        self._new = State(np.zeros(len(self.state.done), dtype=bool))

    def _spent(self) -> tuple[float, float]:
        """Wall (of the first process) and processor seconds since the last call or `start`."""
        wall, cpu = time.perf_counter(), time.process_time()
        spent = wall - self._since[0] if self.processes.index == 0 else 0.0, cpu - self._since[1]
        self._since = wall, cpu
        return spent

    def _write(self, suffix: str, data: bytes) -> None:
        self._number += 1
        with writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            write_atomically(self.folder / f"part-{self._number:06d}-{self.processes.index}.{suffix}", data)


def _number(path: Path) -> int:
    return int(path.stem.split("-")[1])


def _load(folder: Path, state: State) -> None:
    """Enter the parts of a folder in `state`; a damaged one is removed, so that its questions are measured again."""
    for path in sorted(folder.glob("part-*")):
        try:
            _load_part(path, state)
        except (OSError, ValueError, TypeError, KeyError, IndexError, EOFError, BadZipFile):
            path.unlink(missing_ok=True)


def _load_part(path: Path, state: State) -> None:
    if path.suffix == ".json":
        spent, responses = json.loads(path.read_bytes())
        state.responses |= {int(row): Response(str(text), int(p), int(n)) for row, text, p, n in responses}
        state.decoding.add(*map(float, spent))
        return
    with np.load(path, allow_pickle=False) as part:
        columns: dict[str, Any] = {
            name.removeprefix("column "): part[name] for name in part.files if name.startswith("column ")
        }
        rows, spent = part["rows"], part["spent"].tolist()
    state.put(rows, columns)
    state.passes.add(*spent)
