"""Words around a number: units, words that multiply it, words that change it or take it back."""

from __future__ import annotations

import re
from collections.abc import Sequence

SYMBOLS = {"mm", "cm", "dm", "km", "in", "ft", "yd", "mi", "mg", "kg", "lb", "lbs", "oz", "cl", "dl", "ml", "mL"}
SYMBOLS |= {"ms", "sec", "min", "hr", "hrs", "mph", "kph", "kmh", "rpm", "Hz", "kHz", "MHz", "GHz", "kJ", "kW", "kWh"}
SYMBOLS |= {"kPa", "mol", "rad", "deg", "bit", "kb", "KB", "Mb", "MB", "Gb", "GB", "TB", "Mbps", "cents"}
SYMBOLS |= {"usd", "USD", "eur", "EUR", "GBP"}
"""Symbols that may be glued to a number: `5cm`. Single letters may be factors: `5m` is none of them."""
IN_RATIOS = SYMBOLS | {"m", "g", "s", "h", "L", "l", "J", "N", "W", "V", "A", "K", "Pa"}
"""Symbols that may stand beside a slash: `m/s`."""
PER = {"day", "hour", "week", "month", "year", "minute", "second", "night", "person", "mile", "pound", "gallon", "item"}
"""Words that may stand behind a slash right after a number: `18/day`."""
SCALES = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9, "trillion": 10**12}
"""What a word behind a number multiplies it by."""
COUNTED_IN = SCALES | {"dozen": 12, "dozens": 12, "lakh": 10**5, "lakhs": 10**5, "crore": 10**7, "crores": 10**7}
COUNTED_IN |= {"mn": 10**6, "bn": 10**9, "tn": 10**12}
DIVIDED_IN = {"tenth": 10, "hundredth": 100, "thousandth": 1000, "millionth": 10**6}
"""What a word behind a whole number divides it by: `18 hundredths`."""
RATES = {"ppm", "ppb", "permil", "permille", "bps", "bp", "basis", "gross", "mille"}
"""Words behind a number that count it in parts or packs of a size that no answer here is given in."""
# Words that take an answer back or offer another beside it.
HEDGES = {"or", "and", "not", "but", "no", "nor", "neither", "either", "wrong", "incorrect", "false", "maybe", "if"}
HEDGES |= {"perhaps", "possibly", "unless", "except", "else", "otherwise", "any", "anything", "everything", "something"}
HEDGES |= {"unknown", "than", "less", "more", "most", "least", "between", "versus", "then"}
HEDGES |= {"не", "или", "нет", "pas", "ou", "nicht", "oder", "kein", "keine", "nem", "não", "non"}
# Words after a number that change its value, so they are no unit.
COPULAS = {"is", "was"}
NO_UNIT = HEDGES | COPULAS | {"pi", "sqrt", "mod", "modulo", "plus", "minus", "times", "over", "divided", "squared"}
NO_UNIT |= {"cubed", "factorial", "power", "to", "by", "zero", "one", "two", "three", "four", "five", "six", "seven"}
NO_UNIT |= {"eight", "nine", "ten", "eleven", "twelve", "hundred", "thousand", "million", "billion", "trillion"}
NO_UNIT |= {"e", "half", "halves", "third", "thirds", "quarter", "quarters", *RATES}
NO_UNIT |= {"fourths", "fifths", "sixths", "sevenths", "eighths", "ninths", "tenth", "tenths", "twelfths", "hundredth"}
NO_UNIT |= {"would", "should", "could", "might", "cannot", "fails", "fail", "failed", "too", "impossible", "invalid"}
NO_UNIT |= {"extraneous", "rejected", "complement"}
NO_UNIT |= {"hundredths", "thousandth", "thousandths", "millionths", "recurring", "repeating", "doubled", "tripled"}
NO_UNIT |= {
    "halved",
    "inverse",
    "binary",
    "octal",
    "hexadecimal",
    "mil",
    "mila",
    "tausend",
    "тысяча",
    "тысячи",
    "тысяч",
}
NO_UNIT |= {"millón", "millon", "millones", "millions", "millionen", "milliard", "milliards", "milliarden", "milhões"}
NO_UNIT |= {
    "billón",
    "billones",
    "billionen",
    "bilhões",
    "mio",
    "mrd",
    "миллион",
    "миллиона",
    "миллионов",
    "миллиард",
    "миллиарда",
    "миллиардов",
}
CHANGES = {"minus", "negative", "plus", "times", "over", "divided", "sqrt", "root", "mod", "modulo", "power", "pi", "e"}
CHANGES |= {"half", "halves", "third", "thirds", "quarter", "quarters", "twice", "double", "triple", "log", "ln"}
CHANGES |= {"sin", "cos", "tan", "negative"}
CHANGES |= {"under", "below", "above", "beyond", "nearly", "almost", "without", "unlike", "never"}
CHANGES |= {"doubling", "tripling", "halving"}
"""Words right before a number that change its value or say that it is another one."""
CHANGES_OF = CHANGES | {"square", "cube", "reciprocal", "inverse", "opposite", "factorial", "logarithm", "tenth"}
CHANGES_OF |= {
    "fifth",
    "sixth",
    "eighth",
    "hundredth",
    "thousandth",
    "percent",
    "multiple",
    "fraction",
    "complement",
    "negation",
    "multiples",
    "divisor",
    "divisors",
    "factor",
    "factors",
    "digit",
    "digits",
    "powers",
    "roots",
    "derivative",
    "integral",
    "upwards",
}
"""Words that do so with `of` between: `the square of 5`."""
FILLERS = {"the", "a", "an", "about", "roughly", "approximately", "exactly", "number"}
JOINING = {
    "of": CHANGES_OF | {"out", "as"},
    "to": {"up", "close", "power", "coprime", "prime", "proportional", "congruent", "similar", "distance", "next"},
    "as": {"many", "much"},
    "by": {"divided", "multiplied", "divisible"},
    "from": {"different", "differs", "far", "away", "distinct", "distance", "subtracted"},
    "before": {"integer", "value", "term", "prime", "digit", "even", "odd", "just", "right"},
    "after": {"integer", "value", "term", "prime", "digit", "even", "odd", "just", "right"},
}
"""Words between a number and the word that changes it."""
BY_A_FACTOR = {"by", "scale"}
"""Words that make the number behind `factor of` the answer: `by a factor of 3`."""
LONGEST_UNIT = 4
"""Words; more of them after a number or a formula are prose."""

