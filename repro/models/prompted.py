"""Who is asked: tokenizer, config and prompt style of a model, with or without its weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from repro.cache import Cache
from repro.hub import model_is_here, why_unreachable
from repro.models.adapters import adapter_base, is_adapter
from repro.models.chat import apply_chat_template, prompt_style
from repro.models.content import checked_directory, gguf_file
from repro.models.gguf_convert import converted, known_conversion
from repro.models.model_spec import ModelSpec
from repro.models.sources import resolved
from repro.tasks.prompts import PromptStyle

if TYPE_CHECKING:
    from repro.models.policy import Policy


@dataclass(frozen=True)
class Prompted:
    """A model as far as its prompts go."""

    label: str
    style: PromptStyle
    tokenizer: Any
    config: Any

    @classmethod
    def of(cls, policy: Policy) -> Prompted:
        """Of a loaded policy."""
        return cls(policy.label, policy.style, policy.tokenizer, policy.model.config)


def at_hand(model: ModelSpec, cache: Cache, fetch: bool = False) -> Prompted | None:
    """A model of a local directory, or of a hub id whose files are here already, without loading its weights.

    None for other models: the embedded policy, stand-ins and GGUF files have no tokenizer before they are made.
    `fetch` takes the files of a hub id from the hub, and converts a GGUF file into the cache. UserError for local files
    that hold no model, or a template that does not serve.
    """
    if model.tiny is not None or model.stand_in:
        return None
    label, model = model.label, resolved(model)
    name: str | Path = str(model.hub)
    own = name
    if model.path is not None and (file := gguf_file(model.path)) is not None:
        made = (converted if fetch else known_conversion)(file, model.dtype, cache)
        if made is None:
            return None
        name = own = made
    elif model.path is not None:
        name = own = checked_directory(model.path)
        if is_adapter(own):
            name = adapter_base(own)
            own = own if (own / "tokenizer_config.json").is_file() else name
    options = {"revision": model.revision or "main", "trust_remote_code": model.trust_remote_code}
    if model.hub is not None and not model_is_here(model.hub, model.revision) and (not fetch or why_unreachable()):
        return None
    from transformers import AutoConfig, AutoTokenizer

    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(own, local_files_only=not fetch, **options)
        config: Any = AutoConfig.from_pretrained(name, local_files_only=not fetch, **options)
    except Exception:  # not here, or the job will say why it does not load
        return None
    if model.chat_template is not None:
        apply_chat_template(tokenizer, model.chat_template)
    return Prompted(label, prompt_style(model), tokenizer, config)
