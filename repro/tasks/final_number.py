"""The number that a completion without a marker ends with, read whole: never a part of a larger expression."""

from __future__ import annotations

import re

from repro.tasks.number_words import COUNTS, SMALL, TENS, in_digits
from repro.tasks.references import is_setting, reference_start
from repro.tasks.two_units import LARGER, after_larger
from repro.tasks.units import COUNTED_IN, DIVIDED_IN, RATES, SYMBOLS, changes_what_follows

BEFORE, AFTER = 1000, 300
"""Characters around the last digit in which an expression that holds it is looked for."""
LONGEST_RUN = 50
"""Operands of an expression in plain text; what goes on beyond is not read."""

FRACTION = r"\\[dt]?frac\s?(?:\{[^{}]*\}\s?\{[^{}]*\}|\d\d|\d\{[^{}]*\})"
CURRENCY = r"(?:(?:(?<![A-Za-z])(?:US|CA|AU|HK|C|A))?\\?[$€£¥₹]\s?)?"
SPACED = r"(?<!\d)\d{1,3}(?: \d{3})+(?:[.,]\d+)?(?![\d,/])"
WHOLE = rf"{SPACED}|"
WHOLE += r"\d+(?:(?:,|\{,\}|,\\!|\\,)\d{3})*(?!,?\d)(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+"
SIGN = r"(?:(?<![\w)\]}])[+-]|(?:(?<==\s)|(?<==)|(?<=\bis\s)|(?<=\bequals\s)|(?<=[$(])|(?<![\s\S]))-\s)"
"""A sign before a number; one that a space parts from it only where nothing stands before that it may subtract from."""
NUMBER = re.compile(
    rf"{SIGN}?{CURRENCY}(?:(?:\d+ ?)?{FRACTION}|(?:\d+\s)?\d+\s?/\s?\d+|{WHOLE})"
    r"(?:[eE][+-]?\d{1,2}(?!\w|\.\d))?(?:\s?\\?[%‰]|\s?[€£¥₹])?"
)
# `$5 and $10` are prices: a dollar sign opens mathematics only before what is no space, and closes after such.
DELIMITED = re.compile(
    r"\\\((?P<a>.+?)\\\)|\\\[(?P<b>.+?)\\\]|\$\$(?P<c>.+?)\$\$|(?<![\\$])\$(?=\S)(?P<d>(?:\\.|[^$\n\\])*(?<=\S))\$(?!\d)"
    r"|\\begin\{(?P<name>align|aligned|equation|gather|gathered|eqnarray)\*?\}(?P<e>.+?)\\end\{(?P=name)\*?\}",
    re.DOTALL,
)
JOINS = re.compile(r",?\s?(?:or|and|,) ")
"""What stands between two parts that are offered together: `$2$ and $-3$`."""
SEVERAL = re.compile(r",(?!\d{3}(?!\d))|;|\\text\s?\{\s*(?:and|or)\s*\}|\b(?:and|or)\b")
ENVIRONMENT = re.compile(r"\\(?:begin|end)\{(?:aligned|gathered|split|align\*?)\}")
ROWS = re.compile(r"\\\\(?:\[[^\]]*\])?")
TERM = r"\((?:(?![A-Za-z]{3})[^()\n])*\)"  # in brackets, without a word
NAMED_OPERAND = r"(?:\d[\d,.]*)?\\[A-Za-z]+(?:\{[^{}]*\})*"
OPERAND = rf"(?:{NAMED_OPERAND}|\$?\d[\d,]*(?:\.\d+)?%?|(?<![A-Za-z])[a-zA-Z]|{TERM})"
LEFT = re.compile(rf"{OPERAND}(?P<left> ?)(?:[-+*/^–]|(?<=\d )[xX](?= )|\*\*|\\cdot|\\times|\\div|\\pm)(?P<right> ?)\Z")
NAME = re.compile(
    r"(?<=\d) ?m\^\{?\Z|[^\W\d\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]-?\Z|(?<![\\A-Za-z])[A-Za-z]{2,}\^\{?\Z"
)
"""What before a digit makes it part of a word: a letter (`x2`, `COVID-19`), the power of a unit (`cm^2`)."""
PART = re.compile(r"(?:[{_^]|\d[.,:'′]?)\Z")
"""What before a number makes it a part of something: an open brace, an index, a power, digits and a point or prime."""
PRIMES = re.compile(r"(?:[′″]|'{1,2})(?![\w'])")
"""Signs of minutes, seconds, feet and inches right behind a number."""
FUNCTION = re.compile(
    rf"(?:(?<![\w)\]}}])[-+])?(?:(?:\d[\d,]*(?:\.\d+)?|{FRACTION}|{TERM})\s?)?"
    r"(?:(?:\\|(?<![A-Za-z\\]))(?:log|ln|sin|cos|tan)|\\(?:lg|cot|sec|csc|arc(?:sin|cos|tan)|exp|pm|mp|sqrt))"
    r"(?:\s?_\s?(?:\{[^{}]*\}|\w))?\s*\Z"
)
"""What before a number makes it the argument of a function, or one of two: `\\log 2`, `\\pm 2`."""
COEFFICIENT = re.compile(r"(?<![\w.])\d[\d,.]*\s?\Z")
"""A number that multiplies what follows it."""
SET = re.compile(r"(?:[^\W\d_]?[-+]?[\d./\s]+,)+\s?[-+]?")
"""The numbers of a set before its last one."""
FACTOR = re.compile(r"\s(?:(?:[Pp]i|PI|sqrt|[xyzinke])(?![A-Za-z'’]|[-.][A-Za-z])|[A-Za-z](?=_[\d{]))")
"""What behind a number multiplies it: `36 pi`, `2 x`, `3 a_2`; `18 a day` and `5 m` have no such letter."""
OPERATION = re.compile(
    r"\s?(?:[-+*]\s?[b-hj-z]|/\s?[k-rt-z])(?![A-Za-z'’])|\s(?:minus|plus|divided by|multiplied by|modulo|mod)\s\w+"
    r"|\stimes (?:that|this|as|the|more|less|larger|bigger)\b",
    re.IGNORECASE,
)
"""What behind a number goes on to compute: `36 + x`, `36 divided by y`."""
MATHS = re.compile(r"\s?(?:\^|\\(?:pi|sqrt|[dt]?frac|cdot|times|div|pm|infty|theta|sin|cos|tan|log|ln)(?![A-Za-z]))")
GLUED = re.compile(r"[A-Za-z]+")
ORDINALS = {"st", "nd", "rd", "th"}
CHANGES_BEFORE = re.compile(
    r"\b(?:maybe|perhaps|possibly"
    r"|minus|negative|plus|times|over|out of|root|sqrt|than|or equal to|at least|at most|up to|under|below|above"
    r"|nearly|almost"
    r"|(?:1|one) (?:in|out of)(?: every)?|give or take|plus or minus|as (?:many|much) as)\s\Z",
    re.IGNORECASE,
)
DENIED = re.compile(
    r"(?:\bnot|n['’]t|\bcannot|\bnever|\binstead of|\brather than|\bexcept(?: for)?)(?: be| equal| equals| to)*"
    r"\s[$(*]*\Z",
    re.IGNORECASE,
)
"""What before a number says that it is not this one."""
DENIED_AFTER = re.compile(
    r"[$)*]*\s(?:(?:is|was)(?: not|n['’]t) (?:the |a )?(?:answer|right|correct|solution|final|possible|valid|it\b)"
    r"|(?:is|was|would be) (?:wrong|incorrect|impossible|invalid|extraneous|rejected|not possible"
    r"|too (?:large|small|many|few|much|little|high|low|big|long|short))\b"
    r"|(?:(?:does|do|did|could|would)(?: not|n['’]t)|can(?:not| not|['’]t)) (?:work|be|fit|satisfy|count|make sense)\b"
    r"|fails\b|\((?:wrong|incorrect|no|rejected|extraneous|invalid)\b)",
    re.IGNORECASE,
)
"""What behind a number says the same: `36 is not the answer`, `8 is impossible`, `72 fails`."""
LARGER_PART = re.compile(rf"(?<![\w.,])\$?\d[\d,]*(?:\.\d+)?(?: ?(?P<unit>{LARGER})s?)?(?: and)? \Z")
"""What before a number is the larger part of one amount: `36 dollars and 50 cents`."""
UNFINISHED = re.compile(r"\d[\s$*)]*(?:=|\bis|\bequals)[\s$*(]*\Z")
"""The end of a text that breaks off before a value: `10 + 5 =`."""
SENTENCE_END = re.compile(r"[.;!?](?=\s)|\n")
COMPARED = re.compile(
    r"(?:(?<![<\w/])[A-Za-z][^\S\n]?|[^\S\n])(?:<=?|>=?|!=|\\(?:leq?|geq?|neq?)(?![A-Za-z]))[^\S\n]?\Z"
)
"""What before a number says that it is a bound: `x > 5`, and no arrow, quote or tag."""
BOUND = re.compile(r"[^\S\n](?:<=?|>=?|!=|\\(?:leq?|geq?|neq?)(?![A-Za-z]))[^\S\n][^\n]*")
"""What behind a number says the same: `5 < x`."""
ROUNDED = re.compile(r"[^\s=]+[^\S\n]?\\approx[^\S\n]?\Z")
"""What a number is roughly equal to: `2\\sqrt{5} \\approx 4.47`."""
WORDS_BEFORE = re.compile(r"(?:(?<![A-Za-z\\])[A-Za-z]+ ){1,4}\Z")
BESIDE = re.compile(
    rf"(?:[A-Za-z]\s?=\s?)?(?:{NUMBER.pattern}|\b(?:{'|'.join(COUNTS)}))"
    r"(?:,? (?:or|and|to|by|choose|\\?&) |\s?(?:[;|~]|\+/-|\\pm)\s?|[,;.]? \(?[b-j]\) )"
    r"(?:[A-Za-z]\s?=\s?)?\Z",
    re.IGNORECASE,
)
"""Another number that is offered beside one: `2 or -3`, `x = 2 and x = -3`, `17 to 18`, `3; 18`, `(a) 3 (b) 18`."""
_ITEM = rf"(?:[A-Za-z]\s?=\s?)?(?:{NUMBER.pattern}),\s"
LISTED = re.compile(
    r"(?:(?<!\b[A-Za-z]\s=\s)(?<==\s)|(?<=:\s)|(?<=\bis\s)|(?<=\bare\s)"
    r"|(?<!if )(?<!when )(?<!for )(?<!at )(?=\b[A-Za-z]\s?=))"
    rf"(?:{_ITEM}){{1,9}}(?:(?:(?:{NUMBER.pattern})\s)?(?:and|or)\s)?(?:[A-Za-z]\s?=\s?)?\Z",
    re.IGNORECASE,
)
"""The numbers of a list before the last one: `are 2, 3, and`, `x = 2, y =`."""
SPELLED = re.compile(rf"\b((?:(?:{'|'.join(TENS)})-)?(?:{'|'.join({**SMALL, **TENS})})) \(\Z", re.IGNORECASE)
"""A number in words right before one in brackets, which may be another: `seven (8)` is no 8."""
LIST_ENDS = re.compile(r"[.*_]*\s*(?:\n|\Z)")
"""What behind a number ends the text or its line, so that no `12 people` follow `2020, `."""
PART_OF = re.compile(
    rf"(?:{NUMBER.pattern})(?: of|\s?\\text\s?\{{\s*of\s*\}})\s?(?:(?:the|all|these|those|his|her|their) )?\Z"
)
"""What of a number is spoken of, and not the number: `10% of 50`."""
CHANGES_AFTER = re.compile(
    rf"\s(?:{'|'.join(sorted({*COUNTED_IN, *RATES} - {'basis'}))}|(?:{'|'.join(DIVIDED_IN)})s?|basis points?"
    r"|squared|cubed|factorial|and (?:a|one) (?:half|quarter|third)|and three quarters|halves|thirds|fourths|fifths"
    r"|per mille|per thousand|doubled|tripled|halved"
    r"|(?:[A-Za-z]+ ){0,2}(?:at (?:least|most)|or (?:more|fewer|less)))\b",
    re.IGNORECASE,
)


