"""Low-rank adapters (PEFT): beside a loaded policy for training, and merged into its base where a directory is one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from repro.cache import Cache
from repro.errors import UserError, setting
from repro.models.model_spec import LoraSpec
from repro.user_paths import user_path
from repro.words import listed, show

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

ADAPTER_CONFIG = "adapter_config.json"
ALL_LINEAR = "all-linear"
INIT_SEED = 0
"""Of the adapters' random halves. All seeds of a cell start from one policy, as they share one warm start."""


def attach_adapter(model: PreTrainedModel, lora: LoraSpec, base: str, revision: str | None) -> PeftModel:
    """Adapters in the model's own layers, the only parameters with a gradient; returns what the trainer moves.

    The model itself computes with them from now on, and gives the same as before until they are trained: one of their
    halves is zero. Adapters of half-precision weights are float32. `base` and `revision` say, in what is saved, which
    weights the adapters belong to. Torch's global generator is left as it was. UserError where peft is missing or a
    target names no layer.
    """
    import torch

    peft = _peft()
    whole = lora.targets == (ALL_LINEAR,)
    config = peft.LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=ALL_LINEAR if whole else list(lora.targets),
        task_type="CAUSAL_LM",
    )
    if not whole:
        names = {name.rsplit(".", 1)[-1] for name, layer in model.named_modules() if isinstance(layer, torch.nn.Linear)}
        unknown = [target for target in lora.targets if target.rsplit(".", 1)[-1] not in names]
        if unknown:
            raise UserError(
                f"model.lora.targets: got {unknown[0]!r}, expected layers of this model: {listed(sorted(names))}, "
                f"or {ALL_LINEAR} alone"
            )
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(INIT_SEED)
        adapted: PeftModel = peft.get_peft_model(model, config)
    local = Path(base)
    saved = adapted.peft_config["default"]
    saved.base_model_name_or_path = str(local.resolve()) if local.is_dir() else base
    saved.revision = revision
    return adapted


def is_adapter(directory: Path) -> bool:
    """Does the directory hold adapters and not a whole model?"""
    return (directory / ADAPTER_CONFIG).is_file() and not (directory / "config.json").is_file()


def adapter_config(directory: Path) -> dict[str, Any]:
    """What the adapters say of themselves. UserError where that is torn or something else."""
    file = directory / ADAPTER_CONFIG
    try:
        config = json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        raise UserError(
            f"{setting('model.path')}: {file} is no whole JSON file: {error}; save the adapters again"
        ) from error
    if not isinstance(config, dict):
        raise UserError(f"{setting('model.path')}: {file} holds {show(config)}, expected the settings of adapters")
    return config


def adapter_base(directory: Path) -> Path:
    """The directory of the weights that the adapters belong to. UserError where this machine does not have it.

    Nothing is downloaded: a spec that names an adapter does not name the hub model under it.
    """
    config = adapter_config(directory)
    name, revision = config.get("base_model_name_or_path"), config.get("revision")
    if name and user_path(name).is_dir():
        return user_path(name)
    from huggingface_hub import try_to_load_from_cache

    try:
        found = try_to_load_from_cache(str(name), "config.json", revision=revision)
    except ValueError:  # not the form of a hub id
        found = None
    if isinstance(found, str):
        return Path(found).parent
    raise UserError(
        f"{setting('model.path')}: {str(directory)!r} holds adapters of {name!r}, which is neither a directory here "
        f"nor in the local Hugging Face cache; download it first, or correct "
        f"base_model_name_or_path in its {ADAPTER_CONFIG}"
    )


def merged_adapter(directory: Path, digest: str, cache: Cache, trust_remote_code: bool) -> Path:
    """A model like any other: the base with the adapters added to its weights (float32), made once per `digest`."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    def build(place: Path) -> None:
        base = adapter_base(directory)
        model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32, trust_remote_code=trust_remote_code)
        _peft().PeftModel.from_pretrained(model, directory).merge_and_unload().save_pretrained(place)
        held = directory if (directory / "tokenizer_config.json").is_file() else base
        AutoTokenizer.from_pretrained(held, trust_remote_code=trust_remote_code).save_pretrained(place)

    return cache.directory("merged", digest, build)


def _peft() -> Any:
    try:
        import peft
    except ImportError as error:
        raise UserError(
            "model.lora: adapters need peft, which is not installed: pip install -c constraints.txt peft"
        ) from error
    return peft
