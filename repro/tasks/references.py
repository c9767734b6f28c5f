"""Tells numbers that a text refers to (`see step 3`, `[1]`, `on day 5`) or remarks on in brackets from its answer."""

from __future__ import annotations

import re

from repro.tasks.sums import value_of

_PLACES = r"(?:steps?|equations?|eqn?\.?|theorem|lemma|corollary|proposition|figure|fig\.|section|formula|footnote)"
REFERENCE = re.compile(
    rf"(?:\b(?:see|by|from|of|in|using|use|under|via|per|apply|applying)\s(?:the\s)?{_PLACES}|\bsee(?:\s\w+){{0,3}}"
    r"|\b(?:Theorem|Lemma|Corollary|Proposition|Equation|Eq\.|Figure|Fig\.)|\b(?:from|by|using)(?=\s\())"
    r"\s(?:\(\d{1,3}\)(?:,\s(?:and\s)?|\sand\s)){0,6}\(?\Z",
    re.IGNORECASE,
)
"""What before a number makes it the name of a place in a text: `by Theorem`, `see page`, `from (1) and`."""
LABEL = re.compile(
    r"(?:\A|\n)[ \t#*_>-]{0,12}(?:step|part|case|method|approach|problem|question|exercise)\s\Z", re.IGNORECASE
)
LABELLED = re.compile(r"[*_]{0,3}(?:[:.)]|\s{0,4}(?:\n|\Z))")
"""What stands around the number of a step: `**Step 3:**`."""
ITEM = re.compile(r"(?:\A|\n)[ \t*_>-]{0,12}\Z")
BEHIND_ITEM = re.compile(r"[*_]{0,3}([.):])[*_]{0,3}\s{1,4}[*_]{0,3}[A-Za-z]")
"""What stands around the number of an item of a list, which begins with a word."""
NUMBERED_NOTE = re.compile(r"(?<=\d|[a-z.])\s?\[\Z")
SAID_BEFORE = re.compile(r"(?P<number>\d[\d,]*(?:\.\d+)?)%?(?P<words>(?:[^\S\n][A-Za-z]+){0,5})[^\S\n]\Z")
"""A number and perhaps its unit, right before a bracket."""
REMARKS = re.compile(
    r"\s?(?:see|by|from|using|via|as|since|because|where|with|step|part|equation|eq|rounded|including|after|cf)\b",
    re.IGNORECASE,
)
"""How what stands in brackets begins where it only explains the number before it."""
WORD = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{2,}")
_WHEN = r"(?:on|in|at|by|after|before|during|for|from|within|until|since|over|every|with|of|among|given|starting)"
_LEAD = r"(?:(?:so|then|thus|therefore|hence|and|but|now|next|finally|also),? )?"
OPENS_SENTENCE = re.compile(
    rf"(?:\A|[.;!?]\s|\n)[\s*]*{_LEAD}{_WHEN} (?!(?:a )?(?:total|sum|all|conclusion|other words)\b)"
    r"(?:[A-Za-z'’-]+ ){0,5}\$?\Z",
    re.IGNORECASE,
)
"""What before a number makes it the time or the setting of a sentence: `On day`, `So after the first`."""
SAYS_MORE = re.compile(
    r"(?:st|nd|rd|th)?%?(?: [A-Za-z'’.-]+){0,5}?,\s*(?=[^\W\d]|\.\.\.|…|\Z)"
    r"|(?: [A-Za-z]+){0,2} (?:he|she|it|they|we) [a-z]"
)
"""What behind such a number begins to say something else: ` days, he ran the most`."""
OF_A_LABEL = re.compile(
    r" (?:on|in|at|by|during|for|after|before|of|until) (?:the )?"
    r"(?:day|week|month|year|hour|minute|round|stage|lap|game|grade|level|chapter|page|room|row|column|line|box|table|floor)"
    r" \Z",
    re.IGNORECASE,
)
"""What before a number makes it the name of a time or a place, where another number stands before it."""
ENDS_SENTENCE = re.compile(r"[*_]{0,3}(?:[.!;\n]|\s*\Z)")
SENTENCE_BEFORE = re.compile(r"(?:[^.;!?\n]|\.(?=\d))*\Z")
INSIDE = re.compile(r"\((?P<content>(?:[^()\n]|\([^()\n]*\))*)\Z")


def _has_item(text: str, number: int, sign: str) -> bool:
    """Whether a list in the text has the item of this number."""
    return re.search(rf"(?:\A|\n)[ \t*_>-]{{0,12}}{number}[*_]{{0,3}}{re.escape(sign)}", text) is not None


def is_setting(text: str, start: int, end: int) -> bool:
    """Is the number at `start` to `end` only when or where its sentence plays: `On day 5, he ran the most`?

    What the sentence goes on to say has no digit where this number is the last one of the text.
    """
    if SAYS_MORE.match(text, end) is None:
        return False
    return OPENS_SENTENCE.search(text[max(0, start - 80) : start]) is not None


def reference_start(text: str, start: int, end: int) -> int | None:
    """Where the reference or remark begins that holds the number at `start` to `end`; None where there is none."""
    before, after = text[max(0, start - 300) : start], text[end:]
    place = start - len(before)
    reference = REFERENCE.search(before, max(0, len(before) - 60))
    if reference is not None:
        return place + reference.start()
    if (label := LABEL.search(before)) is not None and LABELLED.match(after):
        return place + label.start()
    if (item := ITEM.search(before)) is not None and (sign := BEHIND_ITEM.match(after)) is not None:
        number = text[start:end]
        if number == "1" or (number.isdecimal() and _has_item(text[:start], int(number) - 1, sign[1])):
            return place + item.start()
    if ENDS_SENTENCE.match(after) and (named := OF_A_LABEL.search(before, max(0, len(before) - 40))) is not None:
        said_first = SENTENCE_BEFORE.search(before[: named.start()])
        if said_first is not None and any(c.isdigit() for c in said_first[0]):
            return place + named.start()
    if after.startswith("]") and (note := NUMBERED_NOTE.search(before)) and any(c.isdigit() for c in before):
        return place + note.start()
    bracket = INSIDE.search(before)
    close = after.partition("\n")[0].find(")")
    said = SAID_BEFORE.search(before[: bracket.start()]) if bracket else None
    if bracket is None or said is None or close < 0:
        return None
    inside = bracket["content"]
    content = inside + text[start:end] + after[:close]
    explains = REMARKS.match(inside) is not None or any(c.isdigit() for c in inside)
    if WORD.search(content):
        return place + bracket.start() if explains else None
    total = value_of(content)
    return place + bracket.start() if total is not None and total == value_of(said["number"]) else None
