"""Words around a number: units, words that multiply it, words that change it or take it back."""

from __future__ import annotations

SYMBOLS = {"mm", "cm", "dm", "km", "in", "ft", "yd", "mi", "mg", "kg", "lb", "lbs", "oz", "cl", "dl", "ml", "mL"}
SYMBOLS |= {"ms", "sec", "min", "hr", "hrs", "mph", "kph", "kmh", "rpm", "Hz", "kHz", "MHz", "GHz", "kJ", "kW", "kWh"}
SYMBOLS |= {"kPa", "mol", "rad", "deg", "bit", "kb", "KB", "Mb", "MB", "Gb", "GB", "TB", "Mbps", "cents"}
SYMBOLS |= {"usd", "USD", "eur", "EUR", "GBP"}
"""Symbols that may be glued to a number: `5cm`. Single letters may be factors: `5m` is none of them."""
IN_RATIOS = SYMBOLS | {"m", "g", "s", "h", "L", "l", "J", "N", "W", "V", "A", "K", "Pa"}
"""Symbols that may stand beside a slash: `m/s`."""
SCALES = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9, "trillion": 10**12}
"""What a word behind a number multiplies it by."""
# Words that take an answer back or offer another beside it.
HEDGES = {"or", "and", "not", "but", "no", "nor", "neither", "either", "wrong", "incorrect", "false", "maybe", "if"}
HEDGES |= {"perhaps", "possibly", "unless", "except", "else", "otherwise", "any", "anything", "everything", "something"}
HEDGES |= {"unknown", "than", "less", "more", "most", "least", "between", "versus", "then"}
# Words after a number that change its value, so they are no unit.
COPULAS = {"is", "was"}
NO_UNIT = HEDGES | COPULAS | {"pi", "sqrt", "mod", "modulo", "plus", "minus", "times", "over", "divided", "squared"}
NO_UNIT |= {"cubed", "factorial", "power", "to", "by", "zero", "one", "two", "three", "four", "five", "six", "seven"}
NO_UNIT |= {"eight", "nine", "ten", "eleven", "twelve", "hundred", "thousand", "million", "billion", "trillion"}
NO_UNIT |= {"e", "half", "halves", "third", "thirds", "quarter", "quarters", "lakh", "lakhs", "crore", "crores"}
NO_UNIT |= {"fourths", "fifths", "sixths", "sevenths", "eighths", "ninths", "tenth", "tenths", "twelfths", "hundredth"}
NO_UNIT |= {"hundredths", "thousandth", "thousandths", "millionths", "recurring", "repeating", "doubled", "tripled"}
NO_UNIT |= {"halved", "inverse", "cancelled", "recurrent"}
CHANGES = {"minus", "negative", "plus", "times", "over", "divided", "sqrt", "root", "mod", "modulo", "power", "pi", "e"}
CHANGES |= {"half", "halves", "third", "thirds", "quarter", "quarters", "twice", "double", "triple", "log", "log2", "ln"}
CHANGES |= {"under", "below", "above", "beyond", "nearly", "almost", "without", "except"}
"""Words right before a number that change its value or say that it is another one."""
CHANGES_OF = CHANGES | {"square", "cube", "root", "reciprocal", "inverse", "opposite", "factorial", "logarithm", "tenth"}
CHANGES_OF |= {"fifth", "sixth", "eighth", "hundredth", "thousandth", "percent", "multiple", "fraction", "complement"}
"""Words that do so with `of` between: `the square of 5`."""
LONGEST_UNIT = 4
"""Words; more of them after a number or a formula are prose."""
