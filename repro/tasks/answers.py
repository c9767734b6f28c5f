"""Final answers as text: finding the one that counts in a completion, and undressing it for comparison."""

from __future__ import annotations

import re
import unicodedata

from repro.tasks.final_number import DELIMITED, final_number
from repro.tasks.notation import ascii_signs, standard
from repro.tasks.thinking import after_thinking

LONGEST_ANSWER = 10_000
"""Characters; what is longer is no answer."""

BOX = re.compile(r"\\(?:boxed|fbox)\s*(?:\{|\Z)")
BRACES = re.compile(r"\\.|[{}]", re.DOTALL)
SPACES = re.compile(r"(?:(?<!\\)\\[,;: ]|~|[\s\x00-\x1f\x7f])+")
WRAPPERS = [("**", "**"), ("`", "`"), ("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]")]
# Signs that only look different, and marks that nobody sees; not the ones that turn the direction of the text around.
LOOKALIKES = {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)} | str.maketrans(
    "−‐‑–﹣⁄∕。", "-----//.", "\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"
)
PHRASE = re.compile(r"\banswer\s*(?:\bis\b\s*:?|:|=)[\s*]*", re.IGNORECASE)
JOINS = re.compile(r",?\s?(?:or|and|,) ")
SENTENCE_END = re.compile(r"\n|[.!?](?=\s|$)")


def extract_answer(completion: str) -> str:
    """The final answer of a completion, tidied; empty if there is none.

    What a thinking block holds does not count, and a completion that ends inside one has no answer.
    The marker that comes last decides: `####` (to the end of its line), `\\boxed{}` or `<answer></answer>`. Where there
    is none, it is what follows `answer is`, or the last number, read whole. So one answer counts, whatever the gold
    answer is, and it is the one the completion ends with: to write several buys nothing. A marker whose answer is cut
    off yields no answer rather than an earlier one or a number from the reasoning.
    """
    text = after_thinking(completion)
    if text is None:
        return ""
    boxes = [match.start() for match in BOX.finditer(text)]
    hashes, box, tag = text.rfind("####"), boxes[-1] if boxes else -1, text.rfind("<answer>")
    last = max(hashes, box, tag)
    if last < 0:
        text = ascii_signs(ascii_text(text))
        found = phrased_answer(text) or final_number(text)
    elif last == hashes:
        found = next(iter(text[hashes + len("####") :].strip().splitlines()), "")
    elif last == box:
        found = braced(text, box) or ""
    else:
        inside, closing, _ = text[tag + len("<answer>") :].partition("</answer>")
        found = inside if closing else ""
    return tidy(found) if len(found) <= LONGEST_ANSWER else ""


def phrased_answer(text: str) -> str:
    """What follows the last `answer is` or `answer:` where it is delimited mathematics or words without a digit.

    Empty where a number comes after it: then that number is what the text ends with.
    """
    phrases = list(PHRASE.finditer(text))
    if not phrases:
        return ""
    rest = text[phrases[-1].end() :]
    maths = DELIMITED.match(rest)
    while maths and (more := JOINS.match(rest, maths.end())):
        further = DELIMITED.match(rest, more.end())
        if further is None:
            break
        maths = further
    sentence_end = SENTENCE_END.search(rest)
    end = maths.end() if maths else sentence_end.start() if sentence_end else len(rest)
    if any(c.isdigit() for c in rest[end:]) or (not maths and any(c.isdigit() for c in rest[:end])):
        return ""
    return rest[:end].strip("* ")


def tidy(text: str) -> str:
    """The same answer without what only dresses it: spaces, math delimiters, a box, a final full stop."""
    text = ascii_text(text).replace(r"\!", "")
    text = SPACES.sub(" ", text).strip()
    changed = True
    while changed:
        before = text
        text = text.rstrip(". ").lstrip("= ")
        for left, right in WRAPPERS:
            inner = text[len(left) : len(text) - len(right)]
            if text.startswith(left) and text.endswith(right) and inner and left not in inner:
                text = inner.strip()
        if text.startswith((r"\boxed", r"\fbox")) and text.endswith("}"):
            text = (braced(text, 0) or text).strip()
        changed = text != before
    return standard(text)


def braced(text: str, start: int) -> str | None:
    """What the first `{...}` at or after `start` holds, nested braces included; None if it never closes."""
    first = text.find("{", start)
    if first < 0:
        return None
    depth = 0
    for sign in BRACES.finditer(text, first):
        depth += {"{": 1, "}": -1}.get(sign[0], 0)
        if depth == 0:
            return text[first + 1 : sign.start()]
    return None


def ascii_text(text: str) -> str:
    """Decimal digits of every script, full-width characters and signs that only look different, in ASCII.

    Invisible marks are dropped; superscripts and mathematical signs are kept.
    """
    if text.isascii():
        return text
    text = text.translate(LOOKALIKES)
    return "".join(str(unicodedata.decimal(c)) if c.isdecimal() else c for c in text)
