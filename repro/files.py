"""Files that survive a kill and a power cut: atomic replacement, torn last lines, numbers that JSON lacks."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import json
import math
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from repro.errors import UserError

_NOT_JSON = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


class DamagedError(UserError, ValueError):
    """A file that was written whole is not whole any more, because a disk failed or somebody edited it."""


def plain_types(value: Any) -> Any:
    """Plain JSON types for numbers, arrays, tensors, paths, dataclasses and pydantic models; any number stays one.

    Raises:
        TypeError: for anything else, naming its type.
    """
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, float):
        return float(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, Mapping):
        return {str(key): plain_types(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain_types(item) for item in (sorted(value) if isinstance(value, set | frozenset) else value)]
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "model_dump"):
        return plain_types(value.model_dump(mode="json"))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return plain_types(dataclasses.asdict(value))
    if hasattr(value, "tolist"):  # numpy and torch: scalars become numbers, arrays become lists
        return plain_types(value.tolist())
    raise TypeError(f"cannot write a {type(value).__name__} to the run directory")


def encode(value: Any) -> Any:
    """Plain types with strings for the numbers that JSON lacks. A text that is such a string gets a backslash before
    it. TypeError as `plain_types`."""
    if isinstance(value, dict):
        return {str(key): encode(item) for key, item in value.items()}
    if isinstance(value, list):
        return [encode(item) for item in value]
    if isinstance(value, str):
        return f"\\{value}" if value.lstrip("\\") in _NOT_JSON else value
    if isinstance(value, float):
        if math.isfinite(value):
            return float(value)
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value if value is None or isinstance(value, bool | int) else encode(plain_types(value))


def decode(value: Any) -> Any:
    """What `encode` was given, at any depth."""
    if isinstance(value, str):
        if value in _NOT_JSON:
            return _NOT_JSON[value]
        return value[1:] if value[:1] == "\\" and value.lstrip("\\") in _NOT_JSON else value
    if isinstance(value, list):
        return [decode(item) for item in value]
    if isinstance(value, dict):
        return {key: decode(item) for key, item in value.items()}
    return value


def write_atomically(path: Path, data: bytes, *, sync: bool = True) -> None:
    """Replace `path` in one step, so that a reader or a kill sees the old content or the new, never a mixture.

    Args:
        sync: wait until it is on the disk, so that it survives a power cut. False for what is soon written again.
    """
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            if sync:
                file.flush()
                os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    if sync:
        force_to_disk(path.parent)


def write_folder(folder: Path, write: Callable[[Path], None]) -> None:
    """Replace `folder` by what `write(empty_folder)` leaves, which is on the disk before it is moved to its place.

    One process at a time. A kill between the two moves leaves no folder; the next call cleans up.
    """
    new, old = (folder.with_name(f".{folder.name}.{which}.tmp") for which in ("new", "old"))
    try:
        for remains in (new, old):
            shutil.rmtree(remains, ignore_errors=True)
        new.mkdir(parents=True)
        write(new)
        force_tree_to_disk(new)
        if folder.exists():
            folder.rename(old)
        new.rename(folder)
        force_to_disk(folder.parent)
    finally:
        for remains in (new, old):
            shutil.rmtree(remains, ignore_errors=True)


def temporary_files(folder: Path) -> dict[Path, str]:
    """The files and folders that writers who were killed left in a folder, each with the name it was meant for."""
    return {path: path.name[1:].rsplit(".", 2)[0] for path in folder.glob(".*.*.tmp")}


def write_alone(path: Path, data: bytes) -> None:
    """`write_atomically` for a file that one process at a time writes: what killed ones left of it is removed first."""
    for left, name in temporary_files(path.parent).items():
        if name == path.name:
            left.unlink(missing_ok=True)
    write_atomically(path, data)


def dump_json(value: Any, *, indent: int | None = 1) -> bytes:
    """`value` as UTF-8 JSON with a final newline."""
    return (json.dumps(encode(value), indent=indent, ensure_ascii=False, allow_nan=False) + "\n").encode()


def file_content(path: Path) -> bytes:
    """The bytes of a file. OSError where it is none, also for a named pipe: its reader would wait for a writer."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.ENXIO, os.strerror(errno.ENXIO), str(path))
        return file.readall()


