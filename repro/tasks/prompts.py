"""One way from a question to a prompt, used by warm start, rollouts, evaluation and scoring alike."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

from jinja2 import TemplateError

from repro.errors import UserError
from repro.words import show

UFO_RL_SYSTEM_PROMPT = (
    "A conversation between User and Assistant. The user asks a question, and the Assistant solves it. The assistant "
    "first thinks about the reasoning process in the mind and then provides the user with the answer. The reasoning "
    "process and answer are enclosed within <think> </think> and <answer> </answer> tags, respectively, i.e., <think> "
    "reasoning process here </think>\n<answer> answer here </answer>."
)
"""The system turn of UFO-RL's released scorer (arXiv 2505.12457)."""

DOTS_RR_SYSTEM_PROMPT = "Let's think step by step and output the final answer within \\boxed{}."
"""The system turn of DOTS + RR (arXiv 2506.05316)."""

SYSTEM_PROMPTS = {"ufo_rl": UFO_RL_SYSTEM_PROMPT, "dots_rr": DOTS_RR_SYSTEM_PROMPT}
"""What a spec may call by name in `model.system_prompt`."""


def render_prompt(question: str, tokenizer: Any, system_prompt: str | None, suffix: str) -> str:
    """The text a completion follows; tokenize it with `add_special_tokens=False`.

    A tokenizer with a chat template gets a system turn (if there is a system prompt), the bare question as the user
    turn and the opening of the assistant turn. Any other gets the question and `suffix`, the dataset's
    `answer_format.question_suffix`; there the system prompt is not used. Where the template has no system turn
    (Gemma's raises, others drop it), the system prompt opens the user turn. UserError for a template that drops the
    question.
    """
    if not getattr(tokenizer, "chat_template", None):
        # Callers tokenize without special tokens, so a start token that the tokenizer would add is written out.
        return f"{start_token(tokenizer)}{question}{suffix}"
    user = {"role": "user", "content": question}
    if system_prompt:
        try:
            rendered = chat(tokenizer, [{"role": "system", "content": system_prompt}, user])
        except TemplateError:
            rendered = ""
        if system_prompt.strip() not in rendered:
            rendered = chat(tokenizer, [{"role": "user", "content": f"{system_prompt}\n\n{question}"}])
    else:
        rendered = chat(tokenizer, [user])
    for said in (system_prompt or "", question):
        if said.strip() not in rendered:
            raise UserError(
                f"the chat template of the model drops what it is given: {show(said.strip())} is not in its prompt "
                f"{show(rendered)}; give another model.chat_template"
            )
    return rendered


def start_token(tokenizer: Any) -> str:
    """What the tokenizer itself puts before a text, as text: `<|begin_of_text|>`, `<s>` or nothing."""
    plain = tokenizer("a", add_special_tokens=False)["input_ids"]
    with_special = tokenizer("a")["input_ids"]
    before = with_special[: with_special.index(plain[0])] if plain and plain[0] in with_special else []
    return "".join(tokenizer.convert_ids_to_tokens(before))


TODAY = date(2024, 7, 26)
"""The day it is for a template that asks, the default of Llama 3's: a prompt must not change overnight."""
ASKS_DATE = re.compile(r"""strftime_now\(\s*(['"])(?P<format>[^'"]*)\1\s*\)""")
COMPUTES = re.compile(r"\|\s*random\b|\bstrftime_now\s*\(")


def chat(tokenizer: Any, messages: list[dict[str, str]]) -> str:
    """The rendered turns, with the assistant's turn opened.

    UserError for a template that computes what is no part of the conversation: then no prompt could be repeated.
    """
    template = tokenizer.chat_template
    if isinstance(template, str):
        template = ASKS_DATE.sub(lambda call: repr(TODAY.strftime(call["format"])), template)
        computed = COMPUTES.search(template)
        if computed:
            raise UserError(
                f"the chat template of the model computes {computed[0]!r}, so that its prompts could not be repeated; "
                "give another model.chat_template"
            )
    return str(
        tokenizer.apply_chat_template(messages, chat_template=template, tokenize=False, add_generation_prompt=True)
    )
