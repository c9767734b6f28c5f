"""What a tokenizer itself puts around a conversation or a text: its chat template and its start token."""

from __future__ import annotations

import re
from datetime import date
from functools import lru_cache
from typing import Any

from repro.errors import UserError

Message = dict[str, Any]
"""One turn: `role` and `content`."""

TODAY = date(2024, 7, 26)
"""The day it is for a template that asks, the default of Llama 3's: a prompt must not change overnight."""
ASKS_DATE = re.compile(r"""strftime_now\s*\(\s*(['"])(?P<format>[^'"]*)\1\s*\)""")
COMPUTES = re.compile(r"""\|\s*random\b|\bmap\s*\(\s*['"]random\b|\blipsum\b|\bstrftime_now\b(?!\s+is\b)""")
PROBES = ("a", "0", "?")
"""Short texts of which any tokenizer knows one."""


def has_template(tokenizer: Any) -> bool:
    """Whether a tokenizer has a chat template."""
    return bool(getattr(tokenizer, "chat_template", None))


def chat_text(tokenizer: Any, messages: list[Message]) -> str:
    """The rendered turns, with the assistant's turn opened. jinja2's TemplateError where the template refuses them.

    UserError for a template that computes what is no part of the conversation: then no prompt could be repeated.
    """
    template = _repeatable(template_of(tokenizer))
    return str(
        tokenizer.apply_chat_template(messages, chat_template=template, tokenize=False, add_generation_prompt=True)
    )


@lru_cache(maxsize=16)
def _repeatable(template: str) -> str:
    """A template with the date written out. UserError where it computes anything else."""
    template = ASKS_DATE.sub(lambda call: repr(TODAY.strftime(call["format"])), template)
    computed = COMPUTES.search(template)
    if computed:
        raise UserError(
            f"the chat template of the model computes {computed[0]!r}, so that its prompts could not be repeated; "
            "give another model.chat_template"
        )
    return template


def template_of(tokenizer: Any) -> str:
    """The chat template; of several, the one named default. UserError where none is."""
    template = tokenizer.chat_template
    if isinstance(template, str):
        return template
    if "default" not in template:
        raise UserError(
            f"the model has chat templates named {', '.join(sorted(template))} and none named default; give the one "
            "that is meant by model.chat_template, as a file or as text"
        )
    return str(template["default"])


def start_token(tokenizer: Any) -> str:
    """What the tokenizer itself puts before a text, as text: `<|begin_of_text|>`, `<s>` or nothing."""
    for probe in PROBES:
        try:
            plain = tokenizer(probe, add_special_tokens=False)["input_ids"]
        except Exception:  # of a tokenizer without a token for what it does not know
            continue
        if plain:
            whole = tokenizer(probe)["input_ids"]
            places = (i for i in range(len(whole)) if whole[i : i + len(plain)] == plain)
            return "".join(tokenizer.convert_ids_to_tokens(whole[: next(places, 0)]))
    return ""
