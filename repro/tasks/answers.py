"""Final answers as text: finding one in a completion, and comparing two without symbolic algebra."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from fractions import Fraction

LONGEST_NUMBER = 4000
"""Characters; longer runs of digits are compared as text (Python itself refuses to read integers past 4,300)."""
ROUNDING = 6
"""Decimals from which two unequal numbers may still be one rounded value; math-verify rounds to as many."""

DIGITS = r"(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,2})?"
THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
LAST_NUMBER = re.compile(
    r"(?:(?<![\w)\]}])[+-])?\$?(?:\\[dt]?frac\{[^{}]*\}\{[^{}]*\}|\d[\d,]*(?:\.\d+)?(?:\s?/\s?\d+)?|\.\d+)\s?\\?%?"
)
QUANTITY = re.compile(
    rf"(?P<sign>[+-]?)\s?(?:\\?[$€£]\s?)?(?:\\[dt]?frac\{{(?P<a>{DIGITS})\}}\{{(?P<b>{DIGITS})\}}"
    rf"|(?P<top>{DIGITS})(?:\s?/\s?(?P<bottom>{DIGITS}))?)\s?(?P<percent>%?)(?P<unit>(?:\s[A-Za-z][A-Za-z.]+)*)"
)
# Words after a number that change its value, so they are no unit.
NO_UNIT = {"pi", "sqrt", "hundred", "thousand", "million", "billion", "trillion", "dozen", "and", "or", "to", "by"}
# Names that stand in formulas; any other word makes an answer prose, where algebra finds numbers nobody stated.
FUNCTIONS = {"sqrt", "pi", "sin", "cos", "tan", "cot", "log", "ln", "exp", "mod"}
COMMAND = re.compile(r"\\(?:text|mathrm|mbox|textbf)\s?\{[^{}]*\}|\\[A-Za-z]+")
SPACES = re.compile(r"(?:\\[,;:! ]|~|\s)+")
WRAPPERS = [("**", "**"), ("`", "`"), ("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]")]
LOOKALIKES = str.maketrans("−‐‑–﹣－＋．，％⁄∕／＄", "-----" + "-+.,%///$")


@dataclass(frozen=True)
class Quantity:
    """An exact number as written: `decimals` digits after the point, perhaps a percent sign or a unit in words."""

    value: Fraction
    decimals: int
    percent: bool
    unit: str


def extract_answer(completion: str) -> str:
    """The final answer of a completion, tidied; empty if there is none.

    Looked for in this order: after the last `####` (to the end of that line), in the last `\\boxed{}`, in the last
    `<answer></answer>`, and else the last number. A marker whose answer is cut off yields no answer rather than a
    number from the reasoning before it.
    """
    if "####" in completion:
        rest = completion.rpartition("####")[2].strip()
        return tidy(rest.splitlines()[0]) if rest else ""
    start = max(completion.rfind(r"\boxed"), completion.rfind(r"\fbox"))
    if start >= 0:
        return tidy(braced(completion, start) or "")
    opened = completion.rfind("<answer>")
    if opened >= 0:
        inside, closing, _ = completion[opened + len("<answer>") :].partition("</answer>")
        return tidy(inside) if closing else ""
    numbers = LAST_NUMBER.findall(ascii_digits(completion))
    return tidy(numbers[-1].rstrip(",")) if numbers else ""


def tidy(text: str) -> str:
    """The same answer without what only dresses it: spaces, math delimiters, a box, a final full stop."""
    text = SPACES.sub(" ", ascii_digits(text)).strip()
    changed = True
    while changed:
        before = text
        text = text.rstrip(".").strip().removeprefix("=").strip()
        for left, right in WRAPPERS:
            inner = text[len(left) : len(text) - len(right)]
            if text.startswith(left) and text.endswith(right) and inner and left not in inner:
                text = inner.strip()
        if text.startswith((r"\boxed", r"\fbox")) and text.endswith("}"):
            text = (braced(text, 0) or text).strip()
        changed = text != before
    return text


def braced(text: str, start: int) -> str | None:
    """What the first `{...}` at or after `start` holds, nested braces included; None if it never closes."""
    first = text.find("{", start)
    if first < 0:
        return None
    depth = 0
    for place in range(first, len(text)):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if depth == 0:
            return text[first + 1 : place]
    return None


def ascii_digits(text: str) -> str:
    """Decimal digits of every script, and signs that only look different, in ASCII (superscripts are kept)."""
    if text.isascii():
        return text
    text = text.translate(LOOKALIKES)
    return "".join(str(unicodedata.decimal(c)) if c.isdecimal() else c for c in text)


def quantity(text: str) -> Quantity | None:
    """The tidied answer as an exact number, or None if it is more than a number with a sign, percent or unit."""
    if len(text) > LONGEST_NUMBER:
        return None
    text = re.sub(r"\\(?:text|mathrm|mbox|textbf)\s?\{([^{}]*)\}", r" \1", text)
    text = re.sub(r"\s?(?:\^\s?\{?\s?\\circ\s?\}?|°)$", "", text.replace("{,}", ",").replace(r"\%", "%"))
    text = THOUSANDS.sub("", SPACES.sub(" ", text).strip())
    match = QUANTITY.fullmatch(text)
    if match is None:
        return None
    unit = match["unit"].strip(" .").lower()
    if NO_UNIT.intersection(unit.split()):
        return None
    top, bottom = match["a"] or match["top"], match["b"] or match["bottom"] or "1"
    if not Fraction(bottom):
        return None
    value = Fraction(top) / Fraction(bottom)
    decimals = max(len(part.partition(".")[2]) for part in (top, bottom))
    return Quantity(-value if match["sign"] == "-" else value, decimals, match["percent"] == "%", unit)


def is_formula(answer: str) -> bool:
    """Whether an answer could be the value of a number: it has a digit, and no word but names of functions."""
    words = re.findall(r"[A-Za-z]{2,}", COMMAND.sub(" ", answer))
    return any(c.isdigit() for c in answer) and {word.lower() for word in words} <= FUNCTIONS


def quick_equal(gold: str, answer: str) -> bool | None:
    """Whether two tidied answers are equal where text and exact numbers can tell; None where algebra is needed.

    Leading zeros, thousands commas, currency signs and a unit on one side only do not matter; `50%` equals 50 and
    1/2, as it does for math-verify. Prose never equals a number: `1 is 10% x 40 = 5` states none.
    """
    if not answer:
        return False
    if gold == answer:
        return True
    left, right = quantity(gold), quantity(answer)
    if left is None or right is None:
        return False if left is not None and not is_formula(answer) else None
    if left.unit and right.unit and left.unit != right.unit:
        return False
    ratio = {left.value}
    if left.percent != right.percent:
        ratio |= {left.value / 100 if left.percent else left.value * 100}
    if right.value in ratio:
        return True
    return None if max(left.decimals, right.decimals) >= ROUNDING else False
