"""How a spec says that questions become prompts: a chat template in place of the tokenizer's own, system prompt,
examples."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from repro.errors import UserError
from repro.models.examples import turns_of
from repro.models.model_spec import ModelSpec
from repro.tasks.chat_text import chat_text
from repro.tasks.prompts import PromptStyle
from repro.user_paths import user_path

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

PLAIN = "plain"
"""In place of a template: none, so that prompts are plain text."""


def prompt_style(model: ModelSpec) -> PromptStyle:
    """How a spec's model is asked, wherever it is asked. UserError for a file of examples that cannot be read."""
    return PromptStyle(model.system_prompt, turns_of(model.examples))


def chat_template_text(given: str) -> str:
    """The template: what a spec holds is one if it has a Jinja tag, else the name of its file. UserError where that
    file is not there."""
    path = chat_template_file(given)
    if path is None:
        return given
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UserError(
            f"model.chat_template: {path} holds the byte 0x{error.object[error.start]:02x}, which is not UTF-8; "
            "expected a template's text in UTF-8"
        ) from error


def chat_template_file(given: str) -> Path | None:
    """The file that a spec names as its template; None where it holds the text itself, or wants none. UserError where
    it is not there."""
    if given == PLAIN or "{{" in given or "{%" in given:
        return None
    path = user_path(given)
    if not path.is_file():
        raise UserError(
            f"model.chat_template: {given!r} is no file and has no Jinja tag; expected a template's file, its text, or "
            f"{PLAIN}"
        )
    return path


def apply_chat_template(tokenizer: PreTrainedTokenizerBase, given: str) -> None:
    """Give a tokenizer the template of a spec, or none. UserError where it does not render, or drops what the user
    says."""
    from jinja2 import TemplateError  # commands that render nothing start sooner without it

    if given == PLAIN:
        tokenizer.chat_template = None
        return
    tokenizer.chat_template = chat_template_text(given)
    marker = "2+3=?"
    try:
        rendered = chat_text(tokenizer, [{"role": "user", "content": marker}])
    except TemplateError as error:
        raise UserError(f"model.chat_template: it does not render: {error}") from error
    if marker not in rendered:
        raise UserError("model.chat_template: the user's message is not in what it renders, expected message.content")


def end_with_turn(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Let completions end with the token that ends an assistant's turn in the template, where it is a special one.

    A base model that is shown turns ends its own as they end, and then writes the user's next: its own end token
    would not stop it.
    """
    asked, answered = "\u241e asked \u241e", "\u241e answered \u241e"
    after = PromptStyle(examples=((asked, answered),)).prompt(asked, tokenizer, "").partition(answered)[2]
    first = tokenizer(after, add_special_tokens=False)["input_ids"][:1]
    if not first or tokenizer.decode(first, skip_special_tokens=True):
        return
    known = model.generation_config.eos_token_id
    ends = known if isinstance(known, list) else [] if known is None else [known]
    model.generation_config.eos_token_id = sorted({*ends, *first})
