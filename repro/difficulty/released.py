"""Reads the difficulty predictor that the authors of DOTS + RR released, a checkpoint of torch, as one of ours.

Their file (`adaptive_difficulty_prediction/adaptive_difficulty_prediction_model_deepscaler.pt`) is a dictionary with
`model_state_dict` (name -> tensor), `config` and `train_metrics`; a dictionary of the tensors alone is read, too. It is
read with `weights_only`, so that nothing in it runs. What predicts is named `regressor.`; other tensors, such as those
of an encoder, are left out, as their own loader leaves them out.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from repro.difficulty.predictor import DifficultyPredictor
from repro.difficulty.predictor_spec import TowersSpec
from repro.digests import file_digest
from repro.errors import UserError
from repro.user_paths import no_file
from repro.words import show

if TYPE_CHECKING:
    from torch import Tensor

    from repro.difficulty.towers import Towers

PREFIX = "regressor."
THEIRS = {"query.": "regressor.sim_head.query_proj.", "reference.": "regressor.sim_head.ref_proj."}
THEIRS["calibrator."] = "regressor.mlp."
"""Our names of the network's parts -> theirs."""

WIDEST = 100_000
"""Width of embeddings at most."""

LISTED = 8
"""Names that one message lists."""


@dataclass(frozen=True)
class Released:
    """The predictor of a file, and the names of the tensors that it does not need."""

    predictor: DifficultyPredictor
    left_out: tuple[str, ...]


def read_released(path: Path, embedder: str) -> Released:
    """The predictor in a checkpoint; `embedder` is the identity of the model whose embeddings it was fitted on.

    Raises:
        UserError: there is no such file, it is damaged or holds code, a tensor is missing, unexpected, of another
            shape or not finite, or the config names another network.
    """
    content = _read(path)
    state = content.get("model_state_dict", content)
    tensors = _tensors(path, state)
    _check_config(path, content.get("config"))
    ours = {name: tensor for name, tensor in tensors.items() if name.startswith(PREFIX)}
    towers = _network(path, ours)
    towers.load_state_dict({**towers.state_dict(), **{_ours(name): tensor.float() for name, tensor in ours.items()}})
    predictor = DifficultyPredictor(
        towers,
        embedder=embedder,
        provenance={"released": path.name, "sha256": file_digest(path)},
        training={"config": _plain(content.get("config"))},
    )
    return Released(predictor, tuple(name for name in tensors if name not in ours))


def _read(path: Path) -> Mapping[str, Any]:
    import torch

    if not path.is_file():
        raise UserError(f"{path}: {no_file(path)}, expected a checkpoint of DOTS + RR's authors (.pt)")
    _check_archive(path)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        raise UserError(
            f"{path}: holds Python objects beside tensors and plain values, which running code would have to make; "
            "none was made, and nothing was written"
        ) from error
    except Exception as error:  # a damaged archive fails in many ways
        raise _no_checkpoint(path, str(error).partition("\n")[0] or type(error).__name__) from error
    if not isinstance(content, Mapping):
        raise UserError(f"{path}: holds {type(content).__name__}, expected a dictionary with model_state_dict")
    return content


def _check_archive(path: Path) -> None:
    """UserError where a file is no whole zip archive: torch reads changed bytes without a word."""
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except Exception as error:  # zipfile raises what it meets in the damaged part
        raise _no_checkpoint(path, "no whole zip archive") from error
    if damaged is not None:
        raise _no_checkpoint(path, f"{damaged} in it has another checksum")


def _no_checkpoint(path: Path, reason: str) -> UserError:
    return UserError(f"{path}: damaged, or not a checkpoint of torch ({reason}); expected the authors' .pt file")


