"""From a completion to the reply that is graded: with what the prompt opened, and without what follows its end."""

from __future__ import annotations

import re
from dataclasses import dataclass

from repro.tasks.thinking import marks

OPENED = (("<answer>", "</answer>"), (r"\boxed{", "}"))
"""(what opens a part of a reply beside thinking, what closes it)."""
BLANK_LINE = re.compile(r"\n[^\S\n]*\n")


@dataclass(frozen=True)
class Reply:
    """How a completion is read.

    Attributes:
        opened: what the prompt has written in the model's place, `<think>` with what follows it.
        one_block: whether a blank line ends the reply; else the model ends it by a token.
    """

    opened: str = ""
    one_block: bool = False

    def whole(self, completion: str) -> str:
        """The reply of which a completion is the rest."""
        if self.one_block:
            completion = BLANK_LINE.split(completion.lstrip(), maxsplit=1)[0]
        return self.opened + completion


def block_is_over(completion: str) -> bool:
    """Whether a blank line has come after the first text of a completion, so that what follows is no part of it."""
    return BLANK_LINE.search(completion.lstrip()) is not None


def left_open(closing: str) -> str:
    """The end of a prompt from where it opens what it does not close: a thinking block, an answer, a box; else "".

    `closing`: what a prompt holds after its question, so that tags in a question open nothing.
    """
    thinking: dict[str, int] = {}
    for mark in marks(closing):
        if mark.opens:
            thinking[mark.kind] = mark.start
        else:
            thinking.pop(mark.kind, None)
    lower, starts = closing.lower(), list(thinking.values())
    for opening, end in OPENED:
        start = lower.rfind(opening.lower())
        if start >= 0 and end.lower() not in lower[start + len(opening) :]:
            starts.append(start)
    return closing[min(starts) :] if starts else ""
