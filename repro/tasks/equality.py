"""Comparing two answers by text and exact numbers, and telling which pairs are worth asking algebra about."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from repro.tasks.answers import BRACES
from repro.tasks.final_number import DELIMITED, NUMBER
from repro.tasks.units import CHANGES, CHANGES_OF, COPULAS, HEDGES, IN_RATIOS, LONGEST_UNIT, NO_UNIT, SCALES, SYMBOLS

LONGEST_NUMBER = 4000
"""Characters; longer runs of digits are compared as text (Python itself refuses to read integers past 4,300)."""
ROUNDING = 6
"""Decimals from which two unequal numbers may still be one rounded value; math-verify rounds to as many."""
CLOSE = Fraction(1, 1000)
"""Relative difference beyond which they may not: 0.0000004 is no rounded 0.0000001."""

DIGITS = r"(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,2})?"
CURRENCY = r"(?:\\?[$€£¥₹]\s?)?"
THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
SPACED_THOUSANDS = re.compile(r"(?<![\d.])\d{1,3}(?: \d{3})+(?![\d,/])")
DEGREES = re.compile(r"\s?\^\s?\{?\s?\\circ\s?\}?\s?(?:[CF]\.?)?$")
_POWER = r"(?:\^\s?\{?\s?-?[1-4]\s?\}?)?"
_RATIO = "(?:" + "|".join(sorted(IN_RATIOS, key=len, reverse=True)) + ")" + _POWER
_SYMBOL = "(?:" + "|".join(sorted(SYMBOLS, key=len, reverse=True)) + r")(?![A-Za-z])" + _POWER
_PER = rf"\s?/\s?(?:{_RATIO}(?![A-Za-z])|[A-Za-z]{{3,}}\.?)"
UNIT_WORD = rf"(?:{_RATIO}{_PER}|[A-Za-z][A-Za-z.]+{_POWER}(?:{_PER})?)"
GLUED_UNIT = rf"(?:{_RATIO}{_PER}|{_SYMBOL}(?:{_PER})?)"
QUANTITY = re.compile(
    rf"(?P<sign>[+-]?)\s?{CURRENCY}(?:(?P<whole>\d+)?\s?\\[dt]?frac\{{(?P<a>{DIGITS})\}}\{{(?P<b>{DIGITS})\}}"
    rf"|(?:(?P<apart>\d+)\s(?=\d+\s?/))?(?P<top>{DIGITS})(?:\s?/\s?(?P<bottom>{DIGITS}))?)"
    rf"\s?{CURRENCY}(?P<percent>%?)(?P<unit>(?:{GLUED_UNIT}|\s{UNIT_WORD})?(?:\s{UNIT_WORD})*)"
)
# Names that stand in formulas; any other word makes an answer prose, where algebra finds numbers nobody stated.
FUNCTIONS = {"sqrt", "pi", "sin", "cos", "tan", "cot", "log", "ln", "exp", "mod"}
POINTS = re.compile(r"[A-Z]{2,4}")
TEXT = re.compile(r"\\(?:text|textbf|textit|textrm|mathrm|mathbf|mathit|mbox|operatorname)\s?\{([^{}]*)\}")
COMMAND = re.compile(r"\\(?:text|mathrm|mbox|textbf)\s?\{[^{}]*\}|\\[A-Za-z]+")
SAYING = re.compile(r"[A-Za-z][\w ,'’:()-]*[\s:]", re.ASCII)
LIST = re.compile(r",|;|\\pm|\\cup|\b(?:and|or)\b")
POSED = re.compile(r"\\(?:sum|int|iint|oint|prod|lim)(?![A-Za-z])")
GOES_ON = re.compile(r"\\(?:ldots|cdots|dots|dotsc|dotsb)(?![A-Za-z])|\.\.\.|…")
AFTER_UNIT = re.compile(r"\^\s?\{?\s?-?\d\s?\}?")
BASE = re.compile(r"\d_\{?(\d+)")
SIDE_BY_SIDE = re.compile(r"(?<!frac )(?<![_^])\d(?:\s|\\q?quad)+\d")
PROSE = re.compile(r"[^\W\d_][^\W\d_ .,'’()-]*(?:[ .,'’()-]+[^\W\d_]+)*[ .)]*")
LETTERS = re.compile(r"\\(?:text|mathrm|mbox)\s?\{[^{}]*[A-Za-z]{3}|^[^\\{}^_=]*[A-Za-z]{3}[^\\{}^_=]*$")
CHOICE = re.compile(r"\(?[A-J]\)?\.?")
CHOSEN = re.compile(
    r"(?i:[a-z ]{0,40}\b(?:answer|option|choice)(?: is)?:? )?"
    r"(?:\\text(?:bf)?\s?\{)?\(?([A-J])(?:\)|\b)(?:[.:)}](?:.*)?)?",
    re.DOTALL,
)
FILLERS = {"the", "a", "an", "about", "roughly", "approximately", "exactly", "number"}
JOINING = {"of": CHANGES_OF, "to": {"up", "close", "power"}, "by": {"divided", "multiplied"}}
"""Words between a number and the word that changes it."""
NAMED = re.compile(r"[A-Za-z]+(?: [A-Za-z]+){0,2} ?= ?(?P<value>[^=]+)")


@dataclass(frozen=True)
class Quantity:
    """An exact number as written: `decimals` digits after the point, perhaps a percent sign or a unit in words."""

    value: Fraction
    decimals: int
    percent: bool
    unit: str


def quantity(text: str) -> Quantity | None:
    """The tidied answer as an exact number, or None if it is more than a number with a sign, percent or unit.

    A proper fraction beside a whole number is a mixed number, as in print: `3 1/2` and `3\\frac{1}{2}` are 3.5.
    """
    if len(text) > LONGEST_NUMBER:
        return None
    # A letter alone is a unit only where it is written as text: `5 m` may be a product.
    text = TEXT.sub(lambda word: f" {word[1]}." if len(word[1].strip()) == 1 else f" {word[1]}", text)
    text = DEGREES.sub("", text.replace("{,}", ",").replace(r"\%", "%"))
    text = THOUSANDS.sub("", re.sub(r"\s+", " ", text).strip())
    text = SPACED_THOUSANDS.sub(lambda number: number[0].replace(" ", ""), text)
    match = QUANTITY.fullmatch(text)
    if match is None:
        return None
    unit = match["unit"].strip(" .").lower()
    percent = match["percent"] == "%" or unit == "percent"
    words = unit.replace(".", " ").split()
    scale = SCALES.get(words[0], 1) if words else 1
    if scale != 1:
        words = words[1:]
        unit = " ".join(words)
    if len(words) > LONGEST_UNIT or NO_UNIT.intersection(words):
        return None
    top, bottom = match["a"] or match["top"], match["b"] or match["bottom"] or "1"
    whole = match["whole"] or match["apart"]
    if not Fraction(bottom):
        return None
    value = Fraction(top) / Fraction(bottom)
    if whole is not None:
        if value >= 1:
            return None
        value += int(whole)
    value *= scale
    decimals = max(len(part.partition(".")[2]) for part in (top, bottom))
    return Quantity(-value if match["sign"] == "-" else value, decimals, percent, "" if unit == "percent" else unit)


def stated_number(sentence: str) -> str:
    """The one number of a short sentence (`Natalia sold 72 clips`) with its unit; "" where it states none plainly.

    That is where a word takes it back or changes it, where there is another number, or where prose goes on behind it.
    """
    found = [match.span() for match in DELIMITED.finditer(sentence)]
    found += [
        match.span()
        for match in NUMBER.finditer(sentence)
        if not any(start <= match.start() < end for start, end in found)
    ]
    if len(found) != 1:
        return ""
    ((start, end),) = found
    before, after = sentence[:start], sentence[end:]
    words = words_of(before)
    if SAYING.fullmatch(before) is None or HEDGES.intersection(words) or changes_what_follows(words):
        return ""
    return sentence[start:end] + after


def changes_what_follows(words: Sequence[str]) -> bool:
    """Do words say that a number behind them is another value: `minus`, `half of`, `up to`, `divided by`?"""
    last = [word for word in words if word not in FILLERS][-2:]
    if len(last) == 2 and last[1] in JOINING:
        return last[0] in JOINING[last[1]]
    return bool(last) and last[-1] in CHANGES


def is_formula(answer: str) -> bool:
    """Whether an answer could be the value of a number: it has a digit, and no word but names of functions and points.

    Points: up to four capital letters, as in `m\\angle ABC = 90`.
    """
    words = [word for word in re.findall(r"[A-Za-z]{2,}", COMMAND.sub(" ", answer)) if not POINTS.fullmatch(word)]
    return any(c.isdigit() for c in answer) and {word.lower() for word in words} <= FUNCTIONS


def is_prose(gold: str) -> bool:
    """Whether a gold answer is words: algebra would read `Tuesday` as a product of seven letters, in any order."""
    plain = TEXT.sub(r"\1", gold).strip()
    if PROSE.fullmatch(plain.lstrip("(")) is None:
        return False
    return plain != gold or max(map(len, words_of(gold)), default=0) > 3


def words_of(answer: str) -> list[str]:
    """The words of an answer in lower case, inside `\\text{}` and outside; LaTeX commands are none."""
    plain = re.sub(r"\\[A-Za-z]+", " ", TEXT.sub(r" \1 ", answer))
    return re.findall(r"[^\W\d_]+", plain.lower())


def same_words(gold: str, answer: str) -> bool:
    """Do two answers read the same but for case, spaces, brackets and `\\text{}`?"""
    left, right = (re.findall(r"[^\W_]+|[^\s\w().'’-]", TEXT.sub(r" \1 ", text).lower()) for text in (gold, answer))
    return left == right


def worth_asking(gold: str, answer: str) -> bool:
    """May algebra judge the answer? Not where it hedges, poses the problem again, or reads other than it looks.

    math-verify drops text after a formula (`\\sqrt{2} \\text{ or not}`), adds numbers that stand side by side, computes
    a sum that the question asked for, and ignores the base of a number, an ellipsis, and a second formula after text.
    """
    if any(unicodedata.category(c) in ("Cc", "Cf", "Co", "Cs") for c in answer):
        return False
    depth = 0
    for sign in BRACES.finditer(answer):
        depth += {"{": 1, "}": -1}.get(sign[0], 0)
        if depth < 0:
            return False
    if depth:
        return False
    added = (NO_UNIT - FUNCTIONS - COPULAS).intersection(words_of(answer)).difference(words_of(gold))
    if added - {"and", "or"} or (added and LIST.search(gold) is None):
        return False
    if any(len(said.split()) > LONGEST_UNIT for said in TEXT.findall(answer)):
        return False
    if BASE.search(answer) and BASE.findall(answer) != BASE.findall(gold):
        return False
    if LIST.search(gold) is None and not ends_with_unit(answer):
        return False
    return not any(pattern.search(answer) and not pattern.search(gold) for pattern in (POSED, GOES_ON, SIDE_BY_SIDE))


def ends_with_unit(answer: str) -> bool:
    """Is what follows a text inside an answer no formula again? math-verify reads the first of the two only."""
    for said in TEXT.finditer(answer):
        rest = AFTER_UNIT.sub("", TEXT.sub("", answer[said.end() :]))
        if answer[: said.start()].strip() and any(c.isalnum() for c in rest):
            return False
    return True


def quick_equal(gold: str, answer: str) -> bool | None:
    """Whether two tidied answers are equal where text and exact numbers can tell; None where algebra is needed.

    Leading zeros, thousands separators, currency signs and a unit on one side only do not matter; `50%` equals 50 and
    1/2, as it does for math-verify. Prose never equals a number: `1 is 10% x 40 = 5` states none. Words equal the
    same words only.
    """
    if not answer:
        return False
    if gold == answer:
        return True
    if CHOICE.fullmatch(gold):
        chosen = CHOSEN.fullmatch(answer)
        return chosen is not None and chosen[1] == gold.strip("(). ") and not HEDGES.intersection(words_of(answer))
    if is_prose(gold) or (LETTERS.search(gold) and LETTERS.search(answer) and same_words(gold, answer)):
        return same_words(gold, answer)
    left, right = quantity(gold), quantity(answer)
    if left is not None and right is None:
        named = NAMED.fullmatch(answer)
        if named is not None and not HEDGES.intersection(words_of(answer)):
            return quick_equal(gold, named["value"])
        stated = stated_number(answer)
        if stated:
            return quick_equal(gold, stated)
    if left is None or right is None:
        formula = left is None or (is_formula(answer) and not COPULAS.intersection(words_of(answer)))
        return None if formula and worth_asking(gold, answer) else False
    if left.unit and right.unit and left.unit != right.unit:
        return False
    ratio = {left.value}
    if left.percent != right.percent:
        ratio |= {left.value / 100 if left.percent else left.value * 100}
    if right.value in ratio:
        return True
    near = any(abs(right.value - value) <= CLOSE * max(abs(right.value), abs(value)) for value in ratio)
    return None if near and max(left.decimals, right.decimals) >= ROUNDING else False
