"""Comparing two answers by text and exact numbers, where these can tell."""

from __future__ import annotations

import re
from fractions import Fraction

from repro.tasks.askable import FUNCTIONS, words_of, worth_asking
from repro.tasks.choices import same_choice
from repro.tasks.dates import same_date, same_time
from repro.tasks.final_number import DELIMITED, DENIED_AFTER, NUMBER
from repro.tasks.number_words import in_digits
from repro.tasks.quantities import TEXT, Quantity, is_below_one, quantity, with_decimal_comma
from repro.tasks.refusals import refuses, same_nothing
from repro.tasks.several import listed, same_list, same_ratio
from repro.tasks.sums import without_sums
from repro.tasks.two_units import in_one_unit
from repro.tasks.units import (
    CHANGES,
    COPULAS,
    HEDGES,
    IN_RATIOS,
    NO_UNIT,
    changes_what_follows,
    is_degrees,
    is_measure,
    same_unit,
)

ROUNDING = 6
"""Decimals from which two unequal numbers may still be one rounded value; math-verify rounds to as many."""
CLOSE = Fraction(1, 1000)
"""Relative difference beyond which they may not: 0.0000004 is no rounded 0.0000001."""

POINTS = re.compile(r"[A-Z]{2,4}")
COMMAND = re.compile(r"\\(?:text|mathrm|mbox|textbf)\s?\{[^{}]*\}|\\[A-Za-z]+")
SAYING = re.compile(r"[^\W\d][\w ,'’:()-]*[\s:是为は은]")
CONSTANT = re.compile(r"\\(?:pi|ln|log)(?![A-Za-z])")
PROSE = re.compile(r"[^\W\d_][^\W\d_ .,'’()-]*(?:[ .,'’()-]+[^\W\d_]+)*[ .)]*")
LETTERS = re.compile(r"\\(?:text|mathrm|mbox)\s?\{[^{}]*[A-Za-z]{3}|^[^\\{}^_=]*[A-Za-z]{3}[^\\{}^_=]*$")
NAMED = re.compile(r"[A-Za-z]+(?: [A-Za-z]+){0,9} ?= ?(?P<value>[^=]+)")
ALTERNATIVES = re.compile(r",?\s(?:or|\\text\s?\{\s*or\s*\})\s")
IN_BRACKETS = re.compile(r"\(\s?([^()]+?)\s?\)\s*\Z")
SPELLED = re.compile(r"[a-z]{3,}\s\Z")
TAIL = re.compile(
    r"((?:\s[A-Za-z]+){0,3}?)\s(?:in|on|at|for|from|during|after|before|altogether|left|each|per|with|of)\b[^\d\\$]*"
)
"""What may go on behind a number and its unit: `72 clips in April and May`."""
TAKES_BACK = HEDGES - {"and", "any", "then", "if"} | NO_UNIT - HEDGES | CHANGES | {"percent", "base", "square", "cube"}
DOUBTS = re.compile("[不非没或]")
NOT_OTHER = re.compile(r"(?<=[\w%])(?:,? (?:and )?not \\?\$?\d[\d,.]*| \(not \\?\$?\d[\d,.]*\))\Z")
"""What only denies another number at the end: `72, not 96`."""
DENIES = re.compile(r"n['’]t\b|\bcannot\b|\bnever\b", re.IGNORECASE)
"""What before a number says that it is not this one, as `not` does: `isn't 72`, `it cannot be 72`."""
OPENING = re.compile(
    r"(?:there (?:is|are)|it(?:[ ’']i?s| was)|on(?: an?)?|(?:the )?answer(?: is|:))\s+(?=\S)", re.IGNORECASE
)
"""What may stand before words that are the answer: `there is no solution`, `on Monday`."""
YES_OR_NO = re.compile(
    r"(?P<word>yes|no)[,.;:!]? (?:it|that|this|they|he|she|there|you|we|I) "
    r"(?:is|are|was|were|does|do|did|can|could|will|would|has|have|had)(?P<negated> not|n['’]t|not)?[. ]*",
    re.IGNORECASE,
)
"""A short answer with the sentence that repeats it: `Yes, it is`, `No, they do not`."""
ORDINAL = re.compile(r"(?<=\d)(?:st|nd|rd|th)\b")
NEGATIVE = re.compile(
    r"(?:(?<=\bis )|(?<=\bare )|(?<=\bequals )|(?<=[=:] )|^)(?:minus|negative) (?=\$?\d)", re.IGNORECASE
)
"""A sign in words before a number; what stands before `3 minus 5` is no sign."""
SCALED = re.compile(
    r"(?P<sign>\\?[$€£¥₹]\s?)(?P<digits>\d+(?:,\d{3})*(?:\.\d+)?)\s?(?P<letter>[kKmMbB]|[bmt]n)(?![A-Za-z])"
    r"|(?<![\w.,])(?P<bare>\d+(?:\.\d+)?)(?:(?P<k>k)(?![A-Za-z])|\s?\\text\s?\{\s?(?P<text>k)\s?\})"
)
SCALE_OF = {"k": "thousand", "m": "million", "b": "billion", "t": "trillion"}
"""What a letter multiplies an amount of money by, or any number in the case of `k`."""
LATEX = re.compile(r"\\(?!text)[A-Za-z]")
NO_MEANING = re.compile(
    r"(?<![A-Za-z\d])\s|\s(?![A-Za-z\d])|(?<=[A-Za-z]) (?=\d)|(?<=\d) (?=[A-Za-z])|(?<=\b[a-z]) (?=[a-z]\b)"
)
ONE_IN_BRACES = re.compile(r"(?<=[\^_]){(\w)}")
LETTER_UNIT = re.compile(r"(?<=\d)\s?([A-Za-z]|[A-Za-z]{1,3}(?:(?:\s|\s?\\cdot\s?)[A-Za-z]{1,3})+)\Z")
"""Letters behind a number: factors, or a unit where the other answer has one."""


