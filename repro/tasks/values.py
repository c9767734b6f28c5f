"""Values of rows as they come from files, the hub and databases, in the types that JSON has."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID

import numpy as np

MOST_DIGITS = 4000
"""Digits of a whole number at most; Python refuses to write 4,300."""


def plain(value: Any) -> Any:
    """A value as JSON would have it: numbers of NumPy and of databases as Python's, bytes that are UTF-8 as text,
    arrays and tuples as lists. What has no such form stays as it is: dates, other bytes, images, long decimals."""
    if value is None or (isinstance(value, str | bool | int | float) and not isinstance(value, np.generic)):
        return value
    if isinstance(value, np.generic):
        return plain(value.item()) if not isinstance(value.item(), np.generic) else value
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [plain(inner) for inner in value]
    if isinstance(value, bytes | bytearray | memoryview):
        try:
            return bytes(value).decode("utf-8")
        except UnicodeDecodeError:
            return value
    if isinstance(value, Decimal):
        return _decimal(value)
    if isinstance(value, Fraction):
        return int(value) if value.denominator == 1 else str(value)
    return str(value) if isinstance(value, UUID) else value


def number_text(value: int | float | Decimal) -> str:
    """A finite number written out in digits, without `.0` and without an exponent."""
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else format(Decimal(repr(value)), "f")
    return format(value.normalize(), "f")


def is_missing(value: Any) -> bool:
    """Whether a value stands for none: null, or not a number, with which tables fill their gaps."""
    if isinstance(value, float | Decimal):
        return math.isnan(value)
    return value is None or type(value).__name__ in ("NaTType", "NAType")


def is_number(value: Any) -> bool:
    """Whether it is a number that a float can hold."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return False
    try:
        return math.isfinite(float(value))
    except OverflowError:
        return False


def is_blank(text: str) -> bool:
    """Whether nobody can see anything in a text: white space, control and invisible characters alone."""
    return not text.strip() or all(c.isspace() or unicodedata.category(c) in ("Cc", "Cf") for c in text)


def _decimal(value: Decimal) -> Any:
    if not value.is_finite():
        return float(value)
    if abs(value.adjusted()) > MOST_DIGITS:
        return value
    if value == value.to_integral_value():
        return int(value)
    nearest = float(value)
    return nearest if Decimal(repr(nearest)) == value else value
