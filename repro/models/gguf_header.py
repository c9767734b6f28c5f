"""What the header of a GGUF file says, read without torch: is it a whole causal language model with a tokenizer?"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from repro.errors import UserError, setting
from repro.words import show

MAGIC = b"GGUF"
VERSIONS = (2, 3)
_NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
_MOST = 1 << 32
"""More entries or bytes than this are no header, but the bytes of something else."""

# fmt: off
BLOCKS = {
    0: (1, 4), 1: (1, 2), 30: (1, 2), 24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8), 28: (1, 8),
    2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 20: (32, 18), 39: (32, 17),
    10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 15: (256, 292),
    16: (256, 66), 17: (256, 74), 18: (256, 98), 19: (256, 50), 21: (256, 110), 22: (256, 82), 23: (256, 136),
    29: (256, 56), 34: (256, 54), 35: (256, 66),
}
# fmt: on
"""GGML's type -> (numbers in a block, bytes of a block)."""

ENCODERS = ("bert", "t5", "clip", "whisper", "encoder")
"""What the architectures contain that complete no text."""


@dataclass(frozen=True)
class Header:
    """Of a GGUF file: the architecture, how its tokenizer splits text (None: as GPT-2), and its parameters."""

    architecture: str
    split: str | None
    parameters: int


def is_gguf(path: Path) -> bool:
    """Whether a file is meant as GGUF: by its ending or its first bytes."""
    if not path.is_file():
        return False
    if path.suffix.lower() == ".gguf":
        return True
    with path.open("rb") as file:
        return file.read(4) == MAGIC


def read_header(path: Path) -> Header:
    """The header. UserError for a file that is not GGUF, torn, in parts, without a tokenizer, or of a model that
    completes no text."""
    try:
        with path.open("rb") as file:
            fields, tensors = _read(file)
            start, size = file.tell(), path.stat().st_size
    except (struct.error, UnicodeDecodeError, ValueError, OverflowError, MemoryError) as error:
        raise _refused(path, f"its header cannot be read ({error}); the file is torn or is no GGUF file") from error
    alignment = fields.get("general.alignment", 32)
    start += -start % alignment
    for name, kind, numbers, offset in tensors:
        block, width = BLOCKS.get(kind, (math.inf, 0))
        end = start + offset + (0 if math.isinf(block) else numbers // int(block) * width)
        if end > size:
            raise _refused(
                path, f"it is torn: {name!r} ends at byte {end:,}, and the file has {size:,}; fetch it again"
            )
    _check(path, fields, {name for name, *_ in tensors})
    split = fields.get("tokenizer.ggml.pre") if fields["tokenizer.ggml.model"] == "gpt2" else None
    return Header(fields["general.architecture"], split, sum(numbers for _, _, numbers, _ in tensors))


def _check(path: Path, fields: dict[str, Any], tensors: set[str]) -> None:
    architecture = fields.get("general.architecture")
    if not isinstance(architecture, str):
        raise _refused(path, "it names no architecture (general.architecture)")
    kind = fields.get("general.type", "model")
    if kind != "model" or any(part in architecture for part in ENCODERS) or "token_embd.weight" not in tensors:
        what = architecture if kind == "model" else f"{architecture}, {kind}"
        raise _refused(path, f"it holds no causal language model (architecture {what})")
    if fields.get("split.count", 0) > 1:
        raise _refused(path, "it is one of several parts; merge them first (llama-gguf-split --merge)")
    if "tokenizer.ggml.model" not in fields or "tokenizer.ggml.tokens" not in fields:
        raise _refused(path, "it has no tokenizer (tokenizer.ggml.model and tokenizer.ggml.tokens)")


def _refused(path: Path, why: str) -> UserError:
    return UserError(
        f"{setting('model.path')}: {str(path)!r}: {why}; expected a GGUF file of a causal language model with its "
        "tokenizer, or a directory saved by transformers"
    )


def _read(file: BinaryIO) -> tuple[dict[str, Any], list[tuple[str, int, int, int]]]:
    """Fields (arrays as their lengths) and (name, type, numbers, offset) of each tensor; the file stands behind them.

    ValueError or struct.error for what is no header.
    """
    first = file.read(4)
    if first != MAGIC:
        raise ValueError(f"its first bytes are {show(first.decode('latin-1'))}, expected 'GGUF'")
    version, count, fields = _unpack(file, "IQQ")
    if version not in VERSIONS:
        raise ValueError(f"GGUF version {version}, expected 2 or 3")
    found: dict[str, Any] = {}
    for _ in range(_size(fields)):
        key = _text(file)
        (kind,) = _unpack(file, "I")
        found[key] = _value(file, kind)
    tensors = []
    for _ in range(_size(count)):
        name = _text(file)
        (dimensions,) = _unpack(file, "I")
        shape = _unpack(file, f"{_size(dimensions)}Q")
        kind, offset = _unpack(file, "IQ")
        tensors.append((name, kind, math.prod(shape), offset))
    return found, tensors


def _value(file: BinaryIO, kind: int) -> Any:
    if kind in _NUMBERS:
        return _unpack(file, _NUMBERS[kind])[0]
    if kind == _STRING:
        return _text(file)
    if kind != _ARRAY:
        raise ValueError(f"a field of unknown type {kind}")
    inner, count = _unpack(file, "IQ")
    if inner in _NUMBERS:
        file.seek(_size(count) * struct.calcsize(f"<{_NUMBERS[inner]}"), 1)
    else:
        for _ in range(_size(count)):
            if inner == _STRING:
                file.seek(_size(_unpack(file, "Q")[0]), 1)
            else:
                _value(file, inner)
    return count


def _text(file: BinaryIO) -> str:
    length = _size(_unpack(file, "Q")[0])
    content = file.read(length)
    if len(content) < length:
        raise ValueError("the file ends inside a text")
    return content.decode()


def _unpack(file: BinaryIO, form: str) -> tuple[Any, ...]:
    return struct.unpack(f"<{form}", file.read(struct.calcsize(f"<{form}")))


def _size(number: int) -> int:
    if number > _MOST:
        raise ValueError(f"a count of {number:,}")
    return number
