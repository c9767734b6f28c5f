"""The scores on disk: a table and the summary beside it, put in place together and never taken for whole before."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from repro.errors import UserError
from repro.files import dump_json, force_to_disk, read_json, read_object, write_atomically
from repro.scoring.store import writing
from repro.spreadsheets import harmless, original

Columns = Mapping[str, np.ndarray]
"""Column name -> (N,) values, in the order of the table's columns."""

TYPES = {
    "id": str,
    "confidence": np.float64,  # mean log P of a target token, <= 0
    "s": np.float64,  # its exponential, in (0, 1]
    "score": np.float64,  # 1 - (s - centre)^2, in [0, 1]
    "target_tokens": np.int64,
    "prompt_tokens": np.int64,
    "selected": np.bool_,
}


@dataclass(frozen=True)
class Output:
    """`table` is what the user named. `work` holds what is not finished: parts, staged files and a lock."""

    table: Path

    @property
    def summary(self) -> Path:
        return self.table.with_suffix(".json")

    @property
    def work(self) -> Path:
        return self.table.parent / f".{self.table.name}.partial"

    @property
    def _staged(self) -> Path:
        return self.work / f"table{self.table.suffix}"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else writes this output; its directory exists. The lock is released when its holder dies.

        Raises UserError where another process holds it, or where nothing can be written.
        """
        from filelock import FileLock, Timeout

        if self.table.is_dir():
            raise UserError(f"--out: {self.table} is a directory, expected a file such as {self.table}/scores.parquet")
        with writing(self.table, "--out: "):
            self.work.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.work / "lock", timeout=0)
            try:
                lock.acquire()
            except Timeout as error:
                raise UserError(
                    f"--out: another process is scoring into {self.table}; wait for it or take another name"
                ) from error
        try:
            yield
        finally:
            if [path.name for path in self.work.glob("*")] == ["lock"]:
                with suppress(OSError):  # while the lock is held, and never with anything inside
                    (self.work / "lock").unlink()
                    self.work.rmdir()
            lock.release()

    def publish(self, columns: Columns, summary: dict[str, Any]) -> None:
        """Put table and summary in place, and remove the work directory's content.

        Both are staged whole before either is moved, the summary last: `recover` ends a publication that was killed.
        """
        staged = self._staged
        with writing(self.table, "--out: "):
            write_table(staged, columns)
            force_to_disk(staged)
            summary = {**summary, "output": {"file": self.table.name, "sha256": file_sha256(staged)}}
            write_atomically(self.work / "summary.json", dump_json(summary))
        self.recover()

    def recover(self) -> None:
        """Finish a publication that was begun; nothing happens where there is none."""
        record = read_object(self.work / "summary.json").get("output")
        if not isinstance(record, dict) or "sha256" not in record:
            return
        expected = record["sha256"]
        with writing(self.table, "--out: "):
            if self._staged.is_file() and file_sha256(self._staged) == expected:
                self._staged.replace(self.table)
            whole = self.table.is_file() and file_sha256(self.table) == expected
            if whole:
                (self.work / "summary.json").replace(self.summary)
                force_to_disk(self.table.parent)  # before what they were made of is removed
            for path in self.work.iterdir():
                if path.is_dir() and whole:  # parts
                    shutil.rmtree(path)
                elif path.is_file() and path.name != "lock":
                    path.unlink()

    def finished(self) -> dict[str, Any] | None:
        """The summary of a whole output; None where nothing is in the way. Raises UserError for anything else there."""
        record = read_json(self.summary)
        ours = isinstance(record, dict) and isinstance(record.get("output"), dict) and "key" in record
        if not self.table.exists():
            if not self.summary.exists() or (ours and record["output"].get("file") == self.table.name):
                return None
            raise self._in_the_way(self.summary, "it does not belong to a table of that name")
        if not ours:
            raise self._in_the_way(self.table, f"no {self.summary.name} of `repro score` describes it")
        if record["output"].get("file") != self.table.name:
            raise self._in_the_way(self.summary, f"it describes {record['output'].get('file')}")
        if record["output"].get("sha256") != file_sha256(self.table):
            raise self._in_the_way(self.table, f"its content is not the one that {self.summary.name} describes")
        return dict(record)

    @staticmethod
    def _in_the_way(path: Path, why: str) -> UserError:
        return UserError(f"--out: {path} exists and {why}; expected another name, or --force to replace it")


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_table(path: Path, columns: Columns) -> None:
    """The columns as .parquet, .csv (with a header; true and false; no formulas) or .jsonl; floats keep every bit.

    Not atomic: `Output.publish` puts it in place once it is on the disk.
    """
    if path.suffix == ".parquet":
        import pyarrow
        import pyarrow.parquet

        table = pyarrow.table({name: pyarrow.array(values.tolist()) for name, values in columns.items()})
        pyarrow.parquet.write_table(table, path)
        return
    rows = zip(*(values.tolist() for values in columns.values()), strict=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        if path.suffix == ".csv":
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(columns)
            writer.writerows(map(_csv_cell, row) for row in rows)
        else:
            file.writelines(json.dumps(dict(zip(columns, row, strict=True)), ensure_ascii=False) + "\n" for row in rows)


def _csv_cell(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    return harmless(value) if isinstance(value, str) else value


def read_table(path: Path) -> dict[str, np.ndarray]:
    """The columns of a table written by `write_table`."""
    if path.suffix == ".parquet":
        import pyarrow.parquet

        table = pyarrow.parquet.read_table(path)
        found: dict[str, list[Any]] = {name: table.column(name).to_pylist() for name in TYPES}
    else:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file) if path.suffix == ".csv" else map(json.loads, file))
        found = {name: [row[name] for row in rows] for name in TYPES}
        if path.suffix == ".csv":
            found["selected"] = [value == "true" for value in found["selected"]]
            found["id"] = list(map(original, found["id"]))
    return {name: np.array(found[name], dtype=kind) for name, kind in TYPES.items()}