def _tensors(path: Path, state: Any) -> dict[str, Tensor]:
    """Name -> tensor. UserError where the state is something else."""
    from torch import Tensor, strided

    if not isinstance(state, Mapping):
        raise UserError(f"{path}: model_state_dict holds {type(state).__name__}, expected names of tensors")
    tensors = {name: value for name, value in state.items() if isinstance(name, str) and isinstance(value, Tensor)}
    if not any(name.startswith(PREFIX) for name in tensors):
        found = ", ".join(str(name) for name in list(state)[:LISTED]) or "nothing"
        raise UserError(f"{path}: no tensor is named {PREFIX}*, expected model_state_dict with them; found: {found}")
    for name, tensor in tensors.items():
        if tensor.layout is not strided or tensor.is_meta or tensor.is_quantized:
            kind = "meta" if tensor.is_meta else str(tensor.layout if tensor.layout is not strided else tensor.dtype)
            raise UserError(f"{path}: {name} is a tensor of the kind {kind}, expected one that holds all its numbers")
        if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
            raise UserError(f"{path}: {name} says that it is {tuple(tensor.shape)}, but fewer numbers are stored")
    return tensors


def _check_config(path: Path, config: Any) -> None:
    """UserError where the file says that it is another network than ours under the preset `code`."""
    if not isinstance(config, Mapping):
        return
    for key, expected in {"scaling": "group_logit_temp", "method": "residual", "tau": 1.0}.items():
        if key in config and config[key] != expected:
            raise UserError(f"{path}: config.{key} is {show(config[key])}, expected {show(expected)}: no other is read")
    if config.get("top_k") is not None:
        raise UserError(f"{path}: config.top_k is {show(config['top_k'])}, expected none: every reference counts here")


def _network(path: Path, tensors: Mapping[str, Tensor]) -> Towers:
    """An empty network of the size of the tensors. UserError where they do not belong to one."""
    import torch

    from repro.difficulty.towers import Towers

    first = tensors.get(f"{THEIRS['query.']}1.weight")
    if first is None or first.dim() != 2 or not 1 <= first.shape[1] <= WIDEST:
        found = "nothing" if first is None else f"shape {tuple(first.shape)}"
        raise UserError(f"{path}: {THEIRS['query.']}1.weight: found {found}, expected (width, width of the embeddings)")
    layers = sum(name.startswith(THEIRS["query."]) and tensor.dim() == 2 for name, tensor in tensors.items())
    try:
        spec = authors_towers(width=first.shape[0], layers=layers)
    except ValidationError as error:
        raise UserError(f"{path}: towers {first.shape[0]} wide with {layers} layers, which nobody trains") from error
    with torch.device("meta"):
        shapes = {_theirs(name): tuple(one.shape) for name, one in Towers(first.shape[1], spec).named_parameters()}
    mistakes = [f"missing: {name} {shape}" for name, shape in shapes.items() if name not in tensors]
    mistakes += [f"unexpected: {name} {tuple(tensors[name].shape)}" for name in tensors if name not in shapes]
    for name in [name for name in shapes if name in tensors]:
        tensor = tensors[name]
        if tuple(tensor.shape) != shapes[name]:
            mistakes.append(f"{name}: shape {tuple(tensor.shape)}, expected {shapes[name]}")
        elif not tensor.is_floating_point() or not torch.isfinite(tensor.float()).all():
            what = "numbers that are not finite" if tensor.is_floating_point() else str(tensor.dtype)
            mistakes.append(f"{name}: {what}, expected finite floating-point numbers")
    if mistakes:
        more = f"\n  ... and {len(mistakes) - LISTED} more" if len(mistakes) > LISTED else ""
        lines = "".join(f"\n  {line}" for line in mistakes[:LISTED])
        raise UserError(f"{path}: not the network of DOTS + RR's code with two towers and a calibration:{lines}{more}")
    return Towers(first.shape[1], spec)


def authors_towers(width: int, layers: int) -> TowersSpec:
    """The towers as the authors' code has them."""
    return TowersSpec(
        width=width,
        layers=layers,
        shared=False,
        calibration="temperature_bias",
        activation="relu",
        identity_start=False,
        clip=1e-4,
        deviation="sample",
        standardise=False,
        rates="pass_rate",
    )


def _theirs(name: str) -> str:
    part, _, rest = name.partition(".")
    return THEIRS[f"{part}."] + rest


def _ours(name: str) -> str:
    return next(ours + name.removeprefix(theirs) for ours, theirs in THEIRS.items() if name.startswith(theirs))


def _plain(value: Any) -> Any:
    """What JSON can hold of a config."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    return value if isinstance(value, str | bool | int | float) else None if value is None else str(value)[:200]
