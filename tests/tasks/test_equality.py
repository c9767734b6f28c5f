"""Equality by text and exact numbers, and what is not worth asking algebra about."""

from __future__ import annotations

import random
from fractions import Fraction

import pytest

from repro.tasks.answers import tidy
from repro.tasks.equality import is_prose, quantity, quick_equal


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        ("72", "72"),
        ("72", "072"),
        ("72", "72.0"),
        ("72", "+72"),
        ("72", "$72"),
        ("72", r"\$72.00"),
        ("72", r"\(72\)"),
        ("72", "**72**"),
        ("72", "= 72."),
        ("72", "72 eggs"),
        ("72", r"72 \text{ square cm}"),
        ("72 eggs", "72"),
        ("90", r"90^\circ"),
        ("1080", "1,080"),
        ("1080", "1{,}080"),
        ("-4", "−4"),
        ("1/2", "0.5"),
        ("1/2", r"\dfrac{1}{2}"),
        ("-1/2", r"-\frac{1}{2}"),
        (r"\frac{2}{4}", ".5"),
        ("50", "50%"),
        ("0.5", r"50\%"),
        ("50%", "1/2"),
        ("1" + "0" * 3000, "01" + "0" * 3000),
        ("x+1", "x+1"),
        ("Paris", r"\boxed{Paris}"),
        ("7/2", "3 1/2"),
        ("-7/2", r"-3\frac{1}{2}"),
        ("1234567", r"1\,234\,567"),
        ("5", "5€"),
        ("5", r"x = 5 \text{ cm}"),
        ("50", "5e1 percent"),
        ("100", "10²"),  # never 102
        ("6.02e23", r"6.02 \times 10^{23} \text{ molecules}"),
        ("3.14", "3,14"),
        ("1234.56", "1.234,56 €"),
        ("1000000", "1.000.000"),
        ("0.005", "5‰"),
        ("3/8", "3/8, or 0.375"),
        (r"18\text{ cm}", r"18 \text{ centimeters}"),
        (r"9.8 \mathrm{~m} / \mathrm{s}^{2}", r"9.8\,\frac{\text{m}}{\text{s}^2}"),
        (r"3:45\text{ p.m.}", "3:45 PM"),
        ("72", "Natalia sold 72 clips in April and May."),
        ("72", "seventy-two (72)"),
        (r"\text{Tuesday}", "tuesday"),
        (r"\text{(B)}", "B"),
    ],
)
def test_equal_without_algebra(gold, answer):
    assert quick_equal(tidy(gold), tidy(answer)) is True


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        ("72", ""),
        ("72", "73"),
        ("72", "720"),
        ("72", "-72"),
        ("72", "7.2"),
        ("1/2", "1/3"),
        ("1/3", "0.33"),
        ("50%", "5"),
        ("18 cm", "18 inches"),
        ("5", "1 has to make 10% x 40 = 5 square"),  # math-verify would take its last number
        ("12", "5 dollars and 50 cents"),
        ("1.2", "1.2 million"),  # the word changes the value
        ("1.2", "1.2 millones"),
        ("5", "5 tenths"),
        ("5", "up to 5"),
        ("5", "the reciprocal of 5"),
        ("5", "divided by 5"),
        ("5", "5 in the first case but not in the second"),
        ("72", "72万"),
        ("72", "不是72"),
        (r"3:45\text{ p.m.}", "3:45 a.m."),
        ("1.602177e-19", "1.6021e-19"),
        ("5", "5 squared"),
        ("5", r"5 \text{ is wrong}"),
        ("5", r"5 \text{ is it}"),
        ("5", "5 as far as I can see"),
        ("5", "5 or 7"),
        ("5", r"5 \text{ or } 7"),
        ("12", "5 7"),
        ("31/2", "3 1/2"),
        ("3.5", "3 7/2"),
        (r"18\text{ m}", r"18\text{ cm}"),
        ("Tuesday", "yadseut"),
        (r"\text{Tuesday}", r"\text{Tuesday or Monday}"),
        (r"\sqrt{2}", r"\sqrt{2} \text{ or anything}"),
        (r"\sqrt{2}", r"1} \text{ or } {\sqrt{2}"),
        ("5050", r"\sum_{k=1}^{100} k"),
        ("12", "12_7"),
        ("12_8", "12_7"),
        ("0.0000001", "0.0000004"),  # equal to six decimals, but not nearly
        ("27", "\u202e27"),
        ("1" + "0" * 3000, "1" + "0" * 2999),
    ],
)
def test_unequal_without_algebra(gold, answer):
    assert quick_equal(tidy(gold), tidy(answer)) is False


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        ("x+1", "1+x"),
        ("5", "5 pi"),
        ("5", r"\sqrt{25} \text{ metres}"),
        ("x = 5", "5 is x"),
        ("1/3", "0.333333"),  # equal after rounding, which is math-verify's to say
        ("1/2", "1/0"),
        ("1200", "1,2,00"),
        (r"2\sqrt{3}", r"\sqrt{12} \text{ cm}"),
        ("1,2", r"1 \text{ or } 2"),  # where gold is a list, a list in words is none of a hedge
        ("3", r"\log_2 8"),
        (r"\sum_{k=1}^n k", r"\sum_{j=1}^n j"),
    ],
)
def test_what_needs_algebra_is_left_to_it(gold, answer):
    assert quick_equal(tidy(gold), tidy(answer)) is None


def test_exact_numbers_agree_with_fractions_on_random_pairs():
    draw = random.Random(0)
    seen = set()
    for _ in range(500):
        a, b = draw.randint(-30, 30), draw.randint(-30, 30)
        p, q = draw.randint(1, 9), draw.randint(1, 9)
        right = Fraction(a, p) == Fraction(b, q)
        seen.add(right)
        assert quick_equal(f"{a}/{p}", f"{b}/{q}") is right
    assert seen == {True, False}


@pytest.mark.parametrize(
    "text", ["", "-", ".", "1e", "1e99999999", "9**9", "0x10", "nan", "inf", "1/0", "1 2", "9" * 5000]
)
def test_what_is_no_plain_number_is_no_quantity(text):
    assert quantity(text) is None


@pytest.mark.parametrize(("gold", "prose"), [("yes", False), ("even", True), (r"\text{no}", True), ("abc", False)])
def test_words_are_told_from_products_of_letters(gold, prose):
    assert is_prose(gold) is prose


@pytest.mark.parametrize("gold", ["x+1", "2 eggs", r"\frac{a}{b}", "A", "5", "", r"\pi", r"\text{5}"])
def test_formulas_are_no_prose(gold):
    assert not is_prose(gold)