def final_number(text: str) -> str:
    r"""The last number of a text as it is written there, with its sign, currency and percent sign; "" if there is none.

    A number that stands inside `\( \)`, `\[ \]`, `$ $` or an environment is read with all that stands there, after the
    last equals sign. One that is part of an expression in plain text (`36pi`, `2 + 3`, `5:30`) is read as that whole
    expression, so that it never passes for a part of it. Names with digits (`x2`, `3rd`) are words, and numbers that
    the text denies (`7, not 5`) are passed over.
    """
    end = len(text)
    if UNFINISHED.search(text, max(0, len(text) - 40)):
        return ""
    for _ in range(LONGEST_RUN):
        digit = _last_digit(text, end)
        if digit < 0:
            return ""
        start = max(0, digit - BEFORE)
        start = max(start, text.find("\n", start, digit - BEFORE // 2)) if start else 0
        window = text[start : digit + AFTER]
        found = _read(window, digit - start)
        if isinstance(found, str):
            return found
        end = digit if found is None else start + found
        while found is None and end and (text[end - 1].isalnum() or text[end - 1] in "_-"):
            end -= 1
    return ""


def _last_digit(text: str, end: int) -> int:
    return next((place for place in range(end - 1, -1, -1) if "0" <= text[place] <= "9"), -1)


def _read(text: str, digit: int) -> str | int | None:
    """The expression around a digit, None where it belongs to a name, its place where the text denies it."""
    first = end = 0
    for part in DELIMITED.finditer(text):
        if not JOINS.fullmatch(text, end, part.start()):
            first = part.start()
        end = part.end()
        if part.start() < digit < end:
            if DENIED.search(text[: part.start()]) or DENIED_AFTER.match(text, end):
                return part.start()
            if first < part.start():
                return text[first:end]
            return _last_side(next(group for name, group in part.groupdict().items() if group and name != "name"))
    token = next((found for found in NUMBER.finditer(text) if found.start() <= digit < found.end()), None)
    if token is None:
        return ""
    start, end = token.span()
    before, after = text[:start], text[end:]
    if (reference := reference_start(text, start, end)) is not None:
        return reference
    if is_setting(text, start, end):
        return ""
    if NAME.search(before) and not re.search(r"\\[A-Za-z]+\Z", before):
        return None
    glued = GLUED.match(after)
    if glued and glued[0] in ORDINALS:
        return None
    bracket = _bracket(text, start, end)
    if bracket is not None:
        return bracket
    if PART.search(before):
        return _chunk(text, start, end)
    first = _first_operand(before)
    if (function := FUNCTION.search(before[:first], max(0, first - 80))) is not None:
        first = _first_operand(before[: function.start()])
    if DENIED_AFTER.match(after):
        return max((stop.end() for stop in SENTENCE_END.finditer(before)), default=0)
    if DENIED.search(text[:first]):
        return first
    words = WORDS_BEFORE.search(before)
    if first == start and words is not None and changes_what_follows(words[0].lower().split()):
        first = words.start()
    spelled = SPELLED.search(before) if first == start and after.startswith(")") else None
    if spelled is not None and in_digits(spelled[1]) != token[0]:
        return text[spelled.start() : end + 1]
    if first == start and (larger := LARGER_PART.search(before, max(0, len(before) - 80))) is not None:
        smaller = after_larger(larger["unit"] or "dollar").match(after)
        if smaller and (larger["unit"] or larger[0].startswith("$")):
            return text[larger.start() : end + smaller.end()]
    for pattern in (CHANGES_BEFORE, COMPARED, ROUNDED, BESIDE, PART_OF):
        if (word := pattern.search(before, max(0, len(before) - 80))) is not None:
            first = min(first, word.start())
    if LIST_ENDS.match(after) and (listed := LISTED.search(before, max(0, len(before) - 160))) is not None:
        first = min(first, listed.start())
    if glued and glued[0] not in SYMBOLS and len(glued[0]) < 4:
        end += glued.end()
    elif "'" not in before[-1:] and (primes := PRIMES.match(after)):
        end += primes.end()
    elif MATHS.match(after):
        end = _chunk_end(text, end)
    elif operation := FACTOR.match(after) or OPERATION.match(after):
        end = _chunk_end(text, end + operation.end())
    elif changed := CHANGES_AFTER.match(after) or BOUND.match(after):
        end += changed.end()
    return text[first:end].strip()


def _first_operand(before: str) -> int:
    """Where the expression begins whose last operand is the number that follows; the end where it stands alone."""
    start = len(before)
    for _ in range(LONGEST_RUN):
        left = before[max(0, start - 80) : start]
        found = LEFT.search(left)
        if found is None or (left[found.end("left")] in "+-–" and found["left"] and not found["right"]):
            break
        start -= found.end() - found.start()
    return start


def _bracket(text: str, start: int, end: int) -> str | None:
    """The point, interval, set or call that the number ends: `(1, 2)`, `[0, 3)`, `{1, 2}`, `f(2)`."""
    closing = re.compile(r"\s?\\?[)\]}]").match(text, end)
    if closing is None:
        return None
    if closing[0].endswith("}"):
        opening = text.rfind("{", 0, start)
        inside = text[opening + 1 : start]
        return text[opening : closing.end()] if opening >= 0 and SET.fullmatch(inside) else None
    opening = max(text.rfind("(", 0, start), text.rfind("[", 0, start))
    if opening < 0:
        return None
    inside, call = text[opening + 1 : start], re.search(r"(?<![A-Za-z])[A-Za-z]{1,4}\Z", text[:opening])
    if any(sign in inside for sign in "()[]\n"):
        return None
    close = closing.end()
    if call:
        return text[_first_operand(text[: call.start()]) : close]
    if not inside.strip() and text[opening - 1 : opening].isdigit():  # `2(3)`
        factor = COEFFICIENT.search(text[:opening])
        return text[_first_operand(text[: factor.start() if factor else opening]) : close]
    parts = inside.split(",")
    if len(parts) > 1 and not any(re.search(r"[A-Za-z]{3,}", part.replace("\\", "")) for part in parts):
        return text[opening:close]
    return None


def _chunk(text: str, start: int, end: int) -> str:
    """What stands between the spaces around a number, braces closed."""
    space = max(text.rfind(" ", 0, start), text.rfind("\n", 0, start)) + 1
    if text.startswith("\\", space) and (coefficient := COEFFICIENT.search(text[:space])) is not None:
        space = coefficient.start()
    first = _first_operand(text[:space])
    return text[first : _chunk_end(text, end)].strip(" .,")


def _chunk_end(text: str, end: int) -> int:
    """Where an expression ends that goes on at `end`: at a space, a line's or a sentence's end, braces closed."""
    depth = 0
    for place in range(end, len(text)):
        sign, following = text[place], text[place + 1 : place + 2]
        depth += (sign == "{") - (sign == "}")
        if depth <= 0 and (sign in "\n;" or (sign in ",." and following in ("", " ", "\n"))):
            return place
        if depth <= 0 and sign == " " and following != "\\":
            return place
    return len(text)


def _last_side(maths: str) -> str:
    """The last row of delimited mathematics, after its last equals sign where it is one equation."""
    rows = [row.replace("&", "").strip() for row in ROWS.split(ENVIRONMENT.sub("", maths))]
    row = next((row for row in reversed(rows) if any(c.isdigit() for c in row)), "")
    if "=" in row and not SEVERAL.search(row):
        return row.rpartition("=")[2].strip()
    return row
