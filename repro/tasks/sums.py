"""Takes sums that are worked out in a sentence for their results: `48 + 24 = 72 clips` is `72 clips`."""

from __future__ import annotations

import re
from fractions import Fraction

_NUMBER = r"\$?\d+(?:,\d{3})*(?:\.\d+)?"
_SIGN = r"\s?(?:[-+*/]|\\(?:times|cdot|div)(?![A-Za-z])|[xX](?=\s?\$?\d))\s?"
SUM = re.compile(rf"(?<![\w.,%^)]){_NUMBER}(?:{_SIGN}{_NUMBER}){{1,20}}\s?=\s?(?={_NUMBER}(?![\d.,]*\s?[-+*/=%^(\\]))")
TOKEN = re.compile(rf"{_NUMBER}|{_SIGN}")
RESULT = re.compile(_NUMBER)
WHOLE_SUM = re.compile(rf"{_NUMBER}(?:{_SIGN}{_NUMBER}){{0,20}}")
SHORT = {r"\times": "*", r"\cdot": "*", "x": "*", "X": "*", r"\div": "/"}


def without_sums(text: str) -> str:
    """The text with the result alone of each sum of plain numbers that is right; one that is wrong stays."""
    place = 0
    while found := SUM.search(text, place):
        result = RESULT.match(text, found.end())
        if result is not None and _value(found[0].rstrip("= ")) == _number(result[0]):
            text = text[: found.start()] + text[found.end() :]
            place = found.start() + 1
        else:
            place = found.end()
    return text


def value_of(text: str) -> Fraction | None:
    """The value of a number or of a sum of plain numbers (`36 + 36`); None where a text is anything else."""
    text = text.strip()
    return _value(text) if WHOLE_SUM.fullmatch(text) else None


def _value(expression: str) -> Fraction | None:
    """The value of numbers between + - * /, products first; None where it divides by zero."""
    terms: list[Fraction] = []
    sign = "+"
    for token in TOKEN.findall(expression):
        if token[0] not in "$0123456789":
            sign = SHORT.get(token.strip(), token.strip())
        elif sign == "/" and not _number(token):
            return None
        elif sign in "*/":
            terms[-1] *= _number(token) if sign == "*" else 1 / _number(token)
        else:
            terms.append(_number(token) if sign == "+" else -_number(token))
    return sum(terms, Fraction())


def _number(text: str) -> Fraction:
    return Fraction(text.lstrip("$").replace(",", ""))
