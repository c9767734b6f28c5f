"""How many parameters the policy of a spec has, found without loading it or asking the hub."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Literal, NamedTuple

from repro.errors import UserError, setting
from repro.models.catalogue import MODELS
from repro.models.content import gguf_file
from repro.models.gguf_header import read_header
from repro.models.model_spec import ModelSpec, TinyModel
from repro.models.sources import resolved
from repro.user_paths import user_path

KNOWN = {
    "Qwen/Qwen2.5-0.5B": 494_032_768,
    "Qwen/Qwen2.5-1.5B": 1_543_714_304,
    "Qwen/Qwen2.5-3B": 3_085_938_688,
    "Qwen/Qwen2.5-7B": 7_615_616_512,
    "Qwen/Qwen2.5-Math-1.5B": 1_543_714_304,
    "Qwen/Qwen2.5-Math-7B": 7_615_616_512,
    "meta-llama/Llama-3.1-8B": 8_030_261_248,
    "meta-llama/Llama-3.2-3B": 3_212_749_824,
    "mistralai/Mistral-7B-v0.3": 7_248_023_552,
    "mistralai/Mistral-7B-Instruct-v0.3": 7_248_023_552,
    "mistralai/Mathstral-7B-v0.1": 7_248_023_552,
    "PRIME-RL/Eurus-2-7B-PRIME": 7_615_616_512,
    "hkust-nlp/Qwen-2.5-7B-SimpleRL-Zoo": 7_615_616_512,
    "deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B": 1_777_088_000,
    "agentica-org/DeepScaleR-1.5B-Preview": 1_777_088_000,
    **{entry.hub: entry.parameters for entry in MODELS.values()},
}
"""Hub id -> parameters, of the models that have a name or that the shipped specs use; `-Instruct` has as many as its
base."""

SYMBOLS = 32
"""Vocabulary of the character tokenizers, about: less than 2 % of the embedded policy either way."""

NAMED = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?)([bm])(?![a-z0-9])", re.IGNORECASE)
"""A size in a model's name, such as 1.5B or 350M."""


class Size(NamedTuple):
    """Parameters of a policy and where the number comes from."""

    parameters: int
    source: Literal["table", "name", "files", "shape"]


def size_of(model: ModelSpec) -> Size | None:
    """The size of a policy: of a hub id from a table or else from its name, of a directory or a GGUF file from
    its weights, of the embedded policy from its shape. None where nothing tells."""
    model = resolved(model)
    if model.tiny is not None:
        return Size(_tiny(model.tiny), "shape")
    if model.hub is not None:
        known = KNOWN.get(model.hub) or KNOWN.get(model.hub.removesuffix("-Instruct"))
        if known is not None:
            return Size(known, "table")
        named = named_size(model.hub.rsplit("/", 1)[-1])
        return None if named is None else Size(named, "name")
    if (file := gguf_file(str(model.path))) is not None:
        return Size(read_header(file).parameters, "files")
    counted = sum(_stored(file) for file in sorted(user_path(str(model.path)).glob("*.safetensors")))
    return Size(counted, "files") if counted else None


def named_size(text: str) -> int | None:
    """The parameters that a name speaks of, as 1.5B or 350M; None where it does not."""
    found = NAMED.search(text)
    return None if found is None else round(float(found[1]) * (1e9 if found[2] in "bB" else 1e6))


def _tiny(tiny: TinyModel) -> int:
    """Attention with biases on q, k, v, a gated MLP four times as wide, two norms; tied embeddings."""
    width, vocabulary = tiny.width, tiny.vocabulary if tiny.tokenizer == "bpe" else SYMBOLS
    return tiny.layers * (16 * width**2 + 5 * width) + (vocabulary + 1) * width


def _stored(file: Path) -> int:
    """Numbers in a safetensors file, from its header alone. UserError where it has none."""
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        text = stream.read(length) if length <= file.stat().st_size else b""
    try:
        header = json.loads(text)
        return sum(math.prod(entry["shape"]) for name, entry in header.items() if name != "__metadata__")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(
            f"{setting('model.path')}: {file} is torn or no safetensors file (its header cannot be read); "
            "save or fetch the model again"
        ) from error
