"""The files that decide what a local model is: weights, tokenizer, adapters, a chat template, examples."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from repro.canonical import digest
from repro.digests import file_digest
from repro.errors import UserError, setting
from repro.files import read_json
from repro.models.adapters import ADAPTER_CONFIG, adapter_base, adapter_config, is_adapter
from repro.models.chat import chat_template_file
from repro.models.examples import example_file
from repro.models.gguf_header import is_gguf, read_header
from repro.models.model_spec import ModelSpec
from repro.models.sources import resolved
from repro.user_paths import user_path

SETTINGS = ("config.json", "tokenizer_config.json", "generation_config.json")
"""Files of a model that hold one JSON object and are small."""
CONTENT = {".json", ".safetensors", ".bin", ".txt", ".model", ".py", ".jinja", ".tiktoken"}
TEMPLATES = "additional_chat_templates"
"""Folder of a model whose tokenizer has several chat templates."""


def model_files(model: ModelSpec) -> list[tuple[str, Path]]:
    """(field, file) of all that a model reads from local files; empty for a hub id and the embedded policy.

    UserError where a file is not there or the directory holds no model.
    """
    found: list[tuple[str, Path]] = []
    path = resolved(model).path
    if path is not None and (file := gguf_file(path)) is not None:
        found.append(("path" if model.named is None else "named", file))
    elif path is not None:
        directory = checked_directory(path)
        folders = [directory, adapter_base(directory)] if is_adapter(directory) else [directory]
        found += [("path", file) for folder in folders for file in _content(folder)]
    if model.chat_template is not None and model.tiny is None:
        template = chat_template_file(model.chat_template)
        found += [] if template is None else [("chat_template", template)]
    examples = example_file(model.examples)
    found += [] if examples is None else [("examples", examples)]
    return found


def gguf_file(path: str) -> Path | None:
    """The GGUF file that a path names, None where it is none. UserError for one that holds no whole model."""
    file = user_path(path)
    if not is_gguf(file):
        return None
    read_header(file)
    return file


def checked_directory(path: str) -> Path:
    """The directory, once it is clear that it holds a model. Raises UserError naming what is missing."""
    directory = user_path(path)
    if not directory.is_dir():
        raise UserError(
            f"{setting('model.path')}: {path!r} is not a directory; expected one saved by transformers, a GGUF file, "
            f"or a hub id ({setting('model.hub')})"
        )
    if is_adapter(directory):
        adapter_base(directory)
        return directory
    weights = [p for p in directory.iterdir() if p.suffix in (".safetensors", ".bin")]
    missing = [name for name in ("config.json", "tokenizer_config.json") if not (directory / name).is_file()]
    if missing or not weights:
        lacks = " and ".join([*missing, *([] if weights else ["weights (*.safetensors)"])])
        inside = next((p for p in sorted(directory.iterdir()) if is_gguf(p)), None)
        hint = "" if inside is None else f"\n  the GGUF file in it: {setting('model.path', str(inside))}"
        raise UserError(
            f"{setting('model.path')}: {path!r} lacks {lacks}; expected a directory in which both "
            f"model.save_pretrained and tokenizer.save_pretrained were called{hint}"
        )
    if found := damaged_json([directory / name for name in SETTINGS]):
        raise UserError(f"{setting('model.path')}: {found}")
    return directory


def damaged_json(files: Iterable[Path]) -> str | None:
    """What is wrong with the first of a model's files that does not hold one JSON object, None where each does. Those
    that are missing count as sound."""
    for file in files:
        if file.is_file() and not isinstance(read_json(file), dict):
            return f"{file} is damaged, expected one JSON object in it; save or fetch the model again"
    return None


def directory_digest(directory: Path) -> str:
    """SHA-256 of a model by its content; of adapters, with the model under them, wherever either lies."""
    if not is_adapter(directory):
        return _content_digest(directory)
    config = adapter_config(directory)
    settings = {key: value for key, value in config.items() if key not in ("base_model_name_or_path", "revision")}
    parts = [settings, _content_digest(directory, but=ADAPTER_CONFIG), _content_digest(adapter_base(directory))]
    return digest(parts, 64)


def _content(directory: Path) -> list[Path]:
    own = sorted(path for path in directory.iterdir() if path.is_file() and path.suffix in CONTENT)
    return [*own, *sorted((directory / TEMPLATES).glob("*.jinja"))]


def _content_digest(directory: Path, but: str = "") -> str:
    """SHA-256 over names and contents of the files a model is loaded from."""
    sha = hashlib.sha256()
    for path in _content(directory):
        if path.name != but:
            sha.update(f"{path.relative_to(directory).as_posix()}\0{file_digest(path)}\n".encode())
    return sha.hexdigest()
