"""Loads the policy of a spec: the embedded one, a named one, a hub id, a local directory or a GGUF file."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from repro.cache import Cache
from repro.canonical import digest
from repro.files import write_folder
from repro.models.adapters import attach_adapter, is_adapter, merged_adapter
from repro.models.block_end import end_with_block
from repro.models.chat import apply_chat_template, chat_template_text, end_with_turn, prompt_style
from repro.models.content import checked_directory, directory_digest, gguf_file
from repro.models.examples import check_plain
from repro.models.gguf_convert import converted, gguf_digest
from repro.models.loading import load_model
from repro.models.model_spec import ModelSpec, Precision, TinyModel
from repro.models.quiet import quiet
from repro.models.solution_start import before_start, build_start, start_key
from repro.models.sources import resolved
from repro.models.stand_in import build_stand_in, stand_in_digest
from repro.models.supervised import COST_FILE, Progress, release_memory
from repro.models.warm_start import build_warm_start, warm_start_key
from repro.tasks.chat_text import has_template
from repro.tasks.dataset_spec import DatasetSpec
from repro.tasks.problem import TaskData
from repro.tasks.prompts import PromptStyle

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

ASSETS = Path(__file__).parent / "assets"
SHIPPED = ASSETS / "tiny"
CARD_FILE = "card.json"


@dataclass
class Policy:
    """A loaded policy. `identity` is its `policy_digest`; `base` holds the shipped card or the warm start's own record.

    `warm_start_cost` is what the warm start took (tokens, flops, seconds), also where its weights come from the cache:
    a run costs the same whoever made them. Zeros for the policy in the package and for those without a warm start.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    directory: Path
    label: str
    identity: str
    base: dict[str, Any] = field(default_factory=dict)
    warm_start_cost: dict[str, float] = field(default_factory=dict)
    style: PromptStyle = field(default_factory=PromptStyle)
    """How it is asked, whoever asks."""
    adapted: PeftModel | None = None
    """The same layers seen through PEFT, where `model.lora` is given: saves and restores the adapters alone."""
    precision: Precision = "float32"
    """The arithmetic of sampling and evaluation. Passes over given text compute in the type of the weights."""

    @property
    def trained(self) -> PreTrainedModel:
        """What a trainer moves and a checkpoint holds."""
        return self.model if self.adapted is None else cast("PreTrainedModel", self.adapted)

    @property
    def parameters(self) -> dict[str, int]:
        """{total, trained}: how many there are, and how many of them have a gradient."""
        sizes = [(p.numel(), p.requires_grad) for p in self.model.parameters()]
        return {"total": sum(n for n, _ in sizes), "trained": sum(n for n, moved in sizes if moved)}

    def compute_in(self, precision: Precision) -> None:
        """Sample and evaluate in this arithmetic, as in training."""
        from repro.models.modes import compute_in

        compute_in(self.model, precision)
        self.precision = precision

    @property
    def sampling_identity(self) -> str:
        """Digest of what completions are sampled from: the policy and its arithmetic."""
        return precise_identity(self.identity, self.precision)


def precise_identity(identity: str, precision: Precision) -> str:
    """The digest of a policy that samples in this arithmetic."""
    return identity if precision == "float32" else f"{identity}-{precision}"


def commit_of(policy: Policy) -> str | None:
    """The commit of a hub model; None for any other. Its snapshot lies in a directory of that name."""
    return policy.directory.name if policy.directory.parent.name == "snapshots" else None


