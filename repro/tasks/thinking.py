"""Thinking blocks: the tags models put around their reasoning, which holds no answer."""

from __future__ import annotations

TAGS = (
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<thoughts>", "</thoughts>"),
    ("<reasoning>", "</reasoning>"),
    ("<reason>", "</reason>"),
    ("<reflection>", "</reflection>"),
    ("<analysis>", "</analysis>"),
    ("<scratchpad>", "</scratchpad>"),
    ("<seed:think>", "</seed:think>"),
    ("<ant_thinking>", "</ant_thinking>"),
    ("<longcat_think>", "</longcat_think>"),
    ("[THINK]", "[/THINK]"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|start_thinking|>", "<|end_thinking|>"),
    ("<|inner_prefix|>", "<|inner_suffix|>"),
    ("<|channel|>analysis<|message|>", "<|channel|>final<|message|>"),
    ("<unused94>", "<unused95>"),
    ("◁think▷", "◁/think▷"),
)
"""(what opens a block, what closes it), of the models that publish reasoning; capitals do not count."""


def after_thinking(completion: str) -> str | None:
    """What follows the last closed thinking block; None where the completion ends inside one."""
    text, lower = completion, completion.lower()
    if len(lower) != len(text):  # a few capitals of other scripts become two characters
        lower = "".join(c.lower() if len(c.lower()) == 1 else c for c in text)
    for opening, closing in TAGS:
        end = lower.rfind(closing.lower())
        if end >= 0:
            text, lower = text[end + len(closing) :], lower[end + len(closing) :]
        if opening.lower() in lower:
            return None
    return text