CURRENCIES = {"$": "dollar", "€": "euro", "£": "pound", "¥": "yen", "₹": "rupee", "¢": "cent"}
CURRENCY_OF = {"dollar": "dollar", "dollars": "dollar", "usd": "dollar", "bucks": "dollar", "euro": "euro"}
CURRENCY_OF |= {"euros": "euro", "eur": "euro", "pound": "pound", "pounds": "pound", "gbp": "pound", "cent": "cent"}
CURRENCY_OF |= {"cents": "cent", "yen": "yen", "rupee": "rupee", "rupees": "rupee"}
"""The currency that a sign or a word names; pounds may be weights as well."""

NAMES = {
    "cm": "centimeter centimetre", "mm": "millimeter millimetre", "km": "kilometer kilometre", "m": "meter metre",
    "in": "inch inches", "ft": "foot feet", "yd": "yard", "mi": "mile", "kg": "kilogram", "g": "gram", "lb": "pound",
    "oz": "ounce", "l": "liter litre", "ml": "milliliter millilitre", "h": "hour hr", "min": "minute",
    "s": "second sec", "n": "newton", "j": "joule", "w": "watt", "deg": "degree", "ohm": "ohms", "pa": "pascal",
    "um": "micrometer micrometre micron", "ug": "microgram",
}  # fmt: skip
SYMBOL_OF = {name: symbol for symbol, names in NAMES.items() for name in names.split()}
DEGREES = re.compile(r"(?:deg|celsiu|fahrenheit)")
TEMPERATURE = re.compile(r"(?:^|\s)(c|f|celsiu|fahrenheit)\Z")
POWERS = {"square": 2, "sq": 2, "cubic": 3, "cu": 3}
SPEEDS = {"mph": "mi / h", "kph": "km / h", "kmh": "km / h", "kmph": "km / h"}
FACTOR = re.compile(r"[^\s/^]+|[/^]")


def same_unit(one: str, other: str) -> bool:
    """Do two units in lower case say the same: `centimeters` and `cm`, `square feet` and `ft^2`, `hour` and `hours`?

    Degrees are the same whatever else is said of them, but for Celsius beside Fahrenheit.
    """
    left, right = _powers(one), _powers(other)
    kinds = [TEMPERATURE.search(" ".join(unit)) for unit in (left, right)]
    if all(DEGREES.match(" ".join(unit)) for unit in (left, right)):
        return None in kinds or kinds[0][1][0] == kinds[1][1][0]  # type: ignore[index]
    return left == right


def is_degrees(unit: str) -> bool:
    """Is a unit in lower case one of angles or temperatures: `°`, `degrees east`, `celsius`?"""
    return DEGREES.match(" ".join(_powers(unit))) is not None


def is_measure(unit: str) -> bool:
    """Does a unit in lower case begin with one of length, weight, volume or time, as no amount of money does?"""
    return bool(unit) and next(iter(_powers(unit.split()[0])), "") in NAMES


def changes_what_follows(words: Sequence[str]) -> bool:
    """Do words say that a number behind them is another value: `minus`, `half of`, `up to`, `divided by`?"""
    last = [word for word in words if word not in FILLERS]
    if last[-1:] in (["before"], ["after"]) and len(words) > 1 and words[-2] == "number":
        return True  # `the number before 72`
    if len(last) > 1 and last[-1] in JOINING:
        return last[-2] in JOINING[last[-1]] and not (last[-2] == "factor" and BY_A_FACTOR.intersection(last[-3:-2]))
    return bool(last) and last[-1] in CHANGES


def _powers(unit: str) -> dict[str, int]:
    """Symbol of each factor of a unit in lower case -> its power: `m/s/s`, `m s^{-2}` and `m/s^2` are the same."""
    plain = re.sub(r"[.{}]|\\cdot(?![a-z])", " ", unit)
    words = [part for word in plain.split() for part in FACTOR.findall(SPEEDS.get(word, word))]
    powers: dict[str, int] = {}
    side, raised, last = 1, 1, ""
    for place, word in enumerate(words):
        if word in ("/", "per"):
            side = -1
        elif word == "^":
            continue
        elif words[place - 1 : place] == ["^"]:
            if last and re.fullmatch(r"-?\d", word):
                powers[last] *= int(word)
        elif word in POWERS and place + 1 < len(words):
            raised = POWERS[word]
        else:
            last = _symbol(word)
            powers[last] = powers.get(last, 0) + side * raised
            side, raised = 1, 1
    return powers


def _symbol(word: str) -> str:
    for name in (word, word.removesuffix("s"), word.removesuffix("es")):
        if name in SYMBOL_OF:
            return SYMBOL_OF[name]
    return word.removesuffix("s") if len(word) > 3 else word
