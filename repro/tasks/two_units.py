"""Amounts in two units as one number of the larger: `2 hours and 30 minutes` is `5/2 hours`."""

from __future__ import annotations

import re
from fractions import Fraction

_SIZES = [
    ("dollar euro", "cent", 100), ("pound", "pence", 100), ("pound lb", "ounce oz", 16), ("year yr", "month", 12),
    ("week", "day", 7), ("day", "hour hr h", 24), ("hour hr h", "minute min", 60), ("minute min", "second sec s", 60),
    ("feet foot ft", "inches inch in", 12), ("yard yd", "feet foot ft", 3), ("yard yd", "inches inch in", 36),
    ("meter metre m", "centimeter centimetre cm", 100), ("kilometer kilometre km", "meter metre m", 1000),
    ("kilogram kg", "gram g", 1000), ("degree", "minute", 60),
]  # fmt: skip
"""(names of a unit, names of a smaller one, how many of the smaller make one of the larger)."""
SMALLER: dict[str, dict[str, int]] = {}
"""Unit -> the smaller units that may follow it in one amount, with how many of them it has."""
for _larger, _smaller, _size in _SIZES:
    for _name in _larger.split():
        SMALLER.setdefault(_name, {}).update(dict.fromkeys(_smaller.split(), _size))
LONG_NAME = {name: larger.split()[0] for larger, _, _ in _SIZES for name in larger.split()}
MONEY = {"dollar", "euro"}
LARGER = "|".join(sorted(SMALLER, key=len, reverse=True))
_ALL = "|".join(sorted({name for parts in SMALLER.values() for name in parts}, key=len, reverse=True))
AMOUNT = re.compile(
    rf"(?<![\w.,/])(?P<whole>\d{{1,9}}) ?(?P<larger>{LARGER})s?,?(?: and)? (?P<part>\d{{1,4}}) ?"
    rf"(?P<smaller>{_ALL})s?(?!\w)"
)


def after_larger(unit: str) -> re.Pattern[str]:
    """What behind a number makes it the smaller part of an amount whose larger part is in `unit`."""
    return re.compile(rf"\s?(?:{'|'.join(SMALLER[unit])})s?(?![A-Za-z])")


def in_one_unit(text: str) -> str:
    """The text with each amount in two units as one number; one whose smaller part is a whole unit or more stays."""
    return AMOUNT.sub(_joined, text)


def _joined(amount: re.Match[str]) -> str:
    size = SMALLER[amount["larger"]].get(amount["smaller"], 0)
    if int(amount["part"]) >= size or amount["larger"] in MONEY:
        return amount[0]
    return f"{int(amount['whole']) + Fraction(int(amount['part']), size)} {LONG_NAME[amount['larger']]}"
