"""Reads a model and its tokenizer from a directory or the hub, and refuses one that is not whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from repro.errors import UserError, setting
from repro.hub import model_is_here, why_unreachable
from repro.models.catalogue import ModelName
from repro.models.content import damaged_json
from repro.models.model_spec import ModelSpec
from repro.models.sources import cures
from repro.user_paths import user_path

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def load_model(
    spec: ModelSpec, name: str, named: ModelName | None = None, head: bool = True
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The model in evaluation mode, on a GPU where there is one, and its tokenizer: left padding, pad and end tokens.

    Args:
        name: what transformers loads it from.
        named: what the user calls it, where that is neither a path nor a hub id.
        head: a causal language model; else any transformer without its head.

    Raises:
        UserError: it does not load, weights are missing or of other sizes, or no completion would end.
    """
    import torch
    from transformers import AutoModel, AutoModelForCausalLM, AutoTokenizer

    kind = AutoModelForCausalLM if head else AutoModel
    where = _field(spec, named)
    if spec.hub == name:
        check_fetchable(spec, named, head)
    options: dict[str, Any] = {"trust_remote_code": spec.trust_remote_code}
    if spec.revision is not None:
        options["revision"] = spec.revision
    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(name, **options)
        read: Any = kind.from_pretrained(name, dtype=getattr(torch, spec.dtype), output_loading_info=True, **options)
        loaded, info = read
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # files that are torn, of another model or another format: each library has its own
        if "trust_remote_code" in str(error) and not spec.trust_remote_code:
            raise UserError(
                f"model.trust_remote_code: {name!r} ships code of its own, which was not run; read it, and set "
                f"trust_remote_code: true if you trust it"
            ) from error
        why = damaged_json(sorted(user_path(name).glob("*.json"))) if spec.hub != name else None
        raise UserError(_did_not_load(spec, name, named, head, why or _first_line(error))) from error
    missing = sorted(info["missing_keys"])
    if head and missing:
        raise UserError(
            f"{where}: {name!r} lacks weights, {len(missing)} in all, the first is {missing[0]!r}: they would be "
            "random numbers; expected a causal language model with all of its weights"
        )
    if head and tokenizer.eos_token_id is None:
        tokenizer.eos_token = _configured_end(loaded, tokenizer)
        if tokenizer.eos_token_id is None:
            raise UserError(
                f"{where}: the tokenizer of {name!r} has no end-of-sequence token, so no completion would end"
            )
    # Some tokenizer classes invent a padding token that the weights know nothing of.
    if tokenizer.pad_token_id is None or tokenizer.pad_token_id >= loaded.config.get_text_config().vocab_size:
        tokenizer.pad_token = tokenizer.eos_token  # masks tell them apart, as in TRL
    tokenizer.padding_side = "left"
    if torch.cuda.is_available():
        torch.nn.Module.to(loaded, "cuda")  # the start policy is measured before TRL would move it
    loaded.eval()
    return loaded, tokenizer


def check_fetchable(spec: ModelSpec, named: ModelName | None, head: bool = True) -> None:
    """UserError where a hub model is not on this machine and the hub cannot be reached. Imports nothing heavy."""
    if not model_is_here(str(spec.hub), spec.revision) and (why := why_unreachable()):
        raise UserError(_did_not_load(spec, str(spec.hub), named, head, why))


def _field(spec: ModelSpec, named: ModelName | None) -> str:
    """Where the spec names the model."""
    return setting("model.named" if named else "model.hub" if spec.hub else "model.path")


def _did_not_load(spec: ModelSpec, name: str, named: ModelName | None, head: bool, why: str) -> str:
    where = _field(spec, named)
    if named is not None and spec.hub is not None:
        return f"{where}: {named} was found in no file here and did not load from the hub: {why}\n{cures(named)}"
    return (
        f"{where}: {name!r} did not load: {why}\n"
        f"Expected {'a causal language model' if head else 'a transformer'} with its tokenizer; for a hub id check "
        f"the spelling, the revision and the connection (HF_HOME holds what was downloaded before)."
    )


def _configured_end(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> str | None:
    """The end token that the model's generation config names, where its tokenizer names none."""
    configured = model.generation_config.eos_token_id if model.generation_config is not None else None
    first = configured[0] if isinstance(configured, list) and configured else configured
    return str(tokenizer.convert_ids_to_tokens(first)) if isinstance(first, int) else None


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [""]
    return lines[0] if isinstance(error, OSError | ValueError) else f"{type(error).__name__}: {lines[0]}"
