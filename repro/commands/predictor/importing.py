"""`repro predictor import`: a checkpoint of DOTS + RR's authors becomes a predictor that a study can use."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from repro.difficulty.predictor import CARD, DifficultyPredictor
from repro.difficulty.released import LISTED, read_released
from repro.errors import UserError
from repro.files import read_json, write_folder
from repro.models.model_spec import ModelSpec, shorthand
from repro.models.policy import policy_digest
from repro.spec.document import parse_scalar
from repro.tasks.dataset_spec import DatasetSpec
from repro.words import show

EMBEDDER = "Qwen/Qwen2.5-Math-1.5B-Instruct"
"""What the authors' scripts embed questions with."""


def import_file(options: argparse.Namespace) -> int:
    """Read FILE, write the predictor, say what it is and how a study uses it. UserError as `read_released`."""
    path: Path = options.spec
    model = embedding_model(options.embedder or EMBEDDER)
    released = read_released(path, policy_digest(model, DatasetSpec.model_validate("arithmetic")))
    predictor, folder = released.predictor, options.out or options.runs / "predictors" / path.stem
    known = _known(folder)
    if known != predictor.digest:
        if folder.exists() and any(folder.iterdir()):
            what = "something else" if known is None else "another predictor"
            raise UserError(f"--out: {folder} holds {what} already, expected a new folder")
        write_folder(folder, predictor.save)
    spec, left_out = predictor.spec, released.left_out
    lines = [
        f"{path} -> {folder}",
        f"  two towers of {spec.layers} layers, {spec.width} wide, on embeddings {predictor.width_in} wide: "
        f"{predictor.parameters:,} parameters",
        "  all names and shapes are those of the authors' code, none is missing",
    ]
    if left_out:
        shown = ", ".join(left_out[:LISTED]) + (f" and {len(left_out) - LISTED} more" if len(left_out) > LISTED else "")
        lines.append(f"  left out, since prediction does not need it: {shown}")
    lines += [
        "  it takes and gives pass rates; studies turn them into failure rates by themselves",
        f"a study uses it with\n  predictor: {{path: {folder}, embedder: {_as_written(model)}}}",
    ]
    print("\n".join(lines))  # noqa: T201
    return 0


def embedding_model(text: str) -> ModelSpec:
    """The model of `--embedder`: a directory, a hub id, or the fields of a model as a spec writes them.

    UserError for another thing, and for the embedded policy, whose embeddings the file cannot have been fitted on.
    """
    try:
        value = parse_scalar(text)
    except UserError as error:
        raise UserError(f"--embedder: {error}") from error
    if isinstance(value, str) and shorthand(value) is None:
        value = {"path": value} if Path(value).exists() else {"hub": value}
    try:
        model = ModelSpec.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        raise UserError(
            f"--embedder: got {show(value)}, expected a directory, a hub id or the fields of a model such as "
            f"{{hub: {EMBEDDER}, revision: main}} ({field + ': ' if field else ''}{first['msg']})"
        ) from error
    if model.tiny is not None:
        raise UserError(f"--embedder: got {show(value)}, expected a model from the hub or in a directory")
    return model


def _known(folder: Path) -> str | None:
    """The digest of the predictor that lies whole in a folder."""
    if not isinstance(read_json(folder / CARD), dict):
        return None
    return DifficultyPredictor.load(folder).digest


def _as_written(model: ModelSpec) -> str:
    fields: dict[str, Any] = model.model_dump(mode="json", exclude_defaults=True, exclude_none=True)
    return "{" + ", ".join(f"{name}: {value}" for name, value in fields.items()) + "}"
