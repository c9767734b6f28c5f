"""Brings an answer into the form of the gold answer where both say the same kind of thing in different forms."""

from __future__ import annotations

import re

from repro.tasks.answers import tidy
from repro.tasks.askable import words_of
from repro.tasks.choices import is_choice
from repro.tasks.equality import is_prose
from repro.tasks.intervals import as_intervals, is_intervals
from repro.tasks.quantities import TEXT, is_below_one, quantity
from repro.tasks.several import parted
from repro.tasks.units import HEDGES, SYMBOL_OF, SYMBOLS

STRUCK = re.compile(r"\\(?:[bx]?cancel(?:to)?|sout|hcancel|st|not|[hv]?phantom)(?![A-Za-z])")
"""What strikes out or hides a part of an answer."""
LABEL = re.compile(r"\(([A-J])\)[.:]?\s+(?P<rest>.+)", re.DOTALL)
"""`(B) 72`: the letter of a choice and what it stands for."""
CHOICE_TEXT = re.compile(r"^\\(?:text|textbf|mathrm|mathbf|mbox)\s?\{\s?(\([A-J]\)[.:]?)\s?\}")
UNION = re.compile(r"([\])])\s?U\s?(?=[\[(])")
TUPLE = re.compile(r"(?:\\left\s?)?\(([^()]*(?:\([^()]*\)[^()]*)*)\)")
UNITS = "|".join(sorted({*SYMBOLS, *SYMBOL_OF, "unit", "radian"}, key=len, reverse=True))
UNIT = re.compile(rf"(?<=[\d}})\]iA-Za-z])\s+(?:(?:square|cubic|sq) )?(?:{UNITS})s?(?:\s?\^\s?\{{?[23]\}}?)?\Z")
"""A unit in plain text behind a formula."""
SEMICOLON = re.compile(r"([\[(][^\[\]();,]+);([^\[\]();,]+(?=[\])]))")
"""An interval as it is written where a comma is a decimal point: `[0;3)`."""
BUILDER = re.compile(
    r"\\\{\s?(?P<name>[A-Za-z])\s?(?:\\mid|\||:|\\colon)\s?(?P<condition>(?P=name)?.+?)\s?\\\}", re.DOTALL
)
"""A set by its condition: `\\{x \\mid 0 < x\\}`."""
MATRIX = re.compile(r"\\begin\{[pbvBV]?matrix\}")
NESTED = re.compile(r"\[\s?(\[[^\[\]]+\](?:\s?,\s?\[[^\[\]]+\])*)\s?\]")
"""A matrix as programmers write it: `[[1, 2], [3, 4]]`."""
COLUMN = re.compile(
    r"(?:\\left\s?[(\[]\s?)?\\begin\{(?P<name>[pb]matrix|array)\}(?:\{[clr]\})?(?P<rows>[^&]+?)(?:\\\\)?\s?"
    r"\\end\{(?P=name)\}(?:\s?\\right\s?[)\]])?"
)
ROW = re.compile(
    r"(?:\\left\s?)?[(\[<]([^()\[\]<>]*,[^()\[\]<>]*)(?:\\right\s?)?[)\]>](?:\s?\^\s?\{?\s?(?:T|\\top)\s?\}?)?"
)
"""A vector in one line: `(1,2)`, `[1, 2]`, `<1, 2>`, `(1,2)^T`."""
OUTWARD = re.compile(
    r"(?:\\left\s?)?(?P<left>[\[\](])(?P<low>[^\[\](),;]+)[,;](?P<high>[^\[\](),;]+?)(?:\\right\s?)?(?P<right>[\[\])])"
)
"""An interval; a bracket that is turned outward excludes its end: `]0,1]` is `(0,1]`."""
RATIO = re.compile(r"\d+\s?:\s?\d+")
CHOOSE = re.compile(
    r"(?<![A-Za-z\\])C\s?\(\s?(?P<n>\d+)\s?,\s?(?P<k>\d+)\s?\)|(?<![\w.])(?P<from>\d+) choose (?P<chosen>\d+)(?![\w.])"
    r"|(?<![\w.])(?:(?:\{\})?[\^_]\s?)?\{?(?P<of>\d+)\}?\s?C\s?_?\s?\{?(?P<picked>\d+)(?![\w.])\}?"
)
"""A number of choices in other notations than a binomial: `C(6,3)`, `6 choose 3`, `^6C_3`."""
TO = re.compile(r"(\d+) (?:to|\\text\s?\{\s*to\s*\}) (\d+)")
REALS = re.compile(r"(?:the )?(?:set of )?(?:all )?real(?: number)?s", re.IGNORECASE)
ANGLE = re.compile(r"(?<=[\d}])\s?\^\s?\{?\s?\\circ\s?\}?\Z")
PI = re.compile(r"\\pi(?![A-Za-z])")
RADIANS = re.compile(r"\s?\\(?:text|mathrm)\s?\{\s*rad(?:ian)?s?\s*\}\Z")
SET = re.compile(r"(?:\\left\s?)?\\\{.*\\\}", re.DOTALL)
POINT = re.compile(r"[A-Z]'?\s?(?==?\s?(?:\\left\s?)?\()=?\s?")
PLUS_MINUS = re.compile(r"\\(?:pm|mp)(?![A-Za-z])\s?")
BETWEEN = re.compile(r"\s*(?:\\text\s?\{\s*and\s*\}|[,;]|\band\b|\\quad|\\\s)+\s*")
NAMED = re.compile(r"([A-Za-z])\s?=\s?([^=]+)")
SAID = re.compile(
    r"(?P<words>[A-Za-z][A-Za-z ,'’-]*)\s(?:is|are|equals|becomes)(?:\s(?:given by|equal to|then))?:?\s(?P<said>.+)",
    re.DOTALL,
)