def stated_number(sentence: str) -> str:
    """The one number of a short sentence (`Natalia sold 72 clips`) with its unit; "" where it states none plainly.

    That is where a word takes it back or changes it, where there is another number, or where prose goes on behind it.
    """
    said = TEXT.sub(r" \1 ", sentence).strip()
    if refuses(said):
        return ""
    sentence = without_sums(NOT_OTHER.sub("", said))
    if (again := IN_BRACKETS.search(sentence)) and SPELLED.search(sentence[: again.start()]):
        spelled = in_digits(sentence[: again.start()])
        if any(c.isdigit() for c in spelled):  # `six (5)`
            return ""
        sentence = f"{sentence[: again.start()]} {again[1]}"  # `the number of clips (72)`, and no `f(72)`
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
    if before and SAYING.fullmatch(before) is None:
        return ""
    if HEDGES.intersection(words) or changes_what_follows(words) or DOUBTS.search(sentence):
        return ""
    if DENIES.search(before) or DENIED_AFTER.match(after):
        return ""
    tail = TAIL.fullmatch(after)
    if tail is not None and not TAKES_BACK.intersection(words_of(after)):
        return sentence[start:end] + tail[1]
    return sentence[start:end] + after if before or sentence != said else ""


def is_formula(answer: str) -> bool:
    """Whether an answer could be the value of a number.

    It has a digit, a pi or a logarithm, and no word but names of functions and points.

    Points: up to four capital letters, as in `m\\angle ABC = 90`.
    """
    if any(c.isalpha() and not c.isascii() for c in answer):
        return False
    words = [word for word in re.findall(r"[A-Za-z]{2,}", COMMAND.sub(" ", answer)) if not POINTS.fullmatch(word)]
    has_value = any(c.isdigit() for c in answer) or CONSTANT.search(answer) is not None
    return has_value and {word.lower() for word in words} <= FUNCTIONS


def is_prose(gold: str) -> bool:
    """Whether a gold answer is words: algebra would read `Tuesday` as a product of seven letters, in any order."""
    plain = TEXT.sub(r"\1", gold).strip()
    if PROSE.fullmatch(plain.lstrip("(")) is None:
        return False
    return plain != gold or max(map(len, words_of(gold)), default=0) > 3


def same_words(gold: str, answer: str) -> bool:
    """Do two answers read the same but for case, spaces, brackets and `\\text{}`?"""
    gold, answer = (OPENING.sub("", TEXT.sub(r" \1 ", text).strip()) for text in (gold, answer))
    plain = (ORDINAL.sub("", TEXT.sub(r" \1 ", text).lower()) for text in (gold, answer))
    left, right = (re.findall(r"[^\W_]+|[^\s\w().'’-]", text) for text in plain)
    return len(left) == len(right) and all(
        a == b or (min(len(a), len(b)) > 3 and a.isalpha() and (a == f"{b}s" or b == f"{a}s"))
        for a, b in zip(left, right, strict=True)
    )


