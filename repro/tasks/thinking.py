"""Thinking blocks: the tags models put around their reasoning, which holds no answer."""

from __future__ import annotations

TAGS = (
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"),
    ("[THINK]", "[/THINK]"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("◁think▷", "◁/think▷"),
)
"""(what opens a block, what closes it), of the models that publish reasoning."""


def opened(prompt: str) -> str:
    """The tag with which a prompt ends, "" if it ends with none: chat templates of reasoning models open the block.

    Their completions begin inside it: `opened(prompt) + completion` has both tags.
    """
    end = prompt.rstrip()
    return next((opening for opening, _ in TAGS if end.endswith(opening)), "")


def after_thinking(completion: str) -> str | None:
    """What follows the last closed thinking block; None where the completion ends inside one."""
    text = completion
    for opening, closing in TAGS:
        text = text.rpartition(closing)[2]
        if opening in text:
            return None
    return text
