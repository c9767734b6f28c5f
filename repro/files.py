"""JSON and JSONL on disk that survive a kill: atomic replacement, torn last lines, numbers that JSON lacks."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

_NOT_JSON = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def encode(value: Any) -> Any:
    """Plain JSON types for numbers, arrays, tensors, paths, dataclasses and pydantic models.

    Raises:
        TypeError: for anything else, naming its type.
    """
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, float):
        if math.isfinite(value):
            return float(value)
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, int):
        return int(value)
    if isinstance(value, Mapping):
        return {str(key): encode(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [encode(item) for item in (sorted(value) if isinstance(value, set | frozenset) else value)]
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "model_dump"):
        return encode(value.model_dump(mode="json"))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return encode(dataclasses.asdict(value))
    if hasattr(value, "tolist"):  # numpy and torch: scalars become numbers, arrays become lists
        return encode(value.tolist())
    raise TypeError(f"cannot write a {type(value).__name__} to the run directory")


def decode(value: Any) -> Any:
    """Turn the three strings for numbers that JSON lacks back into floats, at any depth."""
    if isinstance(value, str):
        return _NOT_JSON.get(value, value)
    if isinstance(value, list):
        return [decode(item) for item in value]
    if isinstance(value, dict):
        return {key: decode(item) for key, item in value.items()}
    return value


def write_atomically(path: Path, data: bytes, *, sync: bool = False) -> None:
    """Replace `path` in one step, so that a reader or a kill sees the old content or the new, never a mixture.

    Args:
        sync: also force it to the disk, so that it survives a power cut and later writes cannot overtake it.
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


def dump_json(value: Any, *, indent: int | None = 1) -> bytes:
    """`value` as UTF-8 JSON with a final newline."""
    return (json.dumps(encode(value), indent=indent, ensure_ascii=False, allow_nan=False) + "\n").encode()


def read_json(path: Path) -> Any:
    """The content of a JSON file written here, or None where it does not exist or is not whole."""
    try:
        return decode(json.loads(path.read_bytes()))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """The whole rows of a JSONL file in order; [] where it does not exist. A torn last line is left out.

    Raises:
        ValueError: a line before the last is not JSON (the file was edited or the disk is damaged).
    """
    if not path.exists():
        return []
    return parse_jsonl(path.read_bytes(), name=str(path))


def parse_jsonl(data: bytes, name: str = "") -> list[dict[str, Any]]:
    """Rows of JSONL text; what follows the last newline is a torn line and left out. Errors as `read_jsonl`."""
    rows = []
    for number, line in enumerate(data.split(b"\n")[:-1], start=1):
        if line.strip():
            try:
                rows.append(parse_json(line))
            except ValueError as error:
                raise ValueError(f"{name}:{number}: not a JSON line: {line[:80]!r}") from error
    return rows


def parse_json(data: bytes) -> Any:
    """The value of JSON text that `dump_json` wrote. Raises ValueError for text that is not JSON."""
    value = json.loads(data)
    return decode(value) if b'"NaN"' in data or b'Infinity"' in data else value


def cut_torn_line(path: Path) -> None:
    """Cut what follows the last newline of a file, as a kill inside a write leaves it; a missing file stays missing."""
    with contextlib.suppress(FileNotFoundError), path.open("r+b") as file:
        data = file.read()
        if data and not data.endswith(b"\n"):
            file.truncate(data.rfind(b"\n") + 1)


def force_to_disk(path: Path) -> None:
    """Wait until a file's content, or a directory's entries, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def last_lines(path: Path, count: int = 20) -> list[str]:
    """The last lines of a text file, [] where it does not exist."""
    if not path.exists():
        return []
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - 65536))
        text = file.read().decode(errors="replace")
    return _visible(text.splitlines())[-count:]


def _visible(lines: Iterable[str]) -> list[str]:
    return [line.rsplit("\r", 1)[-1] for line in lines if line.strip()]