def in_form_of(gold: str, answer: str) -> tuple[str, str]:
    r"""Both tidied answers, to be compared as before.

    Inequalities become intervals (`x \geq 2` for `[2,\infty)`), values with names a point in the order of the names
    (`y = 1, x = 2` for `(2,1)`), and a formula is taken out of a sentence. An answer that is struck out is none.
    """
    if gold == answer or not answer:
        return gold, answer
    if STRUCK.search(answer) and not STRUCK.search(gold):
        return gold, ""
    if is_choice(gold):
        return gold, answer
    label = LABEL.fullmatch(CHOICE_TEXT.sub(r"\1 ", answer))
    if label is not None and LABEL.match(TEXT.sub(r"\1", gold)) is None:
        answer = tidy(label["rest"])
    if is_prose(gold):
        return gold, answer
    if REALS.fullmatch(TEXT.sub(r"\1", answer).strip()):
        return gold, r"\mathbb{R}"
    gold, answer = _in_one_measure(gold, answer)
    if quantity(gold) is None and not words_of(gold):
        answer = UNIT.sub("", answer)
    if quantity(gold) is None:
        gold, answer = _out_of_sentence(gold), _out_of_sentence(answer)
    if MATRIX.match(gold) and (rows := NESTED.fullmatch(answer)):
        answer = _as_matrix(rows[1])
    gold, answer = _as_rows(gold, answer)
    gold, answer = _inward(gold), _inward(answer)
    if not TUPLE.fullmatch(gold):
        answer = CHOOSE.sub(_binomial, answer)
    if not TUPLE.fullmatch(answer):
        gold = CHOOSE.sub(_binomial, gold)
    if RATIO.fullmatch(gold):
        answer = TO.sub(r"\1:\2", answer)
    builder = BUILDER.fullmatch(answer)
    if builder is not None and BUILDER.fullmatch(gold) is None:
        answer = builder["condition"]
    ours, theirs = as_intervals(gold), as_intervals(answer)
    if theirs is not None and is_intervals(gold):
        return gold, theirs[1]
    if ours is not None and is_intervals(answer):
        return ours[1], answer
    if ours is not None and theirs is not None and ours[0] == theirs[0]:
        return ours[1], theirs[1]
    if is_intervals(gold):
        answer = SEMICOLON.sub(r"\1,\2", answer)
        answer = UNION.sub(r"\1\\cup ", answer)
    size = answer.count(",") + 1
    if size > 1 and (TUPLE.fullmatch(answer) or NAMED.search(answer) is None):
        gold = _as_point(gold, size)
    if (TUPLE.fullmatch(gold) and SET.fullmatch(answer)) or (SET.fullmatch(gold) and TUPLE.fullmatch(answer)):
        return gold, ""
    if not PLUS_MINUS.search(gold) and BETWEEN.search(gold):
        answer = _both_signs(answer)
    elif not PLUS_MINUS.search(answer) and BETWEEN.search(answer):
        gold = _both_signs(gold)
    if TUPLE.fullmatch(gold):
        if is_below_one(answer):
            return gold, ""
        answer = _as_point(answer, gold.count(",") + 1)
    return gold, answer


