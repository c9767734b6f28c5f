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
ADDRESS = re.compile(r"\w+ (?:object )?at 0x[0-9a-fA-F]{6,}")
"""An object that a template writes out by its place in memory: `<jinja2.utils.Cycler object at 0x7f42>`."""
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
    rendered = str(
        tokenizer.apply_chat_template(messages, chat_template=template, tokenize=False, add_generation_prompt=True)
    )
    given = " ".join(str(message["content"]) for message in messages)
    computed = next((found[0] for found in ADDRESS.finditer(rendered) if found[0] not in given), None)
    if computed is not None:
        raise _not_repeatable(computed)
    return rendered


@lru_cache(maxsize=16)
def _repeatable(template: str) -> str:
    """A template with the date written out. UserError where it computes anything else."""
    template = ASKS_DATE.sub(lambda call: repr(TODAY.strftime(call["format"])), template)
    computed = COMPUTES.search(template)
    if computed:
        raise _not_repeatable(computed[0])
    return template


def _not_repeatable(computed: str) -> UserError:
    return UserError(
        f"the chat template of the model computes {computed!r}, so that its prompts could not be repeated; "
        "give another model.chat_template"
    )


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


def started(texts: list[str], tokenizer: Any) -> list[str]:
    """Texts behind what the tokenizer itself puts first: `<|begin_of_text|>`, `<s>` or nothing.

    Without special tokens they have the ids that the tokenizer gives the texts themselves.
    """
    start, gap = _start(tokenizer)
    return [start + text if text.startswith(" ") else start + gap + text for text in texts]


def _start(tokenizer: Any) -> tuple[str, str]:
    """The tokenizer's start tokens, and what has to stand behind them: a space where it puts one before every text."""
    for probe in PROBES:
        try:
            plain = tokenizer(probe, add_special_tokens=False)["input_ids"]
            if not plain:
                continue
            whole = tokenizer(probe)["input_ids"]
            place = next((i for i in range(len(whole)) if whole[i : i + len(plain)] == plain), 0)
            start = "".join(tokenizer.convert_ids_to_tokens(whole[:place]))
            written = tokenizer(start + probe, add_special_tokens=False)["input_ids"]
            spaced = tokenizer(f"{start} {probe}", add_special_tokens=False)["input_ids"] if start else written
        except Exception as error:
            if type(error) is not Exception:  # the tokenizers library has no class of its own for a missing token
                raise
            continue
        own = whole[: place + len(plain)]
        return start, " " if written != own and spaced == own else ""
    return "", ""
