"""Numbers in English words, against a writer of them that shares nothing with the reader."""

from __future__ import annotations

import pytest

from repro.tasks.number_words import in_digits

ONES = ["", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
ONES += ["thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"]
TENS = ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]


def spelled(number: int, joint: str, hyphen: str) -> str:
    """A whole number below a thousand million in words; `joint` stands behind hundreds, `hyphen` behind tens."""
    if number < 20:
        return ONES[number]
    if number < 100:
        return TENS[number // 10] + (hyphen + ONES[number % 10] if number % 10 else "")
    for size, name in ((10**6, "million"), (1000, "thousand"), (100, "hundred")):
        if number >= size:
            rest = spelled(number % size, joint, hyphen)
            between = joint if number % size < 100 else " "
            return f"{spelled(number // size, joint, hyphen)} {name}" + (between + rest if rest else "")
    raise AssertionError


@pytest.mark.parametrize(("joint", "hyphen"), [(" ", "-"), (" and ", " ")])
def test_every_number_is_read_as_it_is_written(joint, hyphen):
    numbers = [*range(2, 1300), *range(1999, 1_200_000, 7919), 999_999_999, 20_000_000]
    wrong = [n for n in numbers if in_digits(spelled(n, joint, hyphen) + " clips") != f"{n} clips"]
    assert not wrong


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        ("one", "1"),
        ("one dollar", "1 dollar"),
        ("zero", "0"),
        ("twelve hundred", "1200"),
        ("a hundred and five", "105"),
        ("one thousand, two hundred", "1200"),
        ("three quarters", "3/4"),
        ("two and a half", "5/2"),
        ("3 and three quarters", "15/4"),
        ("one and a half million", "1500000"),
        ("two point five", "2.5"),
        ("half", "1/2"),
        ("a dozen", "1 dozen"),
        ("18 (eighteen)", "18"),
        ("There are eighteen (18) of them", "There are 18 of them"),
        ("eighteen or nineteen", "18 or 19"),
        ("seventy, two", "70, 2"),
        ("ten eight", "10 8"),
    ],
)
def test_numbers_are_written_in_digits(text, digits):
    assert in_digits(text) == digits


@pytest.mark.parametrize(
    "text", ["the first one", "no one", "one of them", "eighteenth", "half of it", "a", "twofold", "often", "18 (nine)"]
)
def test_pronouns_ordinals_and_other_words_stay(text):
    assert in_digits(text) == text