def policy_digest(model: ModelSpec, dataset: DatasetSpec) -> str:
    """Digest of what the policy is and how it is prompted; labels do not enter. Imports no torch.

    A hub model is its id and revision, local files are their contents (UserError where they are no model), the
    embedded policy is the key of its warm start, and a named model is the file or hub id that it comes from here. New
    adapters (`lora`) do not enter: they change nothing yet, unless a supervised start (`warm_start`) trains some too.
    """
    model = resolved(model)
    prompt: str | None = model.system_prompt
    template = None if model.chat_template is None else chat_template_text(model.chat_template)
    if model.tiny is not None:
        source = ["tiny", warm_start_key(model.tiny, dataset)]
        prompt = template = None  # its tokenizer has no chat template, so no prompt reaches it
    elif model.stand_in:
        source = ["stand_in", stand_in_digest(str(model.hub))]
    elif model.hub is not None:
        source = ["hub", model.hub, model.revision or "main"]
    elif (file := gguf_file(str(model.path))) is not None:
        source = ["gguf", gguf_digest(file)]
    else:
        source = ["path", directory_digest(checked_directory(str(model.path)))]
    what: dict[str, Any] = {
        "source": source,
        "prompt": prompt,
        "dtype": model.dtype,
        "remote_code": model.trust_remote_code,
    }
    if template is not None:
        what["chat_template"] = template
    if prompt == "":
        what["system_turn"] = "empty"
    if examples := prompt_style(model).examples:
        what["examples"] = examples
    if model.warm_start is not None:
        what["warm_start"] = _start_key(model, dataset)
    return digest(what)


def load_policy(
    model: ModelSpec,
    dataset: DatasetSpec,
    data: TaskData,
    cache: Cache,
    progress: Progress | None = None,
) -> Policy:
    """The policy in evaluation mode with its tokenizer (left padding, pad and end tokens set).

    The embedded policy comes from the package where its key is that of the shipped one, else from the cache, else its
    warm start is run; so it is with the supervised start of another model. Raises UserError for what does not load.
    """
    cost = {"tokens": 0, "flops": 0.0, "seconds": 0.0}
    base: dict[str, Any] = {}
    identity, named, model = policy_digest(model, dataset), model.named, resolved(model)
    if model.warm_start is not None:
        model = _started(model, dataset, data, cache, progress)
        base = json.loads((Path(str(model.path)) / COST_FILE).read_text())
        cost.update({key: base["cost"][key] for key in cost})
    if model.tiny is not None:
        directory = _tiny_directory(model.tiny, dataset, data, cache, progress)
        record = directory / (CARD_FILE if directory == SHIPPED else COST_FILE)
        base = json.loads(record.read_text())
        cost.update({key: base["cost"][key] for key in cost if directory != SHIPPED})
        name = str(directory)
    else:
        name = _source(model, cache)
        directory = Path(name)
    with quiet():
        loaded, tokenizer = load_model(model, name, named)
    if model.hub is not None and not model.stand_in:
        directory = _snapshot(model.hub, model.revision) or directory
        loaded.config._name_or_path = str(directory)  # where TRL loads the reference of the KL term from
    if model.chat_template is not None and model.tiny is None:
        apply_chat_template(tokenizer, model.chat_template)
    style = prompt_style(model)
    end_with_block(loaded, style.reply(tokenizer).one_block)
    if not has_template(tokenizer):
        check_plain(style.examples, tokenizer)
    elif style.examples:
        end_with_turn(loaded, tokenizer)
    adapted = None if model.lora is None else attach_adapter(loaded, model.lora, name, model.revision)
    return Policy(loaded, tokenizer, directory, model.label, identity, base, cost, style, adapted)