def quick_equal(gold: str, answer: str) -> bool | None:
    """Whether two tidied answers are equal where text and exact numbers can tell; None where algebra is needed.

    Leading zeros, thousands separators, currency signs and a unit on one side only do not matter; `50%` equals 50 and
    1/2, as it does for math-verify. Prose never equals a number: `1 is 10% x 40 = 5` states none. Words equal the
    same words only.
    """
    if not answer:
        return False
    if gold == answer or (LATEX.search(gold) and _compact(gold) == _compact(answer)):
        return True
    for same in (same_choice, same_time, same_date, same_ratio):
        if (verdict := same(gold, answer)) is not None:
            return verdict
    if (verdict := same_nothing(*(TEXT.sub(r" \1 ", text).strip() for text in (gold, answer)))) is not None:
        return verdict
    said = YES_OR_NO.fullmatch(answer) if gold.lower() in ("yes", "no") else None
    if said is not None:
        return said["word"].lower() == gold.lower() and (said["negated"] is None) == (gold.lower() == "yes")
    if is_prose(gold) or (LETTERS.search(gold) and LETTERS.search(answer) and same_words(gold, answer)):
        return same_words(gold, answer)
    left, right = quantity(gold), quantity(answer)
    if left is not None and left.unit and right is None:
        right = quantity(LETTER_UNIT.sub(_unit_in_text, answer))
    if right is not None and is_measure(right.unit) and left is None:
        left = quantity(LETTER_UNIT.sub(_unit_in_text, gold))
    if left is not None and right is None and (left.decimals or is_below_one(answer)):
        right = with_decimal_comma(answer)
        if right is not None and left.decimals and right.value != left.value:
            return False
    if left is not None and right is None:
        for written in (answer, " ".join(TEXT.sub(r" \1 ", answer).split())):
            if (figures := as_figures(written)) != written:
                return quick_equal(gold, figures)
    if left is not None and right is None:
        several = ALTERNATIVES.split(answer)
        if len(several) == 2:
            return all(quick_equal(gold, one) for one in several)  # `3/8, or 0.375`
        named = NAMED.fullmatch(answer)
        if named is not None and not HEDGES.intersection(words_of(answer)):
            return quick_equal(gold, named["value"])
        stated = stated_number(answer)
        if stated:
            return quick_equal(gold, stated)
    if left is None and (verdict := _same_numbers(gold, answer)) is not None:
        return verdict
    if left is None or right is None:
        formula = left is None or (is_formula(answer) and not COPULAS.intersection(words_of(answer)))
        return None if formula and worth_asking(gold, answer) else False
    return same_quantity(left, right)


def _same_numbers(gold: str, answer: str) -> bool | None:
    """Two lists of numbers, in any order and with or without units; None where algebra has to tell."""
    if (verdict := same_list(gold, answer)) is not None:
        return verdict
    ours, theirs = listed(gold), listed(answer)
    if ours is None or theirs is None or len(ours) != len(theirs):
        return None
    pairs = zip(*(sorted(ones, key=lambda one: one.value) for ones in (ours, theirs)), strict=True)
    return all(same_quantity(a, b) for a, b in pairs) or None


def _unit_in_text(letters: re.Match[str]) -> str:
    words = letters[1].replace(r"\cdot", " ").split()
    return rf" \text{{{' '.join(words)}}}" if len(words) == 1 or IN_RATIOS.issuperset(words) else letters[0]


def as_figures(answer: str) -> str:
    """An answer with its numbers written in digits, a minus for `negative`, and `$1.2k` written out."""
    answer = in_one_unit(SCALED.sub(_scaled, in_digits(answer)))
    return NEGATIVE.sub("-", answer)


def _scaled(amount: re.Match[str]) -> str:
    letter = amount["letter"] or amount["k"] or amount["text"]
    return f"{amount['sign'] or ''}{amount['digits'] or amount['bare']} {SCALE_OF[letter.lower()[0]]}"


def _compact(text: str) -> str:
    """LaTeX without the spaces and braces that change nothing."""
    return ONE_IN_BRACES.sub(r"\1", NO_MEANING.sub("", text))


def same_kind(left: Quantity, right: Quantity) -> bool:
    """May two numbers count the same thing, by their units and currencies? One that names none may count anything."""
    if left.currency and right.currency:
        return left.currency == right.currency or {left.currency, right.currency} == {"dollar", "cent"}
    if left.currency or right.currency:
        return not (left.percent or right.percent) and not is_measure(left.unit if right.currency else right.unit)
    if left.percent != right.percent:
        unit = right.unit if left.percent else left.unit
        return not (is_degrees(unit) or is_measure(unit))
    return not (left.unit and right.unit) or same_unit(left.unit, right.unit)


def same_quantity(left: Quantity, right: Quantity) -> bool | None:
    """Are two numbers equal, percent signs and units considered? None where one may be the other, rounded."""
    if not same_kind(left, right):
        return False
    ratio = {left.value}
    if {left.currency, right.currency} == {"dollar", "cent"}:
        ratio = {left.value * 100 if left.currency == "dollar" else left.value / 100}
    if left.percent != right.percent:
        ratio |= {left.value / 100 if left.percent else left.value * 100}
    if right.value in ratio:
        return True
    near = any(abs(right.value - value) <= CLOSE * max(abs(right.value), abs(value)) for value in ratio)
    return None if near and max(left.decimals, right.decimals) >= ROUNDING and abs(left.value) > CLOSE else False
