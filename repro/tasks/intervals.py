r"""Inequalities of one variable written as intervals: `2 < x \leq 5` is `(2,5]`, `x < -1 or x > 3` a union of two."""

from __future__ import annotations

import re

LESS, MORE = r"<|\\leq(?![A-Za-z])", r">|\\geq(?![A-Za-z])"
SIDE = r"[^<>=,;]{1,60}?"
NAME = r"(?P<name>[A-Za-z]|\\theta)"
ONE = re.compile(rf"\s*{NAME}\s*(?P<order>{LESS}|{MORE})\s*(?P<bound>{SIDE})\s*")
TURNED = re.compile(rf"\s*(?P<bound>{SIDE})\s*(?P<order>{LESS}|{MORE})\s*{NAME}\s*")
BETWEEN = re.compile(
    rf"\s*(?P<low>{SIDE})\s*(?P<first>{LESS})\s*{NAME}\s*(?P<second>{LESS})\s*(?P<high>{SIDE})\s*"
    rf"|\s*(?P<above>{SIDE})\s*(?P<third>{MORE})\s*(?P<same>[A-Za-z]|\\theta)\s*(?P<fourth>{MORE})\s*(?P<below>{SIDE})\s*"
)
WITHIN = re.compile(rf"\s*{NAME}\s*\\in(?![A-Za-z])\s*(?P<set>[\[(\\].*)", re.DOTALL)
OR = re.compile(r"\\text\s?\{\s*or\s*\}|\bor\b|\\lor(?![A-Za-z])|\\cup(?![A-Za-z])")
INTERVALS = re.compile(r"[\[(][^\[\]();]*,[^\[\]();]*[\])](?:\s*\\cup\s*[\[(][^\[\]();]*,[^\[\]();]*[\])])*")
RELATION = re.compile(rf"{LESS}|{MORE}")


def as_intervals(answer: str) -> tuple[str, str] | None:
    """(variable, intervals) of a tidied answer that is an inequality or says what a variable is in; None otherwise."""
    if (within := WITHIN.fullmatch(answer)) is not None:
        return within["name"], within["set"]
    if RELATION.search(answer) is None:
        return None
    found = [_interval(part) for part in OR.split(answer)]
    names = {each[0] for each in found if each is not None}
    if None in found or len(names) != 1:
        return None
    return names.pop(), r"\cup ".join(each[1] for each in found if each is not None)


def is_intervals(gold: str) -> bool:
    """Is a tidied answer an interval or a union of some, perhaps with `\\left` and `\\right`?"""
    return INTERVALS.fullmatch(re.sub(r"\\(?:left|right)(?![A-Za-z])\s?", "", gold)) is not None


def _interval(part: str) -> tuple[str, str] | None:
    if (between := BETWEEN.fullmatch(part)) is not None:
        if between["name"] is not None:
            low, high = (between["low"], between["first"]), (between["second"], between["high"])
            return between["name"], f"{_open(low[1])}{low[0]},{high[1]}{_close(high[0])}"
        return (
            between["same"],
            f"{_open(between['fourth'])}{between['below']},{between['above']}{_close(between['third'])}",
        )
    turned = False
    one = ONE.fullmatch(part)
    if one is None:
        one, turned = TURNED.fullmatch(part), True
    if one is None or RELATION.search(one["bound"]):
        return None
    less = one["order"] in ("<", r"\leq")
    if less is not turned:
        return one["name"], rf"(-\infty,{one['bound']}{_close(one['order'])}"
    return one["name"], rf"{_open(one['order'])}{one['bound']},\infty)"


def _open(order: str) -> str:
    return "(" if order in "<>" else "["


def _close(order: str) -> str:
    return ")" if order in "<>" else "]"