def load_embedder(
    model: ModelSpec,
    dataset: DatasetSpec,
    data: TaskData,
    cache: Cache,
    progress: Progress | None = None,
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A transformer and its tokenizer, to embed questions: of a hub id or directory without its head (any `AutoModel`,
    an encoder too), the embedded policy as it is. Raises UserError as `load_policy`."""
    if model.tiny is not None:
        policy = load_policy(model, dataset, data, cache, progress)
        return policy.model, policy.tokenizer
    named, model = model.named, resolved(model)
    if model.warm_start is not None:
        model = _started(model, dataset, data, cache, progress)
    with quiet():
        return load_model(model, _source(model, cache), named, head=False)


def save_policy(policy: Policy, directory: Path, weights: dict[str, Any] | None = None) -> None:
    """Save it so that `model: {path: directory}` loads it: the whole model, or its adapters beside where their base
    lies (`adapter_config.json`), which `peft.AutoPeftModelForCausalLM.from_pretrained` loads too.

    The directory is replaced in one step. `weights`: by name, where the policy's own are sharded over processes.
    """

    def write(folder: Path) -> None:
        if policy.adapted is not None:
            policy.adapted.save_pretrained(str(folder), save_embedding_layers=False, state_dict=weights)
        else:
            policy.model.save_pretrained(folder, state_dict=weights)
        policy.tokenizer.save_pretrained(folder)

    write_folder(directory, write)


def load_policy_weights(policy: Policy, directory: Path) -> None:
    """Give a policy the weights of a checkpoint directory: its adapters, where it has some."""
    from safetensors.torch import load_file, load_model

    if policy.adapted is not None:
        from peft import set_peft_model_state_dict

        set_peft_model_state_dict(policy.adapted, load_file(directory / "adapter_model.safetensors"))
        return
    load_model(policy.model, directory / "model.safetensors", strict=False)  # tied weights are stored once


def shipped_key() -> str | None:
    """Warm-start key of the policy in the package, None where there is none."""
    card = SHIPPED / CARD_FILE
    return json.loads(card.read_text())["key"] if card.is_file() else None


def policy_is_built(model: ModelSpec, dataset: DatasetSpec, cache: Cache) -> bool:
    """Does loading this policy take no warm start, because it has none, or the package or the cache has its result?"""
    model = resolved(model)
    if model.tiny is None and model.warm_start is None:
        return True
    key = _start_key(model, dataset) if model.tiny is None else warm_start_key(model.tiny, dataset)
    return key == shipped_key() or cache.get("warm_start", key) is not None


def _tiny_directory(
    tiny: TinyModel,
    dataset: DatasetSpec,
    data: TaskData,
    cache: Cache,
    progress: Progress | None,
) -> Path:
    """Where the embedded policy lies: in the package, or in the cache, where it is made if it is not there."""
    key = warm_start_key(tiny, dataset)
    if key == shipped_key():
        return SHIPPED

    def build(directory: Path) -> None:
        build_warm_start(directory, tiny, dataset, data, progress)

    return cache.directory("warm_start", key, build)


def _start_key(model: ModelSpec, dataset: DatasetSpec) -> str:
    """Names the result of the supervised start of a model that is `resolved`."""
    return start_key(policy_digest(before_start(model), dataset), model, dataset)


def _started(
    model: ModelSpec, dataset: DatasetSpec, data: TaskData, cache: Cache, progress: Progress | None
) -> ModelSpec:
    """The model whose supervised start has been run, as a directory in the cache; made if it is not there."""

    def build(directory: Path) -> None:
        base = load_policy(before_start(model), dataset, data, cache)
        build_start(directory, model, base.model, base.tokenizer, base.style, dataset, progress)

    place = cache.directory("warm_start", _start_key(model, dataset), build)
    release_memory()
    there = {"hub": None, "revision": None, "stand_in": False, "path": str(place), "warm_start": None}
    return model.model_copy(update={**there, "name": model.label})


def _source(model: ModelSpec, cache: Cache) -> str:
    """What transformers loads a model of the hub, of a directory or of a GGUF file from."""
    if model.stand_in:
        hub = str(model.hub)
        return str(cache.directory("stand_in", stand_in_digest(hub), lambda place: build_stand_in(place, hub)))
    if model.hub is not None:
        return model.hub
    if (file := gguf_file(str(model.path))) is not None:
        return str(converted(file, model.dtype, cache))
    directory = checked_directory(str(model.path))
    if is_adapter(directory):
        return str(merged_adapter(directory, directory_digest(directory), cache, model.trust_remote_code))
    return str(directory)


def _snapshot(hub: str, revision: str | None) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(hub, "config.json", revision=revision)
    return Path(found).parent if isinstance(found, str) else None
