"""Numbers in English words: `seventy-two clips` is `72 clips`, `two and a half` is `5/2`."""

from __future__ import annotations

import itertools
import re
from fractions import Fraction

from repro.tasks.units import COUNTED_IN, CURRENCY_OF, SCALES, SYMBOL_OF

_SMALL = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
SMALL = {word: value for value, word in enumerate(f"{_SMALL} seventeen eighteen nineteen".split())}
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
TENS = {word: 10 * value for value, word in enumerate(_TENS, start=2)}
LARGE = {name: size for name, size in SCALES.items() if size >= 1000}
_PARTS = "third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth"
PARTS = {word: value for value, word in enumerate(_PARTS.split(), start=3)}
PARTS |= {"half": 2, "quarter": 4, "hundredth": 100, "thousandth": 1000}
"""What a word divides by."""
WORD = re.compile(r"[A-Za-z]+")
GAP = re.compile(r"\s|-")
GAP_BEHIND_THOUSANDS = re.compile(r",?\s")
ALONE = re.compile(r"(?:.*(?:\b(?:is|are|equals|only|just|exactly)|[=:])\s+)?", re.IGNORECASE | re.DOTALL)
"""What may stand before a lone `one`, which is a pronoun elsewhere: `the first one`, `no one`."""
COUNTS = [word for word, value in SMALL.items() if value > 1]
MIXED = re.compile(r"(\d+) and (?:(a|one) (half|third|quarter)|(two|three) (thirds|quarters|fourths))\b")
MIXED_FIGURES = re.compile(
    rf"(?<![\w.,/])(?P<whole>\d+|{'|'.join(COUNTS)}) (?:and|\\?&) "
    r"(?:(?P<top>\d+)\s?/\s?(?P<bottom>\d+)|\\[dt]?frac\s?\{(?P<a>\d+)\}\s?\{(?P<b>\d+)\})(?![\d.,/])"
)
"""A mixed number with its fraction in digits: `3 and 1/2`, `three and 1/2`."""
TWICE = re.compile(
    r"(?P<digits>\d+) \((?P<words>[A-Za-z][A-Za-z -]*)\)|(?P<before>[A-Za-z][A-Za-z -]*) \((?P<again>\d+)\)"
)
"""One number in both ways: `18 (eighteen)`, `eighteen (18)`."""


def in_digits(text: str) -> str:
    """The text with its numbers in digits, where it has no digit yet; else `3 and a half` as one number at most.

    A fraction is written `p/q`. The word `one` stays where it may be a pronoun, unless another number stands beside it.
    """
    if any(c.isdigit() for c in text):
        return MIXED_FIGURES.sub(_mixed_figures, MIXED.sub(_mixed, TWICE.sub(_once, text)))
    found = _numbers(text)
    if len(found) == 1 and not _is_number(text, *found[0][:2]):
        return text
    for start, end, value in reversed(found):
        text = f"{text[:start]}{value}{text[end:]}"
    return text


def _numbers(text: str) -> list[tuple[int, int, str]]:
    """(start, end, digits) of each number in words."""
    words = list(WORD.finditer(text))
    joined = [
        (GAP_BEHIND_THOUSANDS if a[0].lower() in LARGE else GAP).fullmatch(text, a.end(), b.start()) is not None
        for a, b in itertools.pairwise(words)
    ]
    found, place = [], 0
    while place < len(words):
        last = place
        while last < len(joined) and joined[last]:
            last += 1
        read = _read([word[0].lower() for word in words[place : last + 1]])
        if read is None:
            place += 1
            continue
        value, size = read
        found.append((words[place].start(), words[place + size - 1].end(), value))
        place += size
    return found


