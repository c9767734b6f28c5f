"""Turns a GGUF file into an ordinary model directory, once: weights dequantised, tokenizer and chat template beside."""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from repro.cache import Cache
from repro.canonical import digest
from repro.digests import file_digest
from repro.errors import TryAgainError, UserError, setting
from repro.files import dump_json, write_atomically
from repro.models.gguf_header import Header, read_header
from repro.models.quiet import quiet

VERSION = 1
"""Raise it when the same file gives other weights or another tokenizer."""

INSTALL = "pip install --no-deps -c constraints.txt gguf"

DIGITS_ALONE = frozenset({"smollm", "starcoder", "refact", "command-r", "codeshell", "exaone"})
"""Values of `tokenizer.ggml.pre` whose text is split as GPT-2's after each digit has been set apart (llama.cpp)."""
AS_GPT2 = frozenset({None, "default", "gpt-2", "gpt2"})


def gguf_digest(path: Path) -> str:
    """SHA-256 of what a GGUF file becomes here, whatever type its weights get. UserError for a file that is none."""
    read_header(path)
    return digest(["gguf", VERSION, file_digest(path)], 64)


def known_conversion(path: Path, dtype: str, cache: Cache) -> Path | None:
    """As `converted`, where that has been done; else None. UserError for a file that is no GGUF file."""
    return _shared(cache).get("gguf", _key(gguf_digest(path), dtype))


def converted(path: Path, dtype: str, cache: Cache) -> Path:
    """The directory in the cache that a GGUF file was converted into, made if it is not there.

    UserError for a file that cannot be converted, or where the package `gguf` is missing.
    """
    content, header = gguf_digest(path), read_header(path)

    def convert(place: Path) -> None:
        _convert(path, header, dtype, place)
        if gguf_digest(path) != content:
            raise TryAgainError(f"{setting('model.path')}: {path} was written anew while it was read; try again")

    return _shared(cache).directory("gguf", _key(content, dtype), convert)


def _shared(cache: Cache) -> Cache:
    """The same items whatever the number of threads: each number of a tensor is computed by itself."""
    return Cache(cache.root, check=cache.check)


def _key(content: str, dtype: str) -> str:
    return digest([content, dtype], 64)


def _convert(path: Path, header: Header, dtype: str, place: Path) -> None:
    where = f"{setting('model.path')}: {str(path)!r}"
    if find_spec("gguf") is None:
        raise UserError(f"{where}: reading GGUF files needs the package gguf, which is not installed: {INSTALL}")
    errors = contextlib.redirect_stderr(io.StringIO())  # a progress bar that no setting of transformers turns off
    with tempfile.TemporaryDirectory(prefix="repro-gguf-") as alone, quiet(), errors:
        link = Path(alone) / "model.gguf"  # transformers would take what lies beside the file for its parts
        link.symlink_to(path.resolve())
        try:
            tokenizer = _tokenizer(link, header)
            model = _model(link, dtype)
        except UserError as error:
            raise UserError(f"{where}: {error}") from error
        except Exception as error:  # of three libraries, which have no class in common
            raise UserError(
                f"{where} was not converted: {type(error).__name__}: {(str(error).splitlines() or [''])[0]}\n"
                f"Expected a whole GGUF file of an architecture that transformers reads; it has {header.architecture}."
            ) from error
        model.save_pretrained(place)
        tokenizer.save_pretrained(place)
    config = place / "config.json"
    fields = json.loads(config.read_text())
    write_atomically(config, dump_json({name: value for name, value in fields.items() if name[0] != "_"}))


def _tokenizer(file: Path, header: Header) -> Any:
    """The tokenizer as transformers makes it, with digits set apart where the file says that they are."""
    from tokenizers import pre_tokenizers
    from transformers import AutoTokenizer
    from transformers.integrations.gguf.gguf_tokenizer_mapping import GGUF_PRE_TOKENIZER_SPLITS

    tokenizer: Any = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
    if header.split in DIGITS_ALONE:
        digits, rest = pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence([digits, rest])
    elif header.split not in AS_GPT2 | GGUF_PRE_TOKENIZER_SPLITS.keys():
        raise UserError(
            f"its tokenizer splits text as {header.split!r} (tokenizer.ggml.pre), which is not known here, so the "
            "model would read other tokens than it has learned; expected a directory saved by transformers"
        )
    return tokenizer


def _model(file: Path, dtype: str) -> Any:
    """An ordinary model with the file's numbers; the class that transformers loads a GGUF file into cannot be saved."""
    import torch
    from transformers import AutoModelForCausalLM, GgufConfig

    read: Any = AutoModelForCausalLM.from_pretrained(
        file.parent,
        gguf_file=file.name,
        dtype=torch.float32,
        quantization_config=GgufConfig(dequantize=True),
        output_loading_info=True,
    )
    source, info = read
    if missing := sorted(info["missing_keys"]):
        raise UserError(f"it lacks weights, {len(missing)} in all, the first is {missing[0]!r}")
    config = source.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    with torch.random.fork_rng(devices=[]):
        model: Any = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    model.load_state_dict(source.state_dict())
    model.tie_weights()
    model.generation_config = source.generation_config
    return model.to(getattr(torch, dtype))
