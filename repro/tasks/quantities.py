"""Exact numbers as people write them: sign, currency, thousands, fractions, powers of ten, percent, a unit."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from repro.tasks.units import (
    COUNTED_IN,
    CURRENCIES,
    CURRENCY_OF,
    DIVIDED_IN,
    IN_RATIOS,
    LONGEST_UNIT,
    NO_UNIT,
    PER,
    SYMBOL_OF,
    SYMBOLS,
)

LONGEST_NUMBER = 4000
"""Characters; longer runs of digits are compared as text (Python itself refuses to read integers past 4,300)."""

TEXT = re.compile(r"\\(?:text|textbf|textit|textrm|mathrm|mathbf|mathit|mbox|operatorname)\s?\{([^{}]*)\}")
DIGITS = r"(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,2})?"
CURRENCY = r"(?:\\?[$€£¥₹¢]\s?)?"
BELOW_ONE = re.compile(r"[-+]?\s?(?:\\?[$€£¥₹¢]\s?)?0(?:,|\{,\})\d+(?![\d,])")
"""A zero before a comma: `0,5` and `0,125` are decimals, where `1,234` is a thousand and `3,5` may be a list."""
THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
INDIAN_GROUPS = re.compile(r"(?<![\d.,])\d{1,2}(?:,\d{2})+,\d{3}(?![\d,])")
SPACED_THOUSANDS = re.compile(r"(?<![\d.])\d{1,3}(?: \d{3})+(?![\d,/])")
MINUTES = re.compile(
    r"(?P<degrees>\d{1,4})\s?\^\s?\{?\s?\\circ\s?\}?\s?(?P<minutes>\d{1,2}(?:\.\d{1,9})?)\s?(?:'|′|\^\s?\{?\s?\\prime\s?\}?)\Z"
)
"""An angle in degrees and minutes: `30^\\circ 15'`."""
DEGREES = re.compile(r"\s?\^\s?\{?\s?\\circ\s?\}?\s?([CF])?\.?\Z")
TEN = re.compile(
    r"(?<![\w.^{])(?:(\d+(?:\.\d*)?|\.\d+)\s?(?:\\times|\\cdot)\s?)?10\^(?:\{\s?([+-]?\d{1,2})\s?\}|([+-]?\d)(?!\d))"
)
PER_MILLE = re.compile(r"(\d+(?:\.\d+)?)\s?(?:‰|\\permil(?![A-Za-z])|\\text\{\s?‰\s?\})")
MONEY = re.compile(
    r"(?:US|CA|AU|HK|C|A)(?=\\?\$\s?\d)|(?<![A-Za-z])Rs\.?\s?(?=\d)|\\(?:pounds|textsterling|yen|euro)(?![A-Za-z])"
)
SIGN_INSIDE = re.compile(r"^(\\?[$€£¥₹])\s?([+-])(?=[\d.])")
# What a unit looks like in LaTeX: a fraction of two, a product of two, a quotient of texts.
_WORD = r"\\(?:text|mathrm)\s?\{\s?([A-Za-z]+)\s?\}"
UNIT_FRACTION = re.compile(rf"\\[dt]?frac\s?\{{\s?{_WORD}\s?\}}\{{\s?{_WORD}(\^\s?\{{?[1-4]\}}?)?\s?\}}")
PLAIN_FRACTION = re.compile(r"\\[dt]?frac\s?\{\s?([A-Za-z]{2,8})\s?\}\{\s?([A-Za-z]{1,8})\s?\}")
PER_TIME = re.compile(rf"(?<=\d) an? (?={'|'.join(sorted(PER))})")
IN_BRACKETS = re.compile(r"(?<=\d)\s?\(([A-Za-z][A-Za-z ]{1,30})\)\Z")
MORE = re.compile(r"(?<=\d) (?:more|additional|extra)(?=(?: (?!than\b|or\b|and\b)[A-Za-z]+){0,2}\Z)")
"""`12 more apples` are 12; `12 more than 3` are not."""
SQUARED = re.compile(
    r"\b(seconds?|met(?:er|re)s?|feet|foot|inch(?:es)?|centimet(?:er|re)s?|kilomet(?:er|re)s?|miles?) squared\b"
)
AND_CENTS = re.compile(r"(?:\$\s?(\d+)|(\d+) dollars?),? and (\d{1,2}) cents?\Z")
"""An amount in two units: `25 dollars and 50 cents`."""
MEGA = re.compile(r"\AM(?=(?:W|J|Hz|Pa|V|eV|N)\b)")
"""A capital that sets a unit apart from thousandths of it: `MW` and `mW`."""
SIGN = re.compile(f"[{''.join(CURRENCIES)}]")
MICRO = re.compile(r"(?<=[\d\s{~])\\mu\s?([mgslLACFVWHTNJ])(?![A-Za-z]|\s[A-Za-z])")
"""A unit in millionths: `5 \\mu m`."""
OHM = re.compile(r"(?<=\d)\s?\\Omega\s?\Z")
FACTOR_DOT = re.compile(r"(?<=[\sA-Za-z])([A-Za-z])\.(?=\s*(?:\\cdot|\^))|(?<=\\cdot\s)\s?([A-Za-z])\.")
UNIT_QUOTIENT = re.compile(r"(?<=[A-Za-z])\.?\s*/\s*([A-Za-z]+)\.?(?=\s?\^|\s*\Z)")
EAST = r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]"
EASTERN_UNIT = re.compile(rf"(?<=[\d%])\s?(?!{EAST}*[十百千万億亿兆만억천백半])({EAST}{{1,4}})\Z")
"""Chinese, Japanese or Korean right after a number, without the signs that multiply it."""

_LETTER = r"[^\W\d_]"
_POWER = r"(?:\^\s?\{?\s?-?[1-4]\s?\}?)?"
_RATIO = "(?:" + "|".join(sorted(IN_RATIOS, key=len, reverse=True)) + ")" + _POWER
_SYMBOL = "(?:" + "|".join(sorted(SYMBOLS, key=len, reverse=True)) + r")(?![A-Za-z])" + _POWER
_PER = rf"\s?/\s?(?:{_RATIO}(?![A-Za-z])|[A-Za-z]{{3,}}\.?)"
_INVERSE = "(?:" + "|".join(sorted(IN_RATIOS, key=len, reverse=True)) + r")\s?\^\s?\{?\s?-[1-4]\s?\}?"
_TIMES = r"(?:\s?\\cdot\s?|\s)"
_PRODUCT = rf"(?:{_RATIO}(?:\s?\\cdot\s?{_RATIO})+(?![A-Za-z])|{_RATIO}(?:{_TIMES}{_RATIO}){{0,3}}{_TIMES}{_INVERSE})"
_WORDS = rf"{_LETTER}(?:{_LETTER}|\.)+{_POWER}(?:{_PER})?"
UNIT_WORD = rf"(?:{_PRODUCT}(?:{_PER})?|{_RATIO}(?:{_PER}){{1,2}}|{_WORDS}|m\^\s?\{{?\s?[23]\s?\}}?)"
GLUED_UNIT = rf"(?:{_RATIO}(?:{_PER}){{1,2}}|{_SYMBOL}(?:{_PER})?|\s?/\s?(?:{'|'.join(sorted(PER))})(?![A-Za-z]))"
QUANTITY = re.compile(
    rf"(?P<sign>[+-]?)\s?{CURRENCY}(?:(?P<whole>\d+)?\s?\\[dt]?frac\{{(?P<a>{DIGITS})\}}\{{(?P<b>{DIGITS})\}}"
    rf"|(?:(?P<apart>\d+)\s(?=\d+\s?/))?(?P<top>{DIGITS})(?:\s?/\s?(?P<bottom>{DIGITS}))?)"
    rf"\s?{CURRENCY}(?P<percent>%?)(?P<unit>(?:{GLUED_UNIT}|\s{UNIT_WORD})?(?:\s{UNIT_WORD})*)"
)
DECIMAL_COMMA = re.compile(
    rf"([+-]?\s?{CURRENCY}(?:\d{{1,3}}(?P<grouped>(?:[. ]\d{{3}})+)|\d+)),(?P<decimals>\d+)(?!\d)"
)


@dataclass(frozen=True)
class Quantity:
    """An exact number as written: `decimals` digits after the point, perhaps a percent sign, a unit in words.

    `currency` is the name of the one that a sign or the unit says, "" without one.
    """

    value: Fraction
    decimals: int
    percent: bool
    unit: str
    currency: str = ""


def quantity(text: str) -> Quantity | None:
    """The tidied answer as an exact number, or None if it is more than a number with a sign, percent or unit.

    A proper fraction beside a whole number is a mixed number, as in print: `3 1/2` and `3\\frac{1}{2}` are 3.5.
    """
    if len(text) > LONGEST_NUMBER or is_below_one(text):
        return None
    text = _plain_units(text).replace("{,}", ",").replace(r"\%", "%")
    text = DEGREES.sub(lambda sign: f" deg {sign[1]}." if sign[1] else " deg", text)
    text = re.sub(r"\s+", " ", text).strip()
    text = THOUSANDS.sub("", INDIAN_GROUPS.sub(lambda number: number[0].replace(",", ""), text))
    text = SPACED_THOUSANDS.sub(lambda number: number[0].replace(" ", ""), text)
    text = TEN.sub(lambda power: f"{power[1] or 1}e{power[2] or power[3]}", text)
    match = QUANTITY.fullmatch(text)
    if match is None:
        return None
    written = match["unit"].strip(" .")
    unit = MEGA.sub("mega", written).lower()
    if written == "k":  # a thousand times as much, and no unit
        return None
    percent = match["percent"] == "%" or unit in ("percent", "per cent")
    words = unit.replace(".", " ").split()
    scale = _scale(words)
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
    decimals = max(len(re.split("[eE]", part)[0].partition(".")[2]) for part in (top, bottom))
    unit = "" if unit in ("percent", "per cent") else unit
    sign = SIGN.search(text)
    currency = CURRENCIES[sign[0]] if sign else CURRENCY_OF.get(words[0], "") if words else ""
    return Quantity(-value if match["sign"] == "-" else value, decimals, percent, unit, currency)


def _scale(words: list[str]) -> Fraction:
    """What the first word behind a number multiplies it by, 1 where it is none of a size."""
    if not words:
        return Fraction(1)
    if words[0] in COUNTED_IN:
        return Fraction(COUNTED_IN[words[0]])
    return Fraction(1, DIVIDED_IN.get(words[0].removesuffix("s"), 1))


def is_below_one(text: str) -> bool:
    """Does a tidied answer begin with a zero and a decimal comma, as in `0,5 kg`?"""
    return BELOW_ONE.match(text) is not None


def with_decimal_comma(text: str) -> Quantity | None:
    """The number that a tidied answer is if its comma stands before decimals: `3,14`, `1.234,56 €`; None otherwise.

    Three digits after a lone comma are thousands, but for `0,125`.
    """
    text = text.replace("{,}", ",")
    found = DECIMAL_COMMA.match(text)
    if found is None or (len(found["decimals"]) == 3 and not found["grouped"] and not is_below_one(text)):
        return None
    return quantity(f"{re.sub('[. ]', '', found[1])}.{found['decimals']}{text[found.end() :]}")


def _plain_units(text: str) -> str:
    """Currencies as one sign and units in LaTeX as plain text; per mille as percent."""
    text = PER_MILLE.sub(lambda number: f"{float(number[1]) / 10:g}%", text)
    text = AND_CENTS.sub(lambda sum: f"${sum[1] or sum[2]}.{int(sum[3]):02}", text)
    text = MINUTES.sub(lambda angle: f"{int(angle['degrees']) + Fraction(angle['minutes']) / 60} deg", text)
    text = MICRO.sub(r" u\1", OHM.sub(" ohm", text))
    text = SQUARED.sub(r"\1^2", MORE.sub("", text))
    text = IN_BRACKETS.sub(r" \1", PER_TIME.sub(" per ", text))
    text = PLAIN_FRACTION.sub(_unit_fraction, UNIT_FRACTION.sub(r" \1/\2\3", text))
    # A letter alone is a unit only where it is written as text: `5 m` may be a product.
    text = TEXT.sub(_unit_text, text)
    text = FACTOR_DOT.sub(r"\1\2", text)
    text = UNIT_QUOTIENT.sub(r"/\1", text)
    text = MONEY.sub(lambda name: "" if name[0].isupper() else "£", text.strip())
    return EASTERN_UNIT.sub("", SIGN_INSIDE.sub(r"\2\1", text))


def _unit_text(said: re.Match[str]) -> str:
    r"""Text behind a number as plain text; `\text{N m}` as the product of two units."""
    words = said[1].split()
    if len(words) == 1 and len(words[0]) == 1:
        return f" {said[1]}."
    return " " + (r" \cdot ".join(words) if len(words) > 1 and IN_RATIOS.issuperset(words) else said[1])


def _unit_fraction(found: re.Match[str]) -> str:
    r"""`\frac{km}{h}` as a unit, where both are names of units; other fractions of letters are variables."""
    known = all(name in IN_RATIOS or name.removesuffix("s") in PER | SYMBOL_OF.keys() for name in found.groups())
    return f" {found[1]}/{found[2]}" if known else found[0]