def _read(words: list[str]) -> tuple[str, int] | None:
    """The number that begins at the first word and the count of its words; None where there is none."""
    if words == ["half"]:
        return "1/2", 1
    if words[:2] == ["half", "a"] and words[2:3] and words[2] in COUNTED_IN:
        return str(Fraction(COUNTED_IN[words[2]], 2)), 3
    whole = _cardinal(words)
    if whole is None:
        return None
    value, size = whole
    rest = words[size:]
    if rest[:1] == ["point"]:
        digits = ""
        for word in rest[1:]:
            if SMALL.get(word, 10) > 9:
                break
            digits += str(SMALL[word])
        return (f"{value}.{digits}", size + 1 + len(digits)) if digits else (str(value), size)
    number = Fraction(value)
    part = _part(rest[0]) if rest else None
    if part is not None and rest[0].endswith("s") is (value != 1):
        return str(number / part), size + 1
    if len(rest) >= 3 and rest[0] == "and":
        top = 1 if rest[1] == "a" else SMALL.get(rest[1], 0)
        part = _part(rest[2])
        if part is not None and 0 < top < part and rest[2].endswith("s") is (top != 1):
            number, size = number + Fraction(top, part), size + 3
            if words[size : size + 1] and words[size] in SCALES:
                number, size = number * SCALES[words[size]], size + 1
    return str(number), size


def _cardinal(words: list[str]) -> tuple[int, int] | None:
    """The whole number that begins at the first word, such as `two thousand and five`, and the count of its words."""
    if words[:1] == ["a"] and words[1:2] and (words[1] in (*SCALES, "dozen") or _part(words[1]) is not None):
        return (1, 1) if words[1] not in SCALES else _scaled(1, words, 1)
    group = _below_hundred(words)
    if group is None:
        return _scaled(1, words, 0) if words[:1] and words[0] in SCALES else None
    return _scaled(*group[:1], words, group[1])


def _scaled(value: int, words: list[str], size: int) -> tuple[int, int]:
    """Goes on behind a first group with `hundred`, `thousand` and the groups that follow them."""
    total, limit = 0, max(LARGE.values()) * 1000
    while True:
        if words[size : size + 1] == ["hundred"]:
            value, size = value * 100, size + 1
            value, size = _added(value, words, size)
        scale = LARGE.get(words[size], 0) if size < len(words) else 0
        if not scale or scale >= limit:
            return total + value, size
        total, limit, size = total + value * scale, scale, size + 1
        value, after = _added(0, words, size)
        if after == size:
            return total, size
        size = after


def _added(value: int, words: list[str], size: int) -> tuple[int, int]:
    """A number below a hundred, perhaps behind `and`, added to a value."""
    start = size + (words[size : size + 1] == ["and"])
    group = _below_hundred(words[start:])
    if group is None or group[0] == 0:
        return value, size
    after = words[start + group[1] :]
    if start > size and after[:1] and _part(after[0]) is not None:  # `two hundred and three quarters`
        return value, size
    return value + group[0], start + group[1]


def _below_hundred(words: list[str]) -> tuple[int, int] | None:
    first = words[0] if words else ""
    if first in SMALL:
        return SMALL[first], 1
    if first not in TENS:
        return None
    second = SMALL.get(words[1], 0) if len(words) > 1 else 0
    return (TENS[first] + second, 2) if 0 < second < 10 else (TENS[first], 1)


def _part(word: str) -> int | None:
    return 2 if word == "halves" else PARTS.get(word.removesuffix("s"))


def _once(both: re.Match[str]) -> str:
    spelled = in_digits(both["words"] or both["before"])
    if both["digits"]:
        return both["digits"] if spelled == both["digits"] else both[0]
    return spelled if spelled.split()[-1] == both["again"] else both[0]


def _mixed(found: re.Match[str]) -> str:
    top = 1 if found[2] else SMALL[found[4]]
    return str(int(found[1]) + Fraction(top, _part(found[3] or found[5]) or 1))


def _mixed_figures(found: re.Match[str]) -> str:
    top, bottom = int(found["top"] or found["a"]), int(found["bottom"] or found["b"])
    whole = SMALL[found["whole"]] if found["whole"] in SMALL else int(found["whole"])
    return str(whole + Fraction(top, bottom)) if 0 < top < bottom else found[0]


def _is_number(text: str, start: int, end: int) -> bool:
    """Whether a word is the number that a text states, and no pronoun: any number but `one` is."""
    if text[start:end].lower() != "one":
        return True
    after = text[end:].strip(" .").lower().split()
    unit = not after or (len(after) == 1 and (after[0] in SYMBOL_OF or after[0] in (*CURRENCY_OF, "dozen")))
    return unit and ALONE.fullmatch(text[:start]) is not None