def _in_one_measure(gold: str, answer: str) -> tuple[str, str]:
    """An angle in degrees beside one with a pi in it, in radians."""
    if bool(ANGLE.search(gold)) == bool(ANGLE.search(answer)) or not PI.search(gold + answer):
        return gold, answer
    texts = [RADIANS.sub("", ANGLE.sub(r" \\cdot \\frac{\\pi}{180}", text)) for text in (gold, answer)]
    return texts[0], texts[1]


def _out_of_sentence(answer: str) -> str:
    """`y = x` of `The line is y = x`; the answer itself where it is no such sentence or takes something back."""
    found = SAID.fullmatch(TEXT.sub(r" \1 ", answer).strip())
    if found is None or HEDGES.intersection(words_of(found["words"])):
        return answer
    said = tidy(found["said"])
    words = words_of(said)
    return answer if any(len(word) > 3 or word in HEDGES - {"and", "or"} for word in words) else said


def _both_signs(text: str) -> str:
    r"""A list with both values of a part that has one `\pm`: `1 \pm a` is `1 + a, 1 - a`."""
    parts = parted(text, ",")
    if not PLUS_MINUS.search(text) or SET.fullmatch(text) or any(len(PLUS_MINUS.findall(part)) > 1 for part in parts):
        return text
    return ", ".join(dict.fromkeys(PLUS_MINUS.sub(sign, part) for part in parts for sign in "+-"))


def _binomial(choice: re.Match[str]) -> str:
    whole, chosen = (
        next(filter(None, choice.group(*names))) for names in (("n", "from", "of"), ("k", "chosen", "picked"))
    )
    return rf"\binom{{{whole}}}{{{chosen}}}"


def _as_matrix(rows: str) -> str:
    lines = [" & ".join(row.split(",")) for row in re.findall(r"\[([^\[\]]+)\]", rows)]
    return r"\begin{pmatrix}" + r" \\ ".join(lines) + r"\end{pmatrix}"


def _as_rows(gold: str, answer: str) -> tuple[str, str]:
    """A column of one and a row of the other as points: `(1,2)` is the vector that a matrix of one column is."""
    columns = [COLUMN.fullmatch(text) for text in (gold, answer)]
    if columns[0] is not None and columns[1] is not None:
        return _as_tuple(columns[0]), _as_tuple(columns[1])
    if columns[0] is not None and (row := ROW.fullmatch(answer)):
        return _as_tuple(columns[0]), f"({row[1]})"
    if columns[1] is not None and TUPLE.fullmatch(gold):
        return gold, _as_tuple(columns[1])
    return gold, answer


def _as_tuple(column: re.Match[str]) -> str:
    return "(" + ",".join(row.strip() for row in column["rows"].split(r"\\")) + ")"


def _inward(text: str) -> str:
    """Intervals whose brackets are turned outward with round ones."""
    if re.search(r"[\[\]][^\[\]()]*[,;][^\[\]()]*\[|\][^\[\]()]*[,;]", text) is None:
        return text
    return OUTWARD.sub(
        lambda part: f"{part['left'].replace(']', '(')}{part['low']},{part['high']}{part['right'].replace('[', ')')}",
        text,
    )


def _as_point(answer: str, size: int) -> str:
    point = POINT.match(answer)
    if point is not None and TUPLE.fullmatch(answer[point.end() :]):
        return answer[point.end() :]
    parts = [NAMED.fullmatch(part.strip()) for part in BETWEEN.split(answer)]
    values = {part[1]: part[2].strip() for part in parts if part is not None}
    if None in parts or len(values) != len(parts) or len(parts) != size:
        return answer
    return "(" + ",".join(values[name] for name in sorted(values)) + ")"
