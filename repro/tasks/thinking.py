"""Thinking blocks: the tags models put around their reasoning, which holds no answer."""

from __future__ import annotations

import re

TAGS = (
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"),
    ("<reason>", "</reason>"),
    ("<reflection>", "</reflection>"),
    ("<analysis>", "</analysis>"),
    ("<scratchpad>", "</scratchpad>"),
    ("<seed:think>", "</seed:think>"),
    ("<longcat_think>", "</longcat_think>"),
    ("[THINK]", "[/THINK]"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<|channel|>analysis<|message|>", "<|channel|>final<|message|>"),
    ("◁think▷", "◁/think▷"),
)
"""(what opens a block, what closes it), of the models that publish reasoning; capitals do not matter."""

PATTERNS = tuple(
    (re.compile(re.escape(opening), re.IGNORECASE), re.compile(re.escape(closing), re.IGNORECASE))
    for opening, closing in TAGS
)


def opened(prompt: str) -> str:
    """The tag with which a prompt ends, "" if it ends with none: chat templates of reasoning models open the block.

    Their completions begin inside it: `opened(prompt) + completion` has both tags.
    """
    end = prompt.rstrip().lower()
    return next((opening for opening, _ in TAGS if end.endswith(opening.lower())), "")


def after_thinking(completion: str) -> str | None:
    """What follows the last closed thinking block; None where the completion ends inside one."""
    text = completion
    for opening, closing in PATTERNS:
        ends = [block.end() for block in closing.finditer(text)]
        text = text[ends[-1] :] if ends else text
        if opening.search(text):
            return None
    return text
