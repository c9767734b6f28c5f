"""Answers of several parts that exact numbers and text can tell apart: ratios of three terms, lists with repeats."""

from __future__ import annotations

import re
from collections import Counter
from fractions import Fraction

from repro.tasks.quantities import THOUSANDS, Quantity, quantity

OPENING, CLOSING = "([{", ")]}"
COMMAND = re.compile(r"\\[A-Za-z]+")
PROSE = re.compile(r"[^\W\d_]{3}")
SPACES = re.compile(r"\s+|\\[ ,;!]|(?<=\\[,;:!])")
AND = re.compile(r"\s*,?\s*(?:\\text\s?\{\s*and\s*\}|\band\b)\s*")
NEXT = re.compile(r",(?!\d{3}(?!\d))\s*(?:and\s+)?|,\s+(?:and\s+)?|;\s*|\s+and\s+|,?\s*\\text\s?\{\s*,?\s*and\s*\}\s*")
"""What parts two items of a list: `1,000, 2,000` has two."""


def same_ratio(gold: str, answer: str) -> bool | None:
    """Are two ratios of three terms or more the same? None where the gold answer is no such ratio.

    `4:6:8` is `2:3:4`, in this order of the terms; math-verify would divide one after the other.
    """
    terms = parted(gold, ":")
    if len(terms) < 3 or PROSE.search(COMMAND.sub(" ", gold)):
        return None
    given = parted(answer, ":")
    if len(given) != len(terms):
        return False
    ours, theirs = [_number(term) for term in terms], [_number(term) for term in given]
    numbers = [(a, b) for a, b in zip(ours, theirs, strict=True) if a is not None and b is not None]
    if len(numbers) < len(terms):
        return [SPACES.sub("", term) for term in terms] == [SPACES.sub("", term) for term in given]
    first = numbers[0]
    return all(a * first[1] == b * first[0] and (a == 0) == (b == 0) for a, b in numbers)


def same_list(gold: str, answer: str) -> bool | None:
    """Are two lists the same where a part comes more than once in the gold one? None where it has no such part.

    math-verify compares sets: `1, 2, 2` would be `1, 1, 2`.
    """
    parts, given = ([SPACES.sub("", part) for part in parted(_with_commas(text), ",")] for text in (gold, answer))
    if len(parts) < 2 or len(set(parts)) == len(parts) or "" in parts or "\\ldots" in parts:
        return None
    return Counter(map(_canonical, parts)) == Counter(map(_canonical, given))


def listed(text: str) -> list[Quantity] | None:
    """The numbers of a list of two or more with their units; None where a part is none."""
    found = [quantity(part.strip()) for part in NEXT.split(text)]
    return [one for one in found if one is not None] if len(found) > 1 and None not in found else None


def parted(text: str, sign: str) -> list[str]:
    """The parts of a text between signs that stand outside all brackets."""
    parts, depth = [""], 0
    for place, character in enumerate(text):
        escaped = place and text[place - 1] == "\\"
        depth += (character in OPENING) - (character in CLOSING)
        if character == sign and depth == 0 and not escaped:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts]


def _with_commas(text: str) -> str:
    """A list with nothing but commas between its items and none inside them."""
    return AND.sub(",", THOUSANDS.sub("", text))


def _number(term: str) -> Fraction | None:
    found = quantity(term)
    return None if found is None or found.unit or found.percent or found.currency else found.value


def _canonical(part: str) -> str | Fraction:
    number = _number(part)
    return part if number is None else number
