"""One notation: what many write in many ways comes out as the LaTeX that is read as it was meant."""

from __future__ import annotations

import pytest

from repro.tasks.notation import standard


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("pi/2", r"\pi /2"),
        ("36pi", r"36\pi"),
        ("x**2+1", "x^2+1"),
        ("x**10", "x^{10}"),
        ("e^(2x)", "e^{2x}"),
        ("y^((4)/(3))", "y^{(4)/(3)}"),
        ("2*sqrt(x+1)", r"2 \cdot \sqrt{x+1}"),
        ("sqrt(sqrt(2))", r"\sqrt{\sqrt{2}}"),
        ("cbrt(2)", r"\sqrt[3]{2}"),
        (r"\sqrt[3]2", r"\sqrt[3]{2}"),
        ("exp(16)-1", "e^{16}-1"),
        (r"\frac{1}{\mathrm{e}}", r"\frac{1}{e }"),
        (r"2\mathrm{i}", "2i"),
        ("14.0 - 1.0i", "14 - i"),
        (r"\varnothing", r"\emptyset"),
        (r"90\degree", r"90^\circ"),
        (r"0.1\overline{6}", r"\frac{15}{90}"),
        ("x<=3", r"x\leq 3"),
        ("(-inf, 3]", r"(-\infty , 3]"),
        ("sin(x)", r"\sin(x)"),
        ("10⁻³", "10^{-3}"),
        ("x₁", "x_{1}"),
        ("∛2", r"\sqrt[3]{2}"),
        ("2½", r"2\frac{1}{2}"),
        ("9 x 2", r"9 \times 2"),
        (r"x \leqslant 3", r"x \leq 3"),
    ],
)
def test_mathematics_comes_out_in_one_notation(text, same):
    assert standard(text) == same


@pytest.mark.parametrize(
    "text",
    [
        "June 20",
        "the pipe",
        r"\pi",
        r"\text{cosine}",
        "5 m",
        "1.20.0",
        "a sine wave",
        "[1,2)",
        r"\leq",
        "sqrt(",
        "2^{10}",
    ],
)
def test_what_is_no_other_notation_stays_as_it_is(text):
    assert standard(text) == text


def test_what_is_too_long_to_be_compared_by_algebra_stays_as_it_is():
    assert standard("pi" * 600) == "pi" * 600