def read_json(path: Path) -> Any:
    """The content of a JSON file written here, or None where it does not exist or is not whole. OSError as
    `file_content` where something else is in its place."""
    try:
        return decode(json.loads(file_content(path)))
    except (FileNotFoundError, NotADirectoryError, ValueError, RecursionError):
        return None


def read_object(path: Path) -> dict[str, Any]:
    """The content of a file that holds one JSON object; {} where it does not exist, is not whole or holds another."""
    found = read_json(path)
    return found if isinstance(found, dict) else {}


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """The whole rows of a JSONL file in order; [] where it does not exist. A torn last line is left out.

    Raises:
        DamagedError: a line before the last is not a JSON object.
    """
    if not path.exists():
        return []
    return parse_jsonl(file_content(path), name=str(path))


def parse_jsonl(data: bytes, name: str = "") -> list[dict[str, Any]]:
    """Rows of JSONL text; what follows the last newline is a torn line and left out. Errors as `read_jsonl`."""
    rows = []
    for number, line in enumerate(data.split(b"\n")[:-1], start=1):
        if line.strip():
            row = parse_line(line)
            if row is None:
                raise DamagedError(f"{name}:{number}: not a JSON line: {line[:80]!r}")
            rows.append(row)
    return rows


def parse_line(line: bytes) -> dict[str, Any] | None:
    """The JSON object of a line, None where it is none."""
    try:
        row = parse_json(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None


def parse_json(data: bytes) -> Any:
    """The value of JSON text that `dump_json` wrote. Raises ValueError for text that is not JSON."""
    value = json.loads(data)
    return decode(value) if b'NaN"' in data or b'Infinity"' in data else value


def cut_torn_line(path: Path) -> None:
    """Cut what follows the last newline of a file, as a kill inside a write leaves it; a missing file stays missing."""
    with contextlib.suppress(FileNotFoundError):
        data = file_content(path)
        if data and not data.endswith(b"\n"):
            os.truncate(path, data.rfind(b"\n") + 1)


def cut_damaged_lines(path: Path) -> Path | None:
    """Cut a JSONL file before its first line that is no JSON object; a missing file stays missing.

    Returns where the whole file was kept first, None where every line is sound. A torn last line alone is cut without
    that: a kill inside a write leaves it, and what it would have said never happened.
    """
    cut_torn_line(path)
    if not path.exists():
        return None
    data, sound = file_content(path), 0
    for line in data.splitlines(keepends=True):
        if parse_line(line) is None:
            kept = path.with_name(f"{path.name}.damaged")
            write_atomically(kept, data)
            write_atomically(path, data[:sound])
            return kept
        sound += len(line)
    return None


def force_to_disk(path: Path) -> None:
    """Wait until a file's content, or a directory's entries, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def force_tree_to_disk(folder: Path) -> None:
    """Wait until every file under a folder, and the folders themselves, are on the disk."""
    force_all_to_disk([*folder.rglob("*"), folder])


def force_all_to_disk(paths: Iterable[Path]) -> None:
    """As `force_to_disk`, side by side: a disk that writes many files at once takes a fraction of the time."""

    def force(path: Path) -> None:
        with contextlib.suppress(FileNotFoundError):  # another process may be replacing a file of its own
            force_to_disk(path)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(force, paths))


def last_lines(path: Path, count: int = 20) -> list[str]:
    """The last lines of a text file, [] where there is none."""
    if not path.is_file():
        return []
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - 65536))
        text = file.read().decode(errors="replace")
    return _visible(text.splitlines())[-count:]


def _visible(lines: Iterable[str]) -> list[str]:
    return [line.rsplit("\r", 1)[-1] for line in lines if line.strip()]
