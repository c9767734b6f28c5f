"""Which pairs of answers algebra may judge: math-verify does not see all that is written."""

from __future__ import annotations

import re
import unicodedata

from repro.tasks.answers import BRACES
from repro.tasks.quantities import TEXT
from repro.tasks.units import COPULAS, LONGEST_UNIT, NO_UNIT

FUNCTIONS = {"sqrt", "pi", "sin", "cos", "tan", "cot", "log", "ln", "exp", "mod"}
"""Names that stand in formulas; any other word makes an answer prose, where algebra finds numbers nobody stated."""
LIST = re.compile(r",|;|\\pm|\\cup|\b(?:and|or)\b")
RATIO = re.compile(r"\d\s?:\s?\d")
MINUTES = re.compile(r"\d\s?(?:['′″]|\^\s?\{?\s?\\prime)")
PRIMES = re.compile(r"(?<=[A-Za-z)}])(?:['′]|\^\s?\{?\s?\\prime)|(?<=['′])['′]|(?<=\\prime)\s?\\prime")
"""Signs of derivatives and of other points: `f'(x)`, `A'`."""
POSED = re.compile(r"\\(?:sum|int|iint|oint|prod|lim)(?![A-Za-z])")
GOES_ON = re.compile(r"\\ldots(?![A-Za-z])|\.\.\.|…")
AFTER_UNIT = re.compile(r"\^\s?\{?\s?-?\d\s?\}?")
BASE = re.compile(r"\d_\{?(\d+)")
SIDE_BY_SIDE = re.compile(r"(?<!frac )(?<![_^])\d(?:\s|\\q?quad)+\d")


def words_of(answer: str) -> list[str]:
    """The words of an answer in lower case, inside `\\text{}` and outside; LaTeX commands are none."""
    plain = re.sub(r"\\[A-Za-z]+", " ", TEXT.sub(r" \1 ", answer))
    return re.findall(r"[^\W\d_]+", plain.lower())


def worth_asking(gold: str, answer: str) -> bool:
    """May algebra judge the answer? Not where it hedges, poses the problem again, or reads other than it looks.

    math-verify drops text after a formula (`\\sqrt{2} \\text{ or not}`), adds numbers that stand side by side, computes
    a sum that the question asked for, divides the sides of a ratio, and ignores the base of a number, an ellipsis, a
    prime, a sign of minutes, and a second formula after text.
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
    if RATIO.search(gold) and answer.isdecimal():
        return False
    added = (NO_UNIT - FUNCTIONS - COPULAS - {"e"}).intersection(words_of(answer)).difference(words_of(gold))
    if added - {"and", "or"} or (added and LIST.search(gold) is None):
        return False
    if any(len(said.split()) > LONGEST_UNIT for said in TEXT.findall(answer)):
        return False
    if BASE.search(answer) and BASE.findall(answer) != BASE.findall(gold):
        return False
    if bool(GOES_ON.search(gold)) != bool(GOES_ON.search(answer)) or _primes(gold, answer) != _primes(answer, gold):
        return False
    if LIST.search(gold) is None and not ends_with_unit(answer):
        return False
    added_signs = (POSED, SIDE_BY_SIDE, RATIO, MINUTES)
    return not any(pattern.search(answer) and not pattern.search(gold) for pattern in added_signs)


def _primes(text: str, other: str) -> int:
    """Primes of a text; of an equation beside a value, those of its last side."""
    side = text if "=" in other else text.rpartition("=")[2]
    return len(PRIMES.findall(side))


def ends_with_unit(answer: str) -> bool:
    """Is what follows a text inside an answer no formula again? math-verify reads the first of the two only."""
    for said in TEXT.finditer(answer):
        rest = AFTER_UNIT.sub("", TEXT.sub("", answer[said.end() :]))
        if answer[: said.start()].strip() and any(c.isalnum() for c in rest):
            return False
    return True
