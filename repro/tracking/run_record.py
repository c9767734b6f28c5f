"""One run of a study as a store has it: its labels, histories and files."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from repro.canonical import digest
from repro.files import DamagedError, parse_json, parse_jsonl
from repro.tracking.histories import Series


@dataclass(frozen=True)
class RunRecord:
    """One run of a study as the store has it.

    `artifacts` is the local folder with the files of the run directory (large ones gzipped: use `json` and `jsonl`),
    whether it is there or not; None where a server has none yet.
    `started` and `ended` are unix seconds.
    """

    identity: str
    arm: str
    model: str
    dataset: str
    seed: int
    axis_point: Mapping[str, Any]
    status: str
    params: Mapping[str, str]
    metrics: Mapping[str, Series]
    artifacts: Path | None
    run_id: str
    parent_id: str | None
    started: float
    ended: float | None
    delivered: str | None = None  # digest of the files' contents
    _held: dict[str, bytes] = field(default_factory=dict, repr=False, compare=False)

    def jsonl(self, name: str) -> list[dict[str, Any]]:
        """Rows of a JSONL artifact, [] where the run has none. DamagedError where the store's copy is damaged."""
        with self._naming(name):
            data = self.content(name)
            return parse_jsonl(data, name) if data is not None else []

    def json(self, name: str) -> Any:
        """Content of a JSON artifact, None where the run has none. DamagedError where the store's copy is damaged."""
        with self._naming(name):
            data = self.content(name)
            return parse_json(data) if data is not None else None

    @contextmanager
    def _naming(self, name: str) -> Iterator[None]:
        """What cannot be read of an artifact is told with its place and what to do."""
        try:
            yield
        except (ValueError, RecursionError, EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise DamagedError(
                f"{self.artifacts}/{name}: the store's copy of this file of run {self.identity} is damaged ({error})\n"
                f"  To mend it, remove the folder `delivery` of that run and run the study again: it is delivered anew"
            ) from error

    def path(self, name: str) -> Path | None:
        """Where an artifact is: the file `name`, or `name.gz` of a large one; None where the run has none.

        Where there are both, the run was delivered again after the file had grown: the zipped one is the later.
        """
        if self.artifacts is None:
            return None
        places = self.artifacts / f"{name}.gz", self.artifacts / name
        return next((place for place in places if place.is_file()), None)

    def content(self, name: str) -> bytes | None:
        """The bytes of an artifact as the run wrote it, None where the run has none."""
        if name in self._held:
            return self._held[name]
        path = self.path(name)
        if path is None:
            return None
        return gzip.decompress(path.read_bytes()) if path.name != name else path.read_bytes()

    def altered(self) -> bool:
        """Whether the files are others than those that were delivered; False where the store does not say."""
        if self.delivered is None or self.artifacts is None:
            return False
        self.release()
        try:
            found = {path.name.removesuffix(".gz") for path in self.artifacts.iterdir()}
            names = [name for name in found if name.endswith(DELIVERED) and not name.startswith(".")]
            contents = {name: self.content(name) or b"" for name in names}
        except (OSError, EOFError, zlib.error):
            return True
        self._held.update(contents)
        return digest({name: content_digest(data) for name, data in contents.items()}) != self.delivered

    def release(self) -> None:
        """Let go of the contents that `altered` has read: until then they are not read again."""
        self._held.clear()


DELIVERED = (".json", ".jsonl", "error.txt")
"""How the names of the files end that a delivery stores; others in a run's folder are somebody else's."""


def content_digest(data: bytes) -> str:
    """What a delivery remembers of a file's content."""
    return hashlib.sha256(data).hexdigest()[:16]
