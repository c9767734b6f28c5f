"""Thinking blocks: what models put around their reasoning, which holds no answer."""

from __future__ import annotations

import re
from dataclasses import dataclass

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
    ("<cot>", "</cot>"),
    ("<inner_monologue>", "</inner_monologue>"),
    ("<seed:think>", "</seed:think>"),
    ("<ant_thinking>", "</ant_thinking>"),
    ("<longcat_think>", "</longcat_think>"),
    ("[THINK]", "[/THINK]"),
    ("<|think_start|>", "<|think_end|>"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|start_thinking|>", "<|end_thinking|>"),
    ("<|inner_prefix|>", "<|inner_suffix|>"),
    ("<|channel|>analysis<|message|>", "<|channel|>final<|message|>"),
    ("<|channel>thought", "<channel|>"),
    ("<|im_start|>think\n", "<|im_start|>answer\n"),
    ("<unused94>", "<unused95>"),
    ("◁think▷", "◁/think▷"),
    ('<details type="reasoning">', "</details>"),
    ("## Thinking\n", "## Final Response\n"),
    ("Here is my thought process:", "Here is my response:"),
)
"""(what opens a block, what closes it), of models that publish reasoning; capitals do not count."""
_STEMS = "think thinking thought thoughts reason reasoning reflect reflection reflections cot scratchpad monologue"
_MORE = "rationale analysis deliberation ponder pondering contemplation brainstorm brainstorming introspection planning"
NAMES = {*_STEMS.split(), *_MORE.split()}
"""Words of which one is in the name of a tag that opens thinking, in any model."""
SIDES = {"begin", "start", "end", "of", "the"}
TAG = re.compile(r"[<◁]\|?\s?(?P<closes>/?)\s?(?P<name>[A-Za-z][\w:.-]{0,40})(?:\s[\w-]+=[^<>\n]{0,80})?\s?\|?[>▷]")
BRACKETS = re.compile(r"\[(?P<closes>/?)(?P<name>think|thinking|thought)\]", re.IGNORECASE)
PHRASES = (
    (
        r"here(?: is|['’]s) my (?:thought|thinking|reasoning) process\b:?",
        r"here(?: is|['’]s) my (?:response|answer)\b:?",
    ),
    (
        r"#{1,4} thinking[^\S\n]*$",
        r"#{1,4} (?:final )?(?:response|answer|solution|conclusion)\b.*$|(?=####[^\S\n]*[-$\\\d])",
    ),
    (r"<details[^<>\n]{0,80}(?:reason|think)[^<>\n]{0,80}>", "</details>"),
)
PAIRS = [(re.escape(opening), re.escape(closing)) for opening, closing in TAGS if "<|" in opening or "<u" in opening]
PAIR = [
    (re.compile(opening, re.IGNORECASE | re.MULTILINE), re.compile(closing, re.IGNORECASE | re.MULTILINE))
    for opening, closing in (*PHRASES, *PAIRS)
]


@dataclass(frozen=True, order=True)
class Mark:
    """Where a block opens or closes: the characters `start` to `end`, and the name of its kind."""

    start: int
    end: int
    opens: bool
    kind: str


def marks(text: str) -> list[Mark]:
    """All that opens or closes thinking in a text, in order."""
    found = {_tag(tag) for pattern in (TAG, BRACKETS) for tag in pattern.finditer(text)} - {None}
    for number, patterns in enumerate(PAIR):
        for opens, pattern in zip((True, False), patterns, strict=True):
            found |= {Mark(*match.span(), opens, str(number)) for match in pattern.finditer(text)}
    return sorted(mark for mark in found if mark is not None)


def _tag(tag: re.Match[str]) -> Mark | None:
    words = re.split("[^a-z]+", tag["name"].lower())
    if not NAMES.intersection(words):
        return None
    kind = " ".join(word for word in words if word not in SIDES)
    return Mark(*tag.span(), not (tag["closes"] or "end" in words), kind)


def after_thinking(completion: str) -> str | None:
    """What follows the last closed thinking block; None where the completion ends inside one."""
    found = marks(completion)
    closed: dict[str, tuple[int, int]] = {}
    for mark in found:
        if not mark.opens:
            first = next(other for other in found if other.kind == mark.kind)
            closed[mark.kind] = (first.start if first.opens else 0, mark.end)
    for mark in found:
        inside = mark.start < closed.get(mark.kind, (0, 0))[1] or any(a < mark.start < b for a, b in closed.values())
        if mark.opens and not inside:
            return None
    return completion[max((end for _, end in closed.values()), default=0) :]
